"""How often something may be done: by each visitor, and by all of them together (token buckets)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

VISITORS_KEPT = 10_000  # the one not heard of for longest is forgotten


@dataclass(frozen=True)
class Rate:
    """`burst` times at once, and then once more every `seconds`."""

    burst: float
    seconds: float

    def __post_init__(self) -> None:
        if not (self.burst >= 1 and self.seconds > 0):
            raise ValueError(f"expected a burst from 1 and seconds above 0, got {self.burst} and {self.seconds}")

    def times(self, visitors: int) -> Rate:
        """What so many visitors may do together."""
        return Rate(self.burst * visitors, self.seconds / visitors)


class Bucket:
    """What is left of one rate."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = float(rate.burst)
        self._seen = now

    def level(self, now: float) -> float:
        """How many times are left, at most the burst."""
        self._level = min(self._rate.burst, self._level + (now - self._seen) / self._rate.seconds)
        self._seen = now
        return self._level

    def spend(self, now: float) -> None:
        """Take one away; never below none."""
        self._level = max(0.0, self.level(now) - 1)

    def wait(self, now: float) -> int:
        """Whole seconds until one is left; 0 where one is."""
        missing = 1 - self.level(now)
        return 0 if missing <= 0 else max(1, math.ceil(missing * self._rate.seconds))


class Buckets:
    """A bucket for each name that was asked for, no more than `kept`."""

    def __init__(self, kept: int = VISITORS_KEPT) -> None:
        self._kept = kept
        self._buckets: OrderedDict[Hashable, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def of(self, name: Hashable, rate: Rate, now: float) -> Bucket:
        """The bucket of this name; a full one of `rate` where it has none yet."""
        if name not in self._buckets:
            self._buckets[name] = Bucket(rate, now)
        self._buckets.move_to_end(name)
        while len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return self._buckets[name]


class Allowance:
    """Asked first (`left`), and told afterwards if it is to count (`spend`). Its owner keeps threads apart.

    Visitors go by the name that `demo.guard.clients` gives them.
    """

    def __init__(self, each: Rate, everyone: Rate, clock: Callable[[], float]) -> None:
        self._each = each
        self._clock = clock
        self._everyone = Bucket(everyone, clock())
        self._visitors = Buckets()

    def left(self, visitor: str) -> bool:
        """Whether this visitor may do it once more now."""
        now = self._clock()
        return self._everyone.level(now) >= 1 and self._visitors.of(visitor, self._each, now).level(now) >= 1

    def spend(self, visitor: str) -> None:
        """Count it once."""
        now = self._clock()
        self._everyone.spend(now)
        self._visitors.of(visitor, self._each, now).spend(now)
