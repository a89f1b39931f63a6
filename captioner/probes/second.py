"""A second opinion beside attention: which cells would change the word if their features changed.

Gradient times activation on the feature grid, summed over channels (Ancona et al. 2018, "Towards better understanding
of gradient-based attribution methods", section 2): to first order, what each cell adds to the word's log-probability,
through every step before it as well as through its own map.

Whether the two agree is judged by what people are shown of them, each on a scale of its own: attention, and the cells
that speak for the word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.encoder import FeatureGrid
from captioner.errors import RecordError
from captioner.probes.replaying import replay, state_before, word_ids

if TYPE_CHECKING:
    from captioner.captioner import Captioner

Floats = NDArray[np.float32]
Verdict = Literal["agree", "partly", "differ"]

# Agreements from which the two show the same place, and below which they show different ones; what that means in cells
# is measured by `python -m captioner probe --only second`.
AGREES = 0.7
DIFFERS = 0.2


@dataclass(frozen=True, eq=False)
class SecondOpinion:
    """Two answers to where a word comes from.

    Attributes:
        attention: (H, W), sums to 1.
        attribution: (H, W), what each cell adds to the log-probability; negative where it speaks against the word.
    """

    attention: Floats
    attribution: Floats

    def __post_init__(self) -> None:
        if self.attention.ndim != 2 or self.attention.shape != self.attribution.shape:
            raise RecordError(f"expected two maps of one grid, got {self.attention.shape} and {self.attribution.shape}")

    @property
    def speaking(self) -> Floats:
        """(H, W), the attribution of the cells that speak for the word; 0 elsewhere."""
        return np.maximum(self.attribution, 0)

    @property
    def agreement(self) -> float:
        """What each map reaches at most one cell from the other's brightest, as a share of its own peak, 0 to 1; the
        smaller of the two. Of brightest cells that are equally bright the mean; 0 where no cell speaks for the word."""
        if not self.speaking.any():
            return 0.0
        return min(_reached(self.attention, self.speaking), _reached(self.speaking, self.attention))

    @property
    def verdict(self) -> Verdict:
        """Whether the two are brightest in the same place."""
        agreement = self.agreement
        return "agree" if agreement >= AGREES else "differ" if agreement < DIFFERS else "partly"

    @property
    def distance(self) -> int | None:
        """Rows or columns, whichever are more, between the two brightest cells; None where no cell speaks for the
        word."""
        if not self.speaking.any():
            return None
        first, second = (np.unravel_index(one.argmax(), one.shape) for one in (self.attention, self.speaking))
        return max(abs(int(one) - int(other)) for one, other in zip(first, second, strict=True))

    @property
    def shared(self) -> float:
        """How much of one lies on the other, 0 to 1, when both have as much in all."""
        total = float(self.speaking.sum())
        return float(np.minimum(self.attention / self.attention.sum(), self.speaking / (total or 1)).sum())

    @property
    def correlation(self) -> float:
        """Spearman's rank correlation of all cells, those that speak against the word too, -1 to 1; 0 where one of the
        two is flat."""
        first, second = _ranks(self.attention.ravel()), _ranks(self.attribution.ravel())
        spread = float(first.std() * second.std())
        if spread == 0:
            return 0.0
        return float(((first - first.mean()) * (second - second.mean())).mean() / spread)


def second_opinion(captioner: Captioner, grid: FeatureGrid, words: Sequence[str], step: int) -> SecondOpinion:
    """Attribute one word of a caption to the cells of the photo.

    Args:
        grid: of one photo.
        step: place of the word, from 0.

    Raises:
        SearchError: see `word_ids`.
    """
    ids = word_ids(captioner, grid, words, step)[: step + 2]
    with torch.inference_mode():
        state = state_before(captioner, grid, ids, step)
        attention = captioner.decoder.attention(state.projected, state.hidden)[0, 0]  # (L,)
    with torch.enable_grad():
        annotations = grid.annotations.clone().requires_grad_(True)  # (1, L, D); a clone knows gradients again
        said = replay(captioner, replace(grid, annotations=annotations), ids)[0, -1]
        (gradient,) = torch.autograd.grad(said, annotations)
    attribution = (gradient * annotations.detach()).sum(dim=-1)[0]  # (L,)
    shape = (grid.height, grid.width)
    return SecondOpinion(
        attention.float().cpu().numpy().reshape(shape), attribution.float().cpu().numpy().reshape(shape)
    )


def _reached(one: Floats, other: Floats) -> float:
    """The share of its peak that `one` reaches in the brightest cell of `other` or a cell beside it."""
    height, width = one.shape
    padded = np.pad(one, 1)
    beside = [padded[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    highest = np.max(beside, axis=0)  # (H, W), of each cell and its neighbours
    return float(highest[other == other.max()].mean() / one.max())


def _ranks(values: Floats) -> NDArray[np.float64]:
    """Places in ascending order, equal values sharing the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends - 1) / 2)[group]
    return ranks
