"""The attention's comparison for training: as `decoder.compare`, but nothing of P x R x L x A numbers is kept.

On a CPU most of a training step went by while such numbers were written to memory and read back, once in every word's
step and again on the way back. With m = 1 where projected + query > 0, else 0, and g the gradient of the scores, all
that the way back needs is two sums of g * m:

    to_cells (P, L, A) over the rows,  gradient of projected: to_cells * weight
    to_rows  (P, R, A) over the cells, gradient of query:     to_rows * weight

and, because relu(x) = m * x, the gradient of weight is the sum of projected * to_cells and of query * to_rows. So m is
computed again, photo after photo in tiles that stay in the processor's cache, or fused away by torch.compile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """In the place of `decoder.compare`, with the same scores and gradients.

    Attributes:
        score: see `score_tiles`.
        spread: see `spread_tiles`.
    """

    score: Callable[[Tensor, Tensor, Tensor], Tensor]
    spread: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

    def __call__(self, projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
        """Scores (P, R, L), see `decoder.compare`."""
        scores: Tensor = _Compare.apply(projected, query, weight.to(projected.dtype), self)
        return scores


def make_comparison(compiled: bool) -> Comparison:
    """The comparison for a training run; `compiled`: let torch.compile fuse it."""
    if compiled:
        return Comparison(torch.compile(score_fused, dynamic=True), torch.compile(spread_fused, dynamic=True))
    return Comparison(score_tiles, spread_tiles)


class _Compare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, query: Tensor, weight: Tensor, comparison: Comparison) -> Tensor:
        ctx.save_for_backward(projected, query, weight)
        ctx.comparison = comparison
        return comparison.score(projected, query, weight)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        projected, query, weight = ctx.saved_tensors
        to_cells, to_rows = ctx.comparison.spread(projected, query, gradient)
        to_weight = torch.einsum("pla,pla->a", projected, to_cells) + torch.einsum("pra,pra->a", query, to_rows)
        return to_cells * weight, to_rows * weight, to_weight, None


def score_fused(projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
    """Scores (P, R, L) of projected (P, L, A), query (P, R, A) and weight (A,), in words that compile to one loop."""
    return ((projected.unsqueeze(1) + query.unsqueeze(2)).relu() * weight).sum(dim=-1)


def spread_fused(projected: Tensor, query: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The sums `to_cells` (P, L, A) and `to_rows` (P, R, A) of the gradient (P, R, L) of the scores."""
    compared = projected.unsqueeze(1) + query.unsqueeze(2)  # (P, R, L, A)
    let_through = torch.where(compared > 0, gradient.unsqueeze(-1), 0)  # (P, R, L, A)
    return let_through.sum(dim=1), let_through.sum(dim=2)


def score_tiles(projected: Tensor, query: Tensor, weight: Tensor) -> Tensor:
    """`score_fused` for a few photos at a time."""
    scores = query.new_empty(*query.shape[:2], projected.shape[1])  # (P, R, L)
    for own in _tiles(projected):
        tile = projected[own].unsqueeze(1) + query[own].unsqueeze(2)  # (p, R, L, A)
        torch.matmul(tile.relu_(), weight, out=scores[own])
    return scores


def spread_tiles(projected: Tensor, query: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """`spread_fused` for a few photos at a time."""
    to_cells, to_rows = torch.empty_like(projected), torch.empty_like(query)
    for own in _tiles(projected):
        tile = projected[own].unsqueeze(1) + query[own].unsqueeze(2)  # (p, R, L, A)
        tile.gt_(0)
        torch.matmul(gradient[own].unsqueeze(2), tile, out=to_rows[own].unsqueeze(2))  # (p, R, 1, A)
        torch.sum(tile.mul_(gradient[own].unsqueeze(-1)), dim=1, out=to_cells[own])
    return to_cells, to_rows


def _tiles(projected: Tensor) -> list[slice]:
    """Photos in groups: one by one on a CPU, whose caches hold no more; all at once elsewhere."""
    size = 1 if projected.device.type == "cpu" else max(len(projected), 1)
    return [slice(first, first + size) for first in range(0, len(projected), size)]
