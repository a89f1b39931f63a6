"""Several photos in one run of the model; smaller runs, at last on the CPU, where a GPU's memory is too small."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from captioner.errors import CaptionerError
from captioner.serving.client import RemoteCaptioner
from demo.grids import GridCache

if TYPE_CHECKING:
    from PIL import Image

    from captioner.captioner import Captioner
    from captioner.description import Description
    from captioner.search_options import SearchOptions

LOG = logging.getLogger(__name__)
ON_CPU, ON_GPU = 8, 64  # photos of a batch


class Seen(NamedTuple):
    """What is said of a photo, and whether a GPU that should have been lent for it was not to be had."""

    description: Description
    without_gpu: bool = False


@dataclass(frozen=True, eq=False)
class PhotoTask:
    """A photo to be captioned.

    Attributes:
        content: says which photo it is, and nothing else: a hash of its bytes.
        form: says what `finish` makes, so that equal content, form, options and prefix give equal results.
        options: how to search.
        prefix: words every caption begins with.
        photo: opens it, when its turn has come; waiting photos take no memory.
        finish: makes of what was shown and seen the plain data that is given and kept; it may hold nothing of the
            visitor.
        show: makes of the photo what `finish` needs of it: the photo itself, tens of megabytes, does not wait.
        lent: let a lent GPU do it, where there is one (`demo.zero_gpu`).
    """

    content: str
    form: Hashable
    options: SearchOptions
    prefix: tuple[str, ...]
    photo: Callable[[], Image.Image]
    finish: Callable[[Captioner, Any, Seen], Any]
    show: Callable[[Image.Image], Any] = lambda photo: photo
    lent: bool = False

    @property
    def key(self) -> Hashable:
        """What two tasks with the same result share."""
        return self.content, self.form, self.options, self.prefix

    def alike(self, other: PhotoTask) -> bool:
        """Whether both can be in one batch."""
        return (self.options, self.prefix, self.lent) == (other.options, other.prefix, other.lent)


class Opened(NamedTuple):
    """A task whose photo has been opened: what is shown of it, and what the captioner looks at."""

    task: PhotoTask
    shown: Any
    square: Image.Image


def batch_limit(captioner: Captioner) -> int:
    """The most photos that are captioned at once."""
    if isinstance(captioner, RemoteCaptioner):
        return captioner.batch_limit
    return ON_CPU if captioner.device.type == "cpu" else ON_GPU


def open_task(captioner: Captioner, task: PhotoTask) -> Opened | Exception:
    """The task with its photo, ready for the captioner, or why it cannot be used."""
    try:
        photo = task.photo()
        return Opened(task, task.show(photo), captioner.reduce(photo))
    except Exception as problem:  # told to those who wait for this photo alone
        return problem


def look(captioner: Captioner, batch: Sequence[Opened], grids: GridCache) -> Sequence[Seen | CaptionerError]:
    """What is said of each photo; a service may refuse one, or not answer for one, and describe the others.

    Args:
        captioner: who describes.
        batch: 1 or more, with equal options and prefix.
        grids: where the photos' grids are looked up and kept.

    Raises:
        CaptionerError: the model's own, about all of them.
    """
    if not isinstance(captioner, RemoteCaptioner):
        return describe_within_memory(captioner, batch, grids)
    task, squares = batch[0].task, [opened.square for opened in batch]
    answers = captioner.describe_each(squares, task.options, task.prefix)
    return [answer if isinstance(answer, CaptionerError) else Seen(answer) for answer in answers]


def finish(captioner: Captioner, opened: Opened, found: Seen | CaptionerError) -> Any:
    """The task's result, or the error in its place."""
    return found if isinstance(found, CaptionerError) else opened.task.finish(captioner, opened.shown, found)


def describe_within_memory(captioner: Captioner, batch: Sequence[Opened], grids: GridCache) -> list[Seen]:
    """What is said of each photo; what a GPU's memory cannot hold is halved, and a single photo goes to the CPU.

    Raises:
        CaptionerError: a photo or the prefix cannot be used.
    """
    from torch import OutOfMemoryError, cuda  # loaded by now: the page opens before it

    try:
        return _describe(captioner, batch, grids)
    except OutOfMemoryError:
        if captioner.device.type == "cpu":
            raise
        cuda.empty_cache()
    half = len(batch) // 2
    if not half:
        LOG.warning("The GPU has no memory for one photo: this one is captioned on the CPU.")
        return _describe(captioner.on("cpu"), batch, GridCache())
    LOG.warning("The GPU has no memory for %d photos at once: they are captioned in two batches.", len(batch))
    parts = batch[:half], batch[half:]
    return [found for part in parts for found in describe_within_memory(captioner, part, grids)]


def _describe(captioner: Captioner, batch: Sequence[Opened], grids: GridCache) -> list[Seen]:
    from demo.zero_gpu import LentCaptioner  # which imports torch

    task, squares = batch[0].task, [opened.square for opened in batch]
    if task.lent and isinstance(captioner, LentCaptioner):
        return [Seen(*captioner.look(square, task.options, task.prefix)) for square in squares]
    captioner.known_ids(task.prefix)  # a wrong word is told before the photos are looked at
    grid = grids.find_all(captioner, [opened.task.content for opened in batch], squares)
    return [Seen(found) for found in captioner.search(grid, task.options, task.prefix)]
