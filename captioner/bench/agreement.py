"""Whether two captioners say the same of the same photos, and how far apart their maps and log-probabilities are.

Maps and log-probabilities are compared where both said the same words: after other words they answer another question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from captioner.caption import Caption
from captioner.description import Description
from captioner.errors import DataError

SAME_WORDS = 0.99  # share of photos whose best captions must be the same for a faster way to be called as good


@dataclass(frozen=True)
class Spread:
    """Differences of many words.

    Attributes:
        most: the 99th percentile.
        largest: of all.
    """

    most: float
    largest: float

    @classmethod
    def of(cls, differences: Sequence[float]) -> Spread | None:
        """Of differences of 0 or more; None when there are none."""
        if not differences:
            return None
        return cls(float(np.quantile(differences, 0.99)), float(max(differences)))


@dataclass(frozen=True)
class Agreement:
    """What two captioners said of the same photos.

    Attributes:
        photos: how many.
        best: beam width to the share of photos, 0 to 1, whose best caption has the same words.
        all: share of photos whose captions at the largest width are the same in the same order.
        cells: over the words said by both, the largest difference between cells of their maps, 0 to 1.
        maps: the same for their total-variation distance (see `captioner.attention_health`), 0 to 1.
        log_probs: the same for their log-probabilities, in nats.
            All three are None when no caption was said by both.
    """

    photos: int
    best: Mapping[int, float]
    all: float
    cells: Spread | None
    maps: Spread | None
    log_probs: Spread | None

    @property
    def kept(self) -> bool:
        """Whether best captions are the same on at least `SAME_WORDS` of the photos, at every width."""
        return min(self.best.values()) >= SAME_WORDS

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            **asdict(self),
            "best": {str(width): share for width, share in self.best.items()},
            "kept": self.kept,
        }

    def line(self) -> str:
        """To be read."""
        best = ", ".join(f"{100 * share:.1f} % at width {width}" for width, share in self.best.items())
        words = f"same words on {best}; all captions on {100 * self.all:.1f} % of {self.photos} photos"
        parts = [("cell", self.cells), ("map", self.maps), ("log-probability", self.log_probs)]
        apart = [f"{name} {one.most:.1e} (largest {one.largest:.1e})" for name, one in parts if one is not None]
        return f"{words}; 99 % of the words differ by less than: {', '.join(apart) or 'none said by both'}"


class Tally:
    """Counts photo after photo what two captioners agree on, and keeps no description."""

    def __init__(self) -> None:
        self._best: dict[int, list[bool]] = {}
        self._all: list[bool] = []
        self._cells: list[float] = []
        self._maps: list[float] = []
        self._log_probs: list[float] = []

    def add(self, one: Description, other: Description) -> None:
        """Count what both said of one photo.

        Raises:
            DataError: their widths or grids differ.
        """
        if (one.widths, one.grid) != (other.widths, other.grid):
            raise DataError(
                f"expected descriptions alike, got widths {one.widths} on {one.grid} cells "
                f"and {other.widths} on {other.grid}"
            )
        for width in one.widths:
            ours, theirs = _said(one, width), _said(other, width)
            self._best.setdefault(width, []).append(ours[0] == theirs[0])
        self._all.append(ours == theirs)  # those of the last width, the largest
        for caption, same in _both(one, other):
            apart = np.abs(caption.attention - same.attention)  # (T, H, W)
            self._cells += apart.max(axis=(1, 2)).tolist()
            self._maps += (apart.sum(axis=(1, 2)) / 2).tolist()
            self._log_probs += np.abs(caption.log_probs - same.log_probs).tolist()

    def agreement(self) -> Agreement:
        """All that was counted.

        Raises:
            DataError: nothing was.
        """
        if not self._all:
            raise DataError("expected photos to compare two captioners on, got none: give some")
        photos = len(self._all)
        shares = {width: sum(same) / photos for width, same in self._best.items()}
        spreads = [Spread.of(differences) for differences in (self._cells, self._maps, self._log_probs)]
        return Agreement(photos, shares, sum(self._all) / photos, *spreads)


def _said(description: Description, width: int) -> list[tuple[tuple[str, ...], bool]]:
    return [(caption.words, caption.finished) for caption in description.at_width(width)]


def _both(one: Description, other: Description) -> list[tuple[Caption, Caption]]:
    """The captions that both hold, with at least one word."""
    theirs = {(caption.words, caption.finished): caption for caption in other.captions}
    keys = [(caption, (caption.words, caption.finished)) for caption in one.captions if caption.words]
    return [(caption, theirs[key]) for caption, key in keys if key in theirs]
