"""What the visitors of a class saw, counted."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Report:
    """What was seen, by all visitors together.

    Attributes:
        first: seconds from the common start, upload included, to each visitor's first caption.
        done: how often each thing was done to its end.
        failures: sentences.
        reached: ways in which a photo of another visitor could be reached; there should be none.
        memory: (seconds since the start, bytes) of the server's resident memory.
        left_behind: files in the upload folder that are none of the photos uploaded.
    """

    first: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing failed and nobody reached another's photo."""
        return not self.failures and not self.reached and not self.left_behind and bool(self.first)

    @property
    def growth(self) -> float | None:
        """Bytes a minute after the first minute; None where it did not last that long."""
        later = [(seconds, size) for seconds, size in self.memory if seconds > 60]
        if len(later) < 10:
            return None
        seconds, sizes = np.array(later, dtype=np.float64).T
        return float(np.polyfit(seconds / 60, sizes, 1)[0])

    def lines(self) -> Iterator[str]:
        """The report in words."""
        first = sorted(self.first)
        if first:
            share = first[min(len(first) - 1, int(0.95 * len(first)))]
            yield f"first captions: {len(first)}; median {statistics.median(first):.1f} s, 95 % within {share:.1f} s, "
            yield f"  worst {first[-1]:.1f} s"
        yield "done: " + ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        yield f"failed requests: {len(self.failures)}"
        yield from (f"  {failure}" for failure in self.failures[:20])
        for minute in range(int(self.memory[-1][0] // 60) + 1 if self.memory else 0):
            sizes = [size for seconds, size in self.memory if seconds // 60 == minute]
            if sizes:
                yield f"memory in minute {minute + 1}: {max(sizes) / 1e6:.0f} MB at most, {sizes[-1] / 1e6:.0f} MB last"
        if self.growth is not None:
            yield f"memory after the first minute: {self.growth / 1e6:+.1f} MB a minute"
        yield f"photos of others reached: {len(self.reached)}"
        yield from (f"  {way}" for way in self.reached)
        yield f"files left behind: {len(self.left_behind)}"
        yield from (f"  {name}" for name in self.left_behind[:20])
