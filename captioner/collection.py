"""Captions of many photos: files are read, captioned in batches and written side by side, in bounded memory.

    threads: open, prepare -> bounded window -> encode and search a batch -> bounded queue -> one thread: write lines

A line is one photo, as JSON. A run that was stopped goes on where it was: photos that have a line are not done again.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captioner.caption import Caption, Description
from captioner.captioner import Captioner
from captioner.errors import PhotoError, RecordError, SearchError
from captioner.photo import PHOTO_ENDINGS, PhotoSettings, open_photo, prepare_photo
from captioner.search_options import SearchOptions

WAITING_BATCHES = 2  # read ahead, and likewise captioned but not written yet


@dataclass(frozen=True)
class CollectionOptions:
    """How a collection is captioned.

    Attributes:
        search: with one beam width.
        batch: photos that are encoded and searched together, 1 or more.
        readers: threads that open photos, 1 or more.
        maps: write the attention of every word of the best caption too: about 20 times the space.

    Raises:
        SearchError: a number is out of its range, or the search has several widths.
    """

    search: SearchOptions
    batch: int = 16
    readers: int = 2
    maps: bool = False

    def __post_init__(self) -> None:
        if self.batch < 1 or self.readers < 1:
            raise SearchError(f"expected a batch of 1 photo and 1 reader or more, got {self.batch} and {self.readers}")
        if len(self.search.widths) != 1:
            raise SearchError(f"expected one beam width, got {self.search.widths}")


@dataclass(frozen=True)
class Tally:
    """What became of a collection's photos: captioned now, refused now, found in the file already."""

    captioned: int
    refused: int
    kept: int


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


def caption_collection(captioner: Captioner, photos: Sequence[Path], out: Path, options: CollectionOptions) -> Tally:
    """Add a line to `out` for every photo that has none, in their order.

    A photo that cannot be used gets a line with its "error", and the others are captioned.

    Raises:
        RecordError: `out` cannot be read, holds other lines, or cannot be written.
    """
    done = _resume(out)
    waiting = [path for path in photos if str(path) not in done]
    counts = {True: 0, False: 0}
    with _open_end(out) as file, _Writer(file) as writer, ThreadPoolExecutor(options.readers) as pool:
        for batch in _read_ahead(pool, waiting, captioner.photo_settings, options):
            for line in _batch_lines(captioner, batch, options):
                counts["error" in line] += 1
                writer.put(line)
    return Tally(captioned=counts[False], refused=counts[True], kept=len(photos) - len(waiting))


Read = tuple[Path, "Tensor | PhotoError"]  # (3, S, S) pixels, or why there are none


def _read(path: Path, settings: PhotoSettings) -> Read:
    try:
        return path, prepare_photo(open_photo(path), settings)
    except PhotoError as problem:
        return path, problem


def _read_ahead(
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


def _batch_lines(captioner: Captioner, batch: Sequence[Read], options: CollectionOptions) -> list[dict[str, Any]]:
    """A line for each photo of a batch; those that could be opened run through the model together."""
    pixels = [read for _, read in batch if isinstance(read, Tensor)]
    described = iter(captioner.search(captioner.encode_pixels(torch.stack(pixels)), options.search) if pixels else ())
    lines = []
    for path, read in batch:
        if isinstance(read, PhotoError):
            lines.append({"photo": str(path), "error": str(read)})
        else:
            lines.append({"photo": str(path), **_line(next(described), options)})
    return lines


def _line(description: Description, options: CollectionOptions) -> dict[str, Any]:
    captions = description.at_width(options.search.widths[0])
    line: dict[str, Any] = {
        "caption": captions[0].text,
        "captions": [_short(caption) for caption in captions],
        "model": description.model,
        "guessing": description.guessing,
        "strangeness": description.strangeness,
    }
    if options.maps:
        line["grid"] = list(description.grid)
        line["attention"] = captions[0].attention.round(6).astype(float).tolist()
    return line


def _short(caption: Caption) -> dict[str, Any]:
    return {
        "text": caption.text,
        "score": round(caption.score, 5),
        "finished": caption.finished,
        "probabilities": [round(float(value), 5) for value in caption.probabilities],
        "gate": [round(float(value), 4) for value in caption.gate],
    }


def _resume(out: Path) -> set[str]:
    """The photos that have a line; a last line that was cut short, as by a full disk, is taken off the file.

    Raises:
        RecordError: the file cannot be read, or holds something else.
    """
    if not out.exists():
        return set()
    done, whole = set(), 0
    try:
        with out.open("rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                done.add(str(json.loads(raw)["photo"]))
                whole += len(raw)
        if whole < out.stat().st_size:
            with out.open("r+b") as file:
                file.truncate(whole)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise RecordError(f"{out} holds no captions of a collection: choose another file") from problem
    return done


def _open_end(out: Path) -> RawIOBase:
    try:
        return out.open("ab", buffering=0)  # a buffer that a full disk refuses would be written again on closing
    except OSError as problem:
        raise RecordError(f"{out} could not be written: choose a folder that exists and can be written") from problem


class _Writer:
    """Writes lines from a thread of its own; what goes wrong there is raised by the next `put` or at the end."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue(256)
        self._problem: OSError | None = None
        self._thread = threading.Thread(target=self._write, name="collection writer", daemon=True)

    def __enter__(self) -> _Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._lines.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, line: dict[str, Any]) -> None:
        """Queue a line; waits while many are queued."""
        self._raise()
        self._lines.put(line)

    def _raise(self) -> None:
        if self._problem is not None:
            raise RecordError(
                "The captions could not all be written: make room, then give the same command again"
            ) from self._problem

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._problem is not None:
                continue  # the queue is emptied, so that nobody waits for it
            try:
                content = (json.dumps(line, ensure_ascii=False) + "\n").encode()
                if self._file.write(content) != len(content):
                    raise OSError("only a part was written")
            except OSError as problem:
                self._problem = problem
