"""Where a step of the decoder looks: each cell compared with what has been said so far."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from captioner.packed import PackedLinear

PIECE = 1 << 20  # numbers (4 MB) that a cache holds; tens of megabytes would even be asked of the system anew


def compare(projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
    """Score (P, R, L) of each cell for each row: weight (A,) times relu(projected (P, L, A) + query (P, R, A)).

    A processor takes a few rows of a photo at a time: R * L * A numbers are read and written three times over.
    """
    rows = max(1, PIECE // max(1, projected[0].numel()))
    if projected.device.type != "cpu" or query[..., 0].numel() <= rows:
        return _compare(projected, query, weight)
    return torch.cat(
        [
            torch.cat([_compare(cells, few, weight) for few in torch.split(asked, rows, dim=1)], dim=1)  # (1, R, L)
            for cells, asked in zip(torch.split(projected, 1), torch.split(query, 1), strict=True)
        ]
    )


def _compare(projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
    rectified = (projected.unsqueeze(1) + query.unsqueeze(2)).relu_()  # (P, R, L, A)
    if rectified.is_cpu and not torch.is_grad_enabled():
        return rectified.mul_(weight).sum(-1)  # (P, R, L); a product with a single column takes longer there
    return rectified @ weight


class SoftAttention(nn.Module):
    """Additive attention (Xu et al. 2015, equations 4 to 6), with the tutorial's ReLU between the layers."""

    def __init__(self, annotation_dim: int, hidden_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.annotation_projection = PackedLinear(annotation_dim, attention_dim)
        self.hidden_projection = PackedLinear(hidden_dim, attention_dim)
        self.score = nn.Linear(attention_dim, 1)
        self.compare: Callable[[Tensor, Tensor, Tensor], Tensor] = compare  # training puts a frugal one here

    def forward(self, projected: Tensor, hidden: Tensor) -> Tensor:
        """Attention (P, R, L) of rows `hidden` (P, R, hidden_dim) over `projected` annotations (P, L, A)."""
        query = self.hidden_projection(hidden)  # (P, R, A)
        scores = self.compare(projected, query, self.score.weight[0]) + self.score.bias  # (P, R, L)
        return torch.softmax(scores, dim=-1)
