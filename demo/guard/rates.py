"""How often a client may ask: a token bucket for each kind of request."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

CLIENTS_KEPT = 10_000  # addresses; the one that has been silent longest is forgotten first


@dataclass(frozen=True)
class Budget:
    """What one visitor may do: `burst` requests at once, then `per_minute`."""

    burst: float
    per_minute: float

    def __post_init__(self) -> None:
        if not (self.burst >= 1 and self.per_minute > 0):
            raise ValueError(f"expected a burst of at least 1 and a rate above 0, got {self}")


# What a visitor who tries everything needs, and twice as much. Each page that waits for the model to load asks every
# two seconds whether it is there.
BUDGETS: Mapping[str, Budget] = {
    "upload": Budget(burst=4, per_minute=4),
    "caption": Budget(burst=6, per_minute=6),
    "question": Budget(burst=20, per_minute=60),
    "page": Budget(burst=40, per_minute=120),
    "file": Budget(burst=20, per_minute=60),
}


class RateLimiter:
    """Counts requests for the client that sent them.

    Args:
        visitors: how many visitors may share one address, as a school class does; budgets are that many times as
            large. 0: nothing is refused.
        clock: gives seconds.
        kept: clients remembered.
    """

    def __init__(
        self,
        visitors: int,
        budgets: Mapping[str, Budget] = BUDGETS,
        clock: Callable[[], float] = time.monotonic,
        kept: int = CLIENTS_KEPT,
    ) -> None:
        self._visitors = visitors
        self._budgets = budgets
        self._clock = clock
        self._kept = kept
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()  # tokens, when counted

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, kind: str) -> int:
        """Count a request; 0 when it may pass, else the whole seconds until the next one may.

        A kind without a budget is not counted.
        """
        budget = self._budgets.get(kind)
        if budget is None or not self._visitors:
            return 0
        burst, rate = budget.burst * self._visitors, budget.per_minute * self._visitors / 60
        now = self._clock()
        tokens, counted = self._buckets.pop((client, kind), (burst, now))
        tokens = min(burst, tokens + (now - counted) * rate)
        passes = tokens >= 1
        self._buckets[client, kind] = (tokens - 1 if passes else tokens, now)
        while len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return 0 if passes else max(1, math.ceil((1 - tokens) / rate))
