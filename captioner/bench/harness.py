"""Two ways to the same answer, timed turn by turn: what slows the machine down for a while slows both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from captioner.errors import DataError

Ours = TypeVar("Ours")
Reference = TypeVar("Reference")


@dataclass(frozen=True)
class Pair(Generic[Ours, Reference]):
    """What is compared.

    Attributes:
        name: in the table.
        ours: run and timed.
        reference: what it is measured against.
        same: whether both gave the same answer; None where they are not meant to.
    """

    name: str
    ours: Callable[[], Ours]
    reference: Callable[[], Reference]
    same: Callable[[Ours, Reference], bool] | None = None


@dataclass(frozen=True)
class Comparison:
    """How a pair did; the two tuples belong together, round by round.

    Attributes:
        name: of the pair.
        ours, reference: seconds of every round, above 0.
        same: whether both gave the same answer; None where that was not asked.
    """

    name: str
    ours: tuple[float, ...]
    reference: tuple[float, ...]
    same: bool | None = None

    def __post_init__(self) -> None:
        if len(self.ours) != len(self.reference) or len(self.ours) < 2:
            raise DataError(
                f"expected equally many rounds of both, 2 or more, got {len(self.ours)} and {len(self.reference)}"
            )
        if min(*self.ours, *self.reference) <= 0:
            raise DataError(f"expected times above 0 s, got {min(*self.ours, *self.reference)}")

    @property
    def ratios(self) -> tuple[float, ...]:
        """How many times as fast as the reference, in every round."""
        return tuple(theirs / own for own, theirs in zip(self.ours, self.reference, strict=True))

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Of the ratios; the one in the middle is the median."""
        low, middle, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return low, middle, high

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        low, middle, high = self.quartiles
        return {
            "name": self.name,
            "ratio": middle,
            "ratio_quartiles": [low, high],
            "ours_median": statistics.median(self.ours),
            "reference_median": statistics.median(self.reference),
            "ours": list(self.ours),
            "reference": list(self.reference),
            "same": self.same,
        }

    def line(self) -> str:
        """To be read."""
        low, middle, high = self.quartiles
        said = {True: "same answer", False: "OTHER ANSWER", None: "another task"}[self.same]
        ours, reference = statistics.median(self.ours), statistics.median(self.reference)
        ratio = f"{middle:5.2f} x as fast ({low:.2f} to {high:.2f})"
        return f"{self.name:55s} {ratio}  {ours:6.3f} s / {reference:6.3f} s  {said}"


@dataclass(frozen=True)
class Comparisons:
    """Those of one entry of the bench."""

    pairs: tuple[Comparison, ...]

    @property
    def same(self) -> bool:
        """Whether no pair that should give the same answer gave two."""
        return all(comparison.same is not False for comparison in self.pairs)

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [comparison.record() for comparison in self.pairs]

    def lines(self) -> list[str]:
        """To be read."""
        return [comparison.line() for comparison in self.pairs]


def compare_all(
    pairs: Iterable[Pair[Any, Any]], rounds: int, tell: Callable[[str], None] = lambda name: None
) -> Comparisons:
    """`compare` every pair; `tell` gets the name of each before it begins."""
    compared = []
    for pair in pairs:
        tell(pair.name)
        compared.append(compare(pair, rounds))
    return Comparisons(tuple(compared))


def compare(pair: Pair[Ours, Reference], rounds: int, clock: Callable[[], float] = time.perf_counter) -> Comparison:
    """Run both once untimed, to warm up and to compare their answers; then in turn, ours first.

    Args:
        rounds: turns of each, 2 or more.
        clock: gives seconds.
    """
    answers = pair.ours(), pair.reference()
    same = None if pair.same is None else pair.same(*answers)
    ours, reference = [], []
    for _ in range(rounds):
        started = clock()
        pair.ours()
        between = clock()
        pair.reference()
        ours.append(between - started)
        reference.append(clock() - between)
    return Comparison(pair.name, tuple(ours), tuple(reference), same)


def timed(call: Callable[[], object], device: torch.device) -> float:
    """Seconds a call takes, what it started on a GPU included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started
