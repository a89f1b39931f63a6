"""How often something may be done: by each visitor, and by all of them together (token buckets)."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

VISITORS_KEPT = 10_000  # the one not heard of for longest is forgotten


@dataclass(frozen=True)
class Rate:
    """`burst` times at once, and then once more every `seconds`."""

    burst: int
    seconds: float

    def __post_init__(self) -> None:
        if self.burst < 1 or self.seconds <= 0:
            raise ValueError(f"expected a burst from 1 and seconds above 0, got {self.burst} and {self.seconds}")


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


class Allowance:
    """Asked first (`left`), and told afterwards if it is to count (`spend`). Its owner keeps threads apart."""

    def __init__(self, each: Rate, everyone: Rate, clock: Callable[[], float]) -> None:
        self._each = each
        self._clock = clock
        self._everyone = Bucket(everyone, clock())
        self._visitors: OrderedDict[str, Bucket] = OrderedDict()

    def left(self, visitor: str) -> bool:
        """Whether this visitor may do it once more now."""
        now = self._clock()
        return self._everyone.level(now) >= 1 and self._bucket(visitor, now).level(now) >= 1

    def spend(self, visitor: str) -> None:
        """Count it once."""
        now = self._clock()
        self._everyone.spend(now)
        self._bucket(visitor, now).spend(now)

    def _bucket(self, visitor: str, now: float) -> Bucket:
        key = household(visitor)
        if key not in self._visitors:
            self._visitors[key] = Bucket(self._each, now)
        self._visitors.move_to_end(key)
        while len(self._visitors) > VISITORS_KEPT:
            self._visitors.popitem(last=False)
        return self._visitors[key]


def household(visitor: str) -> str:
    """A network address as what one visitor has of them: of IPv6 a whole /64, anything else as it is."""
    try:
        address = ipaddress.ip_address(visitor)
    except ValueError:
        return visitor
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else visitor
