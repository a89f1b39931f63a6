"""How much of a whole one part of it takes, timed turn by turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from captioner.bench.harness import Comparison, Pair, compare
from captioner.errors import DataError


@dataclass(frozen=True)
class Share:
    """A part beside its whole.

    Attributes:
        comparison: the part as "ours", the whole as the reference.
        goal: the share it should stay under, above 0; None: it has none.
    """

    comparison: Comparison
    goal: float | None = None

    def __post_init__(self) -> None:
        if self.goal is not None and self.goal <= 0:
            raise DataError(f"expected a goal above 0, got {self.goal}")

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Of the rounds' shares, 1 is as long as the whole; the one in the middle is the median."""
        low, middle, high = self.comparison.quartiles
        return 1 / high, 1 / middle, 1 / low

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        low, middle, high = self.quartiles
        one = self.comparison
        times = {"part": list(one.ours), "whole": list(one.reference)}
        return {"name": one.name, "share": middle, "share_quartiles": [low, high], "goal": self.goal, **times}

    def line(self) -> str:
        """To be read."""
        low, middle, high = (100 * share for share in self.quartiles)
        goal = "" if self.goal is None else f"  goal: under {100 * self.goal:g} %"
        return f"{self.comparison.name:55s} {middle:5.1f} % of {self._whole:6.3f} s ({low:.1f} to {high:.1f} %){goal}"

    @property
    def _whole(self) -> float:
        return float(self.comparison.record()["reference_median"])


def measure_shares(
    parts: Iterable[tuple[str, Callable[[], object], float | None]],
    whole: Callable[[], object],
    rounds: int,
    tell: Callable[[str], None],
) -> tuple[Share, ...]:
    """Measure every part in turn with the whole.

    Args:
        parts: name, what is timed, goal.
        whole: what they are a share of.
        rounds: turns of each, 2 or more.
        tell: gets the name of each part before it begins.
    """
    found = []
    for name, part, goal in parts:
        tell(name)
        found.append(Share(compare(Pair(name, part, whole), rounds), goal))
    return tuple(found)
