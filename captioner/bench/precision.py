"""What fewer bits cost and bring: the same photos described in float32 and in other precisions, turn by turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.bench.agreement import SAME_WORDS, Agreement, Tally
from captioner.bench.harness import Comparison
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.errors import DataError
from captioner.photo import open_photo
from captioner.search_options import SearchOptions

SEARCH = SearchOptions(widths=(1, 3, 5))


@dataclass(frozen=True)
class PrecisionReport:
    """One precision beside float32."""

    time: Comparison
    agreement: Agreement

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        return {**self.time.record(), "agreement": self.agreement.record()}

    def lines(self) -> list[str]:
        """To be read."""
        verdict = "keeps" if self.agreement.kept else "DOES NOT KEEP"
        photos = f"{100 * SAME_WORDS:.0f} % of these {self.agreement.photos} photos"
        return [
            self.time.line(),
            f"  {self.agreement.line()}",
            f"  it {verdict} the words of {photos} at every width",
        ]


@dataclass(frozen=True)
class Precisions:
    """All that were asked for; none is meant to give the very same answer."""

    reports: tuple[PrecisionReport, ...]
    same: bool = True

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [report.record() for report in self.reports]

    def lines(self) -> list[str]:
        """To be read."""
        return [line for report in self.reports for line in report.lines()]


def compare_precisions(
    reference: Captioner,
    others: Mapping[str, Captioner],
    photos: Sequence[Path],
    rounds: int,
    tell: Callable[[str], None] = lambda name: None,
) -> Precisions:
    """Describe every photo with every captioner, the reference first.

    Args:
        reference: in float32.
        others: by the name of their precision.
        photos: files; where there are fewer than rounds, they are described again, for the times alone.
        rounds: the fewest turns each captioner takes, 2 or more.
        tell: gets the name of what is measured next.

    Raises:
        DataError: there is no photo.
        PhotoError: one cannot be read.
    """
    if not photos:
        raise DataError("expected photos to compare precisions on, got none: give some")
    captioners = [reference, *others.values()]
    tallies = [Tally() for _ in others]
    taken: list[list[float]] = [[] for _ in captioners]
    for captioner in captioners:
        captioner.describe(open_photo(photos[0]), SEARCH)  # to warm up
    turns = max(rounds, len(photos))
    for turn in range(turns):
        if turn % 100 == 0:
            tell(f"{', '.join(others)} beside float32, photo {turn + 1} of {turns}")
        photo = open_photo(photos[turn % len(photos)])
        said = [_timed(captioner, photo, seconds) for captioner, seconds in zip(captioners, taken, strict=True)]
        if turn < len(photos):
            for tally, description in zip(tallies, said[1:], strict=True):
                tally.add(said[0], description)
    return Precisions(
        tuple(
            PrecisionReport(
                Comparison(f"{name}, widths {', '.join(map(str, SEARCH.widths))}", tuple(seconds), tuple(taken[0])),
                tally.agreement(),
            )
            for name, seconds, tally in zip(others, taken[1:], tallies, strict=True)
        )
    )


def _timed(captioner: Captioner, photo: Image.Image, seconds: list[float]) -> Description:
    """Describe, and add how long it took."""
    started = time.perf_counter()
    description = captioner.describe(photo, SEARCH)
    seconds.append(time.perf_counter() - started)
    return description
