"""A second opinion beside attention: which cells would change the word if their features changed.

Gradient times activation on the feature grid, summed over channels (Ancona et al. 2018, "Towards better understanding
of gradient-based attribution methods", section 2): to first order, what each cell adds to the word's log-probability,
through every step before it as well as through its own map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from captioner.encoder import FeatureGrid
from captioner.errors import RecordError
from captioner.probes.replaying import replay, state_before, word_ids

if TYPE_CHECKING:
    from captioner.captioner import Captioner

Floats = NDArray[np.float32]


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
    def correlation(self) -> float:
        """Spearman's rank correlation of the two, -1 to 1; 0 where one of them is flat."""
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


def _ranks(values: Floats) -> NDArray[np.float64]:
    """Places in ascending order, equal values sharing the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((ends - counts + ends - 1) / 2)[group]
    return ranks
