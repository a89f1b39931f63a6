"""What the model said of the last photos, so that the same photo is captioned once, whoever brings it.

A key is made of the photo's content and of what was asked (see `demo.scheduler.PhotoTask`); nothing in a key or in a
result tells who asked.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

RESULTS_KEPT = 128
BYTES_KEPT = 64_000_000  # a result of the page has about 0.4 million


class ResultCache:
    """The results used last, at most so many and so large; for one thread at a time.

    Args:
        kept: the most results.
        bytes_kept: the most bytes of all together, as `measure` counts them. What is larger alone is not kept.
    """

    def __init__(self, kept: int = RESULTS_KEPT, bytes_kept: int = BYTES_KEPT) -> None:
        self._kept, self._bytes_kept = kept, bytes_kept
        self._results: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._results)

    def find(self, key: Hashable) -> Any | None:
        """The result, or None."""
        if key not in self._results:
            return None
        self._results.move_to_end(key)
        return self._results[key][0]

    def keep(self, key: Hashable, result: Any) -> None:
        """Keep plain data; those that were not used for the longest time leave."""
        size = measure(result)
        if size > self._bytes_kept or key in self._results:
            return
        self._results[key] = result, size
        self._bytes += size
        while len(self._results) > self._kept or self._bytes > self._bytes_kept:
            self._bytes -= self._results.popitem(last=False)[1][1]


def measure(value: Any) -> int:
    """About how many bytes plain data takes: strings, numbers and what holds them."""
    size = sys.getsizeof(value)
    if isinstance(value, Mapping):
        size += sum(map(measure, value.values()))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        size += sum(map(measure, value))
    return size
