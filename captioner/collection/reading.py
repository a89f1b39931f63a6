"""Photos of a collection, read ahead: threads open and prepare them, a bounded window of them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from captioner.collection.options import CollectionOptions
from captioner.errors import PhotoError
from captioner.photo import PhotoSettings, open_photo, prepare_photo

WAITING_BATCHES = 2  # read ahead

Read = tuple[Path, "Tensor | PhotoError"]  # (3, S, S) pixels, or why there are none


def read_ahead(
    pool: ThreadPoolExecutor, photos: Sequence[Path], settings: PhotoSettings, options: CollectionOptions
) -> Iterator[list[Read]]:
    """Batches in order; never more than WAITING_BATCHES more are opened."""
    coming: deque[Future[Read]] = deque()
    rest = iter(photos)
    while True:
        wanted = (1 + WAITING_BATCHES) * options.batch - len(coming)
        coming.extend(pool.submit(_read, path, settings) for path in itertools.islice(rest, wanted))
        if not coming:
            return
        yield [coming.popleft().result() for _ in range(min(options.batch, len(coming)))]


def _read(path: Path, settings: PhotoSettings) -> Read:
    try:
        return path, prepare_photo(open_photo(path), settings)
    except PhotoError as problem:
        return path, problem
