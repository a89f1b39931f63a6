"""What the model said of the last photos, so that the same photo is captioned once, whoever brings it.

A key is made of the photo's content and of what was asked (see `demo.scheduler.PhotoTask`); nothing in a key or in a
result tells who asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

RESULTS_KEPT = 128
BYTES_KEPT = 32_000_000  # a result of the page has about 0.3 million


class ResultCache:
    """The results used last, as JSON, in which they take a quarter of the memory; for one thread at a time.

    Args:
        kept: the most results.
        bytes_kept: the most bytes of all together. What is larger alone is not kept.
    """

    def __init__(self, kept: int = RESULTS_KEPT, bytes_kept: int = BYTES_KEPT) -> None:
        self._kept, self._bytes_kept = kept, bytes_kept
        self._results: OrderedDict[Hashable, bytes] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._results)

    def find(self, key: Hashable) -> bytes | None:
        """The result, or None."""
        if key not in self._results:
            return None
        self._results.move_to_end(key)
        return self._results[key]

    def keep(self, key: Hashable, result: bytes) -> None:
        """Keep plain data; those that were not used for the longest time leave."""
        if len(result) > self._bytes_kept or key in self._results:
            return
        self._results[key] = result
        self._bytes += len(result)
        while len(self._results) > self._kept or self._bytes > self._bytes_kept:
            self._bytes -= len(self._results.popitem(last=False)[1])
