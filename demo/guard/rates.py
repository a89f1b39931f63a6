"""How often a client may ask: so often for each kind of request."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from demo.allowance import VISITORS_KEPT, Buckets, Rate

# What a visitor who tries everything needs, and twice as much. Each page that waits for the model to load asks every
# two seconds whether it is there.
RATES: Mapping[str, Rate] = {
    "upload": Rate(burst=4, seconds=15.0),
    "caption": Rate(burst=6, seconds=10.0),
    "question": Rate(burst=20, seconds=1.0),
    "page": Rate(burst=40, seconds=0.5),
    "file": Rate(burst=20, seconds=1.0),
}


class RateLimiter:
    """Counts requests for the client that sent them.

    Args:
        visitors: how many visitors may share one address, as a school class does; they may ask that many times as
            often. 0: nothing is refused.
        rates: of one visitor, for each kind.
        clock: gives seconds.
        kept: clients remembered.
    """

    def __init__(
        self,
        visitors: int,
        rates: Mapping[str, Rate] = RATES,
        clock: Callable[[], float] = time.monotonic,
        kept: int = VISITORS_KEPT,
    ) -> None:
        self._rates = {kind: rate.times(visitors) for kind, rate in rates.items()} if visitors else {}
        self._clock = clock
        self._buckets = Buckets(kept)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, kind: str) -> int:
        """Count a request; 0 when it may pass, else the whole seconds until the next one may.

        A kind without a rate is not counted.
        """
        rate = self._rates.get(kind)
        if rate is None:
            return 0
        now = self._clock()
        bucket = self._buckets.of((client, kind), rate, now)
        wait = bucket.wait(now)
        if not wait:
            bucket.spend(now)
        return wait
