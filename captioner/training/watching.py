"""Watch a model learn: at chosen steps it captions a folder of photos as it is then, and a record grows by a moment.

The weights are those the optimiser has just changed, not their running average, by which validation judges: what is
recorded is the model at that step. Watching draws no random number and changes no weight: the run ends where it would
have ended unwatched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.errors import DataError, RecordError
from captioner.finding import is_photo_name
from captioner.learning import Learning, Moment, Telling
from captioner.photo import PHOTO_ENDINGS, open_photo

WIDTH = 3  # of the beam
DEFAULT_AT = (0, 1, 2, 3, 5, 7, *(digit * 10**power for power in range(6) for digit in (10, 15, 20, 30, 50, 70)))


@dataclass(frozen=True)
class WatchOptions:
    """What to watch a training with.

    Attributes:
        folder: its photos are captioned.
        at: the optimiser steps at which they are, 0 or more, rising; the end of every epoch is always one.

    Raises:
        DataError: the steps do not rise, or the folder has no photo.
    """

    folder: Path
    at: tuple[int, ...] = DEFAULT_AT

    def __post_init__(self) -> None:
        if not self.at or self.at[0] < 0 or any(before >= after for before, after in pairwise(self.at)):
            raise DataError(f"expected --watch-at with rising steps of 0 or more, got {','.join(map(str, self.at))}")
        if not self.photos:
            raise DataError(f"expected photos ({', '.join(PHOTO_ENDINGS)}) in {self.folder.name}, got none")

    @property
    def photos(self) -> tuple[Path, ...]:
        """The photos by name."""
        return photos_in(self.folder)


def photos_in(folder: Path) -> tuple[Path, ...]:
    """The photos of a folder by name; none where there is no such folder."""
    found = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(filter(is_photo_name, found)))


def read_steps(text: str) -> tuple[int, ...]:
    """Steps as the command line gives them, "0,10,30".

    Raises:
        DataError: they are no whole numbers.
    """
    try:
        return tuple(int(step) for step in text.split(","))
    except ValueError as problem:
        raise DataError(f"expected --watch-at with whole numbers, such as 0,10,30, got {text!r}") from problem


class Watcher:
    """Keeps the record of one run.

    Args:
        options: which photos, and when.
        record: the file the moments go to.
        learning: the record before its first moment; moments that the file has already are kept.

    Raises:
        PhotoError: a photo cannot be opened.
        RecordError: the earlier record cannot be read back, or tells of other photos.
    """

    def __init__(self, options: WatchOptions, record: Path, learning: Learning) -> None:
        self.at, self.record = frozenset(options.at), record
        self.photos = tuple(open_photo(path) for path in options.photos)
        self.learning = learning
        if record.exists():
            self.learning = Learning.load(record)
            if self.learning.photos != learning.photos or self.learning.grid != learning.grid:
                raise RecordError(f"{record} tells of other photos: choose another --run-dir")
        self.full = False

    def due(self, step: int, epoch_ends: bool) -> bool:
        """Whether the photos are to be captioned after this step; not when the record has it already."""
        return (step in self.at or epoch_ends) and step not in self.learning.steps and not self.full

    def look(self, captioner: Captioner, step: int, nats: float | None) -> None:
        """Caption the photos and write the moment; see `Moment`. A record that has grown too large stays as it is."""
        moment = Moment(tell(captioner, self.photos), step, nats)
        grown = self.learning.with_moment(moment)
        try:
            grown.save(self.record)
        except RecordError as problem:  # hours of training are worth more than one moment
            tqdm.write(f"not recorded: {problem}")
            self.full = True
            return
        self.learning = grown
        tqdm.write(f"step {step}: {' | '.join(' '.join(telling.words) for telling in moment.tellings)}")


def tell(captioner: Captioner, photos: Sequence[Image.Image]) -> tuple[Telling, ...]:
    """What a model says of each photo at beam width 3."""
    described = captioner.describe_many(photos, SearchOptions(widths=(WIDTH,)))
    return tuple(Telling.of(description.at_width(WIDTH)[0]) for description in described)


def add_finished(learning: Learning, captioner: Captioner, folder: Path) -> Learning:
    """The record and, as its last moment, what a finished model says of the same photos, which lie in `folder`.

    Raises:
        PhotoError: a photo is missing or cannot be opened.
        RecordError: the model's maps lie on another grid.
    """
    photos = [open_photo(folder / name) for name in learning.photos]
    return learning.with_moment(Moment(tell(captioner, photos), model=captioner.card.name))
