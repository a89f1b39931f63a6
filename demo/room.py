"""One room of a class: a photo, the words of a caption, and where pupils would look for them, added up to a map."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from captioner.overlay import Floats, smooth_projection
from demo.packing import PhotoView

Point = tuple[float, float]  # x and y as shares of the photo's width and height, 0 to 1
Phase = Literal["point", "class", "model"]  # pupils point; then their map is shown; then the model's too

PHASES: tuple[Phase, ...] = get_args(Phase)
SAMPLES = 8  # points a cell at which smoothed maps are compared
AWAY = 60.0  # seconds after which a pupil who has not been heard of no longer counts as present


@dataclass(frozen=True)
class Lesson:
    """What a room is about.

    Attributes:
        photo: as pupils are given it.
        words: of the caption, one or more.
        attention: (T, H, W) the model's maps, each of sum 1.
    """

    photo: PhotoView
    words: tuple[str, ...]
    attention: Floats

    def __post_init__(self) -> None:
        if self.attention.ndim != 3 or len(self.attention) != len(self.words) or not self.words:
            shape = self.attention.shape
            raise ValueError(f"expected a map (H, W) for each of 1 or more words, got {len(self.words)} words, {shape}")
        if not np.allclose(self.attention.sum(axis=(1, 2)), 1, atol=1e-3) or (self.attention < 0).any():
            raise ValueError("expected maps of weights from 0 that sum to 1, got others")

    @property
    def grid(self) -> tuple[int, int]:
        """(H, W) cells."""
        _, height, width = self.attention.shape
        return height, width


@dataclass(frozen=True)
class Agreement:
    """How a class map and a model's map go together.

    Attributes:
        pointed: points in all.
        within: those in the cells that hold half of the model's attention.
        half: how many cells these are.
        expected: how many points would lie there if they were scattered evenly.
        correlation: Pearson's, of the two maps smoothed as overlays are; None where one of them is flat.
    """

    pointed: int
    within: int
    half: int
    expected: float
    correlation: float | None


@dataclass(frozen=True)
class Outcome:
    """What came of one word's turn: the class map (H, W), and how it goes with the model's."""

    class_map: Floats
    agreement: Agreement


@dataclass
class Round:
    """One word's turn: each pupil's latest point, by the pupil's pass; its outcome once they are shown."""

    phase: Phase = "point"
    points: dict[bytes, Point] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass
class Room:
    """The state of a room, which `demo.rooms.Rooms` alone changes. `version` grows with all that pupils are shown."""

    lesson: Lesson
    code: str
    opened: float  # seconds, of the clock of Rooms, as those below
    touched: float  # when the teacher was last heard of
    place: int = 0  # of the word on show
    version: int = 0
    lessons: int = 0  # how often the lesson was exchanged
    rounds: dict[int, Round] = field(default_factory=dict)
    pupils: dict[bytes, float] = field(default_factory=dict)  # when each was last heard of

    @property
    def round(self) -> Round:
        """The turn of the word on show."""
        return self.rounds.setdefault(self.place, Round())

    def present(self, now: float) -> int:
        """Pupils heard of lately, and those who have pointed for the word on show."""
        heard = {pupil for pupil, seen in self.pupils.items() if now - seen <= AWAY}
        return len(heard | set(self.round.points))


@dataclass(frozen=True)
class Sight:
    """What one person in a room may be shown at one moment.

    Attributes:
        lesson: of it, pupils are shown the photo and the word at `place`, and its map in the phase "model".
        teaching: whether this is the teacher.
        present, pointed: pupils there, and those who have pointed for the word on show.
        own: the pupil's own point for it.
    """

    lesson: Lesson
    code: str
    teaching: bool
    version: int
    lessons: int
    place: int
    phase: Phase
    present: int
    pointed: int
    own: Point | None
    outcome: Outcome | None


def cell_at(point: Point, grid: tuple[int, int]) -> tuple[int, int]:
    """(row, column) of the cell a point lies in; the photo's right and lower edges belong to the last cells."""
    (x, y), (height, width) = point, grid
    return min(height - 1, int(y * height)), min(width - 1, int(x * width))


def class_map(points: Collection[Point], grid: tuple[int, int]) -> Floats:
    """(H, W) the share of the points in each cell, of sum 1; all 0 where nobody has pointed."""
    counts = np.zeros(grid, np.float32)
    for point in points:
        counts[cell_at(point, grid)] += 1
    return counts / max(1.0, float(counts.sum()))


def strongest_half(attention: Floats) -> list[tuple[int, int]]:
    """The fewest cells (row, column) that hold half of a map's attention, the highest first."""
    order = np.argsort(-attention, axis=None, kind="stable")
    held = np.cumsum(attention.ravel()[order], dtype=np.float64)
    count = int(np.searchsorted(held, held[-1] / 2)) + 1
    return [(int(place) // attention.shape[1], int(place) % attention.shape[1]) for place in order[:count]]


def conclude(points: Collection[Point], attention: Floats) -> Outcome:
    """End a word's turn whose model's map is `attention` (H, W)."""
    return Outcome(class_map(points, (attention.shape[0], attention.shape[1])), compare(points, attention))


def compare(points: Collection[Point], attention: Floats) -> Agreement:
    """Hold what a class pointed at against the model's map (H, W) of the word."""
    height, width = grid = (attention.shape[0], attention.shape[1])
    cells = [cell_at(point, grid) for point in points]
    half = strongest_half(attention)
    projection = smooth_projection(grid, (width * SAMPLES, height * SAMPLES))
    ours, theirs = projection.apply(np.stack([class_map(points, grid), attention])).reshape(2, -1)
    flat = min(float(np.ptp(ours)), float(np.ptp(theirs))) < 1e-6
    return Agreement(
        pointed=len(cells),
        within=sum(cell in half for cell in cells),
        half=len(half),
        expected=len(cells) * len(half) / (height * width),
        correlation=None if flat else float(np.corrcoef(ours, theirs)[0, 1]),
    )
