"""Photos of a collection, found and read ahead: threads open and prepare them, a bounded window of them."""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from captioner.collection.options import CollectionOptions
from captioner.errors import PhotoError
from captioner.photo import PHOTO_ENDINGS, PhotoSettings, open_photo, prepare_photo

WAITING_BATCHES = 2  # read ahead

Read = tuple[Path, "Tensor | PhotoError"]  # (3, S, S) pixels, or why there are none


def find_photos(places: Iterable[Path]) -> Iterator[Path]:
    """The files given, and those in the folders given whose name ends like a photo's, by name, folders within too.

    Raises:
        PhotoError: there is no such file or folder.
    """
    for place in places:
        if place.is_dir():
            yield from sorted(
                path for path in place.rglob("*") if path.suffix.lower() in PHOTO_ENDINGS and path.is_file()
            )
        elif place.exists():
            yield place
        else:
            raise PhotoError(f"{place} was not found: check the path")


def plain(text: Path | str) -> str:
    """A path, or a message that names one, as a line can hold it: bytes that are no UTF-8 become \\xNN."""
    return os.fsencode(text).decode(errors="backslashreplace")


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
