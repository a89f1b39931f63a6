"""Whether the attention of a model says anything: the classic failure is the same map at every word.

BLEU does not see it, since a decoder can write fair captions from the mean of all cells. Differences between maps are
total-variation distances, half the sum of |a - b| over the cells: 0 for the same map, 1 for maps that share no cell;
the share of the attention that would have to move to turn one map into the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from captioner.errors import DataError

if TYPE_CHECKING:
    from captioner.caption import Caption

FLAT_SHARE = 0.98  # effective cells above this share of all cells: the maps are flat
LEAST_WORD_DIFFERENCE = 0.02  # between the words of a caption; below, they have the same map
LEAST_PHOTO_DIFFERENCE = 0.02  # between the mean maps of photos; below, the map does not depend on the photo


@dataclass(frozen=True)
class AttentionHealth:
    """What the maps of many captions, one per photo, are like.

    Attributes:
        captions: captions with at least one word.
        words: their words, one map each.
        cells: L = H * W, cells of a map.
        effective_cells: mean over words of exp(entropy): 1 (one cell) to L (flat).
        peak: mean over words of the largest weight, 1 / L to 1.
        next_word_difference: mean difference, 0 to 1, between the maps of consecutive words; every caption counts
            once; None when no caption has two words.
        word_difference: the same over all pairs of words within a caption.
        photo_difference: mean difference over all pairs of captions between their mean maps; None for one caption.
    """

    captions: int
    words: int
    cells: int
    effective_cells: float
    peak: float
    next_word_difference: float | None
    word_difference: float | None
    photo_difference: float | None

    def __post_init__(self) -> None:
        if not 1 <= self.captions <= self.words or self.cells < 1:
            raise DataError(f"expected captions with words and maps with cells, got {self}")
        if not 0.99 <= self.effective_cells <= 1.01 * self.cells:
            raise DataError(f"expected 1 to {self.cells} effective cells, got {self.effective_cells}")
        for value in (self.peak, self.next_word_difference, self.word_difference, self.photo_difference):
            if value is not None and not -0.01 <= value <= 1.01:
                raise DataError(f"expected a peak and differences of 0 to 1, got {value}")

    @property
    def flat(self) -> bool:
        """Whether the maps spread over all cells alike."""
        return self.effective_cells > FLAT_SHARE * self.cells

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong with the maps, in words; empty when they are healthy."""
        found = []
        if self.flat:
            found.append(f"the maps are flat ({self.effective_cells:.1f} of {self.cells} cells in effect)")
        if self.word_difference is not None and self.word_difference < LEAST_WORD_DIFFERENCE:
            found.append(f"the maps of a caption's words are the same (they differ by {self.word_difference:.3f})")
        if self.photo_difference is not None and self.photo_difference < LEAST_PHOTO_DIFFERENCE:
            found.append(f"the maps of different photos are the same (they differ by {self.photo_difference:.3f})")
        return tuple(found)

    @property
    def collapsed(self) -> bool:
        """Whether the maps say nothing: flat, or the same for all words, or the same for all photos."""
        return bool(self.findings)

    @property
    def reason(self) -> str:
        """One sentence: why the maps count as collapsed, or that nothing was found against them."""
        if self.findings:
            sentence = "; ".join(self.findings)
            return f"{sentence[0].upper()}{sentence[1:]}."
        if self.word_difference is None and self.photo_difference is None:
            return "The maps are not flat; a single word has no other map to be compared with."
        return "The maps are not flat, and they differ from each other."

    def as_dict(self) -> dict[str, float | int | bool | str | None]:
        """All numbers by name, with `collapsed` and `reason`."""
        return {**asdict(self), "collapsed": self.collapsed, "reason": self.reason}


def attention_health(captions: Sequence[Caption]) -> AttentionHealth:
    """Measure the maps of a model's captions.

    Args:
        captions: one caption per photo, all on the same H x W grid; captions without a word are passed over.

    Raises:
        DataError: no caption has a word, or the grids differ.
    """
    spoken = [caption for caption in captions if caption.words]
    if not spoken:
        raise DataError("expected captions with at least one word, got none: there is no map to judge")
    grids = sorted({caption.attention.shape[1:] for caption in spoken})
    if len(grids) > 1:
        raise DataError(f"expected maps on one grid, got {grids}: give captions of one model")
    maps = [_flattened(caption) for caption in spoken]  # each (T, L)
    several = [weights for weights in maps if len(weights) > 1]
    means = np.stack([weights.mean(axis=0) for weights in maps])  # (N, L)
    return AttentionHealth(
        captions=len(spoken),
        words=sum(len(weights) for weights in maps),
        cells=int(means.shape[1]),
        effective_cells=float(np.concatenate([caption.effective_cells for caption in spoken]).mean()),
        peak=float(np.concatenate([weights.max(axis=1) for weights in maps]).mean()),
        next_word_difference=_mean([_consecutive_difference(weights) for weights in several]),
        word_difference=_mean([mean_pairwise_difference(weights) for weights in several]),
        photo_difference=mean_pairwise_difference(means) if len(means) > 1 else None,
    )


def mean_pairwise_difference(maps: NDArray[np.float64]) -> float:
    """Mean total-variation distance over all pairs of N maps.

    Sorting each cell's weights gives the sum of |a - b| over all pairs at once: the weight at place k, counted from
    0, is the larger of the two in k pairs and the smaller in N - 1 - k.

    Args:
        maps: (N, L), N of 2 or more, each row sums to 1.

    Returns:
        0 (all the same) to 1 (no two share a cell).

    Raises:
        DataError: fewer than two maps.
    """
    count = len(maps)
    if maps.ndim != 2 or count < 2:
        raise DataError(f"expected two maps or more, each a row, got shape {maps.shape}")
    ordered = np.sort(maps, axis=0)  # (N, L)
    signs = 2.0 * np.arange(count) - (count - 1)  # (N,) pairs as the larger, less pairs as the smaller
    pairs = count * (count - 1) / 2
    return max(0.0, 0.5 * float((signs @ ordered).sum()) / pairs)


def _consecutive_difference(maps: NDArray[np.float64]) -> float:
    return float(0.5 * np.abs(np.diff(maps, axis=0)).sum(axis=1).mean())


def _flattened(caption: Caption) -> NDArray[np.float64]:
    return caption.attention.reshape(len(caption.words), -1).astype(np.float64)


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
