"""Where a step of the decoder looks: each cell compared with what has been said so far."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


def compare(projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
    """Score (P, R, L) of each cell for each row: weight (A,) times relu(projected (P, L, A) + query (P, R, A))."""
    return (projected.unsqueeze(1) + query.unsqueeze(2)).relu_() @ weight  # (P, R, L, A) to (P, R, L)


class SoftAttention(nn.Module):
    """Additive attention (Xu et al. 2015, equations 4 to 6), with the tutorial's ReLU between the layers."""

    def __init__(self, annotation_dim: int, hidden_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.annotation_projection = nn.Linear(annotation_dim, attention_dim)
        self.hidden_projection = nn.Linear(hidden_dim, attention_dim)
        self.score = nn.Linear(attention_dim, 1)
        self.compare: Callable[[Tensor, Tensor, Tensor], Tensor] = compare  # training puts a frugal one here

    def forward(self, projected: Tensor, hidden: Tensor) -> Tensor:
        """Attention (P, R, L) of rows `hidden` (P, R, hidden_dim) over `projected` annotations (P, L, A)."""
        query = self.hidden_projection(hidden)  # (P, R, A)
        scores = self.compare(projected, query, self.score.weight[0]) + self.score.bias  # (P, R, L)
        return torch.softmax(scores, dim=-1)
