"""What the verdicts of "A second opinion" mean in cells: how far apart the two maps are brightest, on a split.

Words told "the same place" should have the same or neighbouring brightest cells, those told "different places" distant
ones; how much of one map lies on the other is another way to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioner.errors import DataError
from captioner.photo import open_photo
from captioner.probes.second import AGREES, DIFFERS, SecondOpinion, Verdict, second_opinion
from captioner.search_options import SearchOptions
from captioner.training.data import Example

if TYPE_CHECKING:
    from captioner.captioner import Captioner

OPTIONS = SearchOptions(widths=(3,))
NEAR = 1  # cells between the brightest ones of maps that show the same place, at most
FAR = 3  # cells between those of maps that plainly do not, at least
GOAL = 0.9  # share of the words told "agree" that are to be near, and of those told "differ" that are to be far
TRIED = np.arange(1, 20) / 20  # thresholds


@dataclass(frozen=True)
class VerdictRow:
    """The words with one verdict.

    Attributes:
        words: how many.
        near: share of them whose brightest cells are the same or neighbours.
        far: share of them whose brightest cells are 3 or more apart.
        distance: median distance of the brightest cells.
        shared: mean share of one map that lies on the other.
    """

    words: int
    near: float
    far: float
    distance: float
    shared: float


@dataclass(frozen=True)
class SecondReport:
    """What was measured.

    Attributes:
        photos, words: looked at.
        agrees, differs: the thresholds that the verdicts were told by.
        verdicts: verdict -> its words.
        least_agrees, most_differs: the loosest thresholds that keep to `GOAL` on these words; None where none does.
    """

    photos: int
    words: int
    agrees: float
    differs: float
    verdicts: dict[Verdict, VerdictRow]
    least_agrees: float | None
    most_differs: float | None

    @property
    def holds(self) -> bool:
        """Whether the thresholds keep to `GOAL` on these words."""
        agree, differ = self.verdicts["agree"], self.verdicts["differ"]
        return (agree.near >= GOAL or not agree.words) and (differ.far >= GOAL or not differ.words)


def ask_twice(
    captioner: Captioner, examples: Sequence[Example], limit: int | None = None, seed: int = 0
) -> SecondReport:
    """Ask for a second opinion on every word of the captions of photos.

    Args:
        limit: how many of the photos to look at, picked at random; None: all.

    Raises:
        DataError: there are no photos, or their captions have no words.
    """
    random = np.random.default_rng(seed)
    chosen = [examples[place] for place in random.permutation(len(examples))[:limit]]
    opinions: list[SecondOpinion] = []
    for example in tqdm(chosen, desc="asking twice", unit="photo"):
        grid = captioner.encode([open_photo(example.path)])
        words = captioner.search(grid, OPTIONS)[0].at_width(3)[0].words
        opinions += [second_opinion(captioner, grid, words, step) for step in range(len(words))]
    return judge_opinions(opinions, len(chosen))


def judge_opinions(opinions: Sequence[SecondOpinion], photos: int) -> SecondReport:
    """Hold verdicts against the distance of the brightest cells.

    Raises:
        DataError: there is no opinion.
    """
    if not opinions:
        raise DataError("expected captions with words, got none: give more photos")
    said = np.array([opinion.verdict for opinion in opinions])
    distances = np.array([np.inf if opinion.distance is None else opinion.distance for opinion in opinions])
    shared = np.array([opinion.shared for opinion in opinions])
    agreements = np.array([opinion.agreement for opinion in opinions])
    near, far = distances <= NEAR, distances >= FAR
    rows: dict[Verdict, VerdictRow] = {}
    for verdict in get_args(Verdict):
        told = said == verdict
        rows[verdict] = VerdictRow(
            words=int(told.sum()),
            near=_of(near, told, np.mean),
            far=_of(far, told, np.mean),
            distance=_of(np.minimum(distances, max(opinions[0].attention.shape)), told, np.median),
            shared=_of(shared, told, np.mean),
        )
    enough = [float(tried) for tried in TRIED if _of(near, agreements >= tried, np.mean) >= GOAL]
    few = [float(tried) for tried in TRIED if _of(far, agreements < tried, np.mean) >= GOAL]
    return SecondReport(photos, len(opinions), AGREES, DIFFERS, rows, min(enough, default=None), max(few, default=None))


def _of(values: NDArray[np.generic], chosen: NDArray[np.bool_], measure: Callable[..., np.generic]) -> float:
    """A measure of the values chosen; 0 where none are."""
    return float(measure(values[chosen])) if chosen.any() else 0.0


def second_table(report: SecondReport) -> str:
    """Verdict against distance, one line each, and whether the thresholds may stay."""
    head = ("verdict", "words", "near", "far", "median", "shared")
    lines = [f"{head[0]:<10}" + "".join(f"{name:>14}" for name in head[1:])]
    for verdict, row in report.verdicts.items():
        share, shared = f"{100 * row.words / report.words:.1f} %", f"{100 * row.shared:.0f} %"
        cells = (share, f"{100 * row.near:.1f} %", f"{100 * row.far:.1f} %", f"{row.distance:.1f}", shared)
        lines.append(f"{verdict:<10}" + "".join(f"{cell:>14}" for cell in cells))
    title = f"second opinion on {report.words} words of {report.photos} photos"
    key = f"brightest cells: near is {NEAR} apart at most, far {FAR} or more"
    used = f"AGREES = {report.agrees}, DIFFERS = {report.differs} in captioner/probes/second.py"
    loosest = f"{report.least_agrees or 'none'} or more, {report.most_differs or 'none'} or less"
    goal = f"{100 * GOAL:.0f} % near where they agree, far where they differ: {loosest}"
    return "\n".join([f"{title}; {key}", *lines, f"{used}: {'keep' if report.holds else 'change'} them ({goal})"])
