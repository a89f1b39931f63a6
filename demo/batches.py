"""Several photos in one run of the model; smaller runs, at last on the CPU, where a GPU's memory is too small."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.errors import PhotoError

if TYPE_CHECKING:
    from PIL import Image

    from captioner.caption import Description
    from captioner.captioner import Captioner
    from captioner.search_options import SearchOptions

LOG = logging.getLogger(__name__)
ON_CPU, ON_GPU = 8, 64  # photos of a batch


@dataclass(frozen=True, eq=False)
class PhotoTask:
    """A photo to be captioned.

    Attributes:
        content: says which photo it is, and nothing else: a hash of its bytes.
        form: says what `finish` makes, so that equal content, form, options and prefix give equal results.
        options: how to search.
        prefix: words every caption begins with.
        photo: opens it, when its turn has come; waiting photos take no memory.
        finish: makes of the description the plain data that is given and kept; it may hold nothing of the visitor.
    """

    content: str
    form: Hashable
    options: SearchOptions
    prefix: tuple[str, ...]
    photo: Callable[[], Image.Image]
    finish: Callable[[Captioner, Description, Image.Image], Any]

    @property
    def key(self) -> Hashable:
        """What two tasks with the same result share."""
        return self.content, self.form, self.options, self.prefix

    def alike(self, other: PhotoTask) -> bool:
        """Whether both can be in one batch."""
        return (self.options, self.prefix) == (other.options, other.prefix)


def batch_limit(captioner: Captioner) -> int:
    """The most photos that are captioned at once."""
    return ON_CPU if captioner.device.type == "cpu" else ON_GPU


def describe_batch(captioner: Captioner, tasks: Sequence[PhotoTask]) -> list[Any]:
    """The finished result of each task; in the place of a photo that cannot be used, its PhotoError.

    Args:
        captioner: who describes.
        tasks: 1 or more, with equal options and prefix.

    Raises:
        CaptionerError: the model's own, about all of them.
    """
    results: list[Any] = [_opened(task) for task in tasks]
    photos = {place: photo for place, photo in enumerate(results) if not isinstance(photo, PhotoError)}
    if photos:
        described = describe_within_memory(captioner, list(photos.values()), tasks[0].options, tasks[0].prefix)
        for (place, photo), description in zip(photos.items(), described, strict=True):
            results[place] = tasks[place].finish(captioner, description, photo)
    return results


def _opened(task: PhotoTask) -> Image.Image | PhotoError:
    try:
        return task.photo()
    except PhotoError as problem:
        return problem


def describe_within_memory(
    captioner: Captioner, photos: Sequence[Image.Image], options: SearchOptions, prefix: tuple[str, ...]
) -> list[Description]:
    """`Captioner.describe_many`; what a GPU's memory cannot hold is halved, and a single photo goes to the CPU.

    Raises:
        CaptionerError: a photo or the prefix cannot be used.
    """
    from torch import OutOfMemoryError, cuda  # loaded by now: the page opens before it

    try:
        return list(captioner.describe_many(photos, options, prefix))
    except OutOfMemoryError:
        if captioner.device.type == "cpu":
            raise
        cuda.empty_cache()
    half = len(photos) // 2
    if not half:
        LOG.warning("The GPU has no memory for one photo: this one is captioned on the CPU.")
        return list(captioner.on("cpu").describe_many(photos, options, prefix))
    LOG.warning("The GPU has no memory for %d photos at once: they are captioned in two batches.", len(photos))
    parts = photos[:half], photos[half:]
    return [found for part in parts for found in describe_within_memory(captioner, part, options, prefix)]
