"""The ways one photo is shown in training: whole, mirrored, cropped; and where its boxes lie in each."""

from __future__ import annotations

import random
from dataclasses import dataclass

from PIL import Image

from captioner.errors import DataError

# left, top, right, bottom as shares of the photo's width and height, 0 to 1
Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SMALLEST_CROP, LARGEST_CROP = 0.7, 0.95  # shares of each side: what a caption speaks of is mostly still in view


@dataclass(frozen=True)
class View:
    """What of a photo is shown, and whether mirrored left to right.

    Attributes:
        crop: the part that is shown, in shares of the photo.
        mirrored: applied after the crop.
    """

    crop: Box = WHOLE
    mirrored: bool = False

    def __post_init__(self) -> None:
        left, top, right, bottom = self.crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise DataError(f"expected a crop (left, top, right, bottom) within 0 to 1, got {self.crop}")

    def show(self, photo: Image.Image) -> Image.Image:
        """The photo in this view."""
        if self.crop != WHOLE:
            left, top, right, bottom = self.crop
            width, height = photo.size
            edges = (round(left * width), round(top * height), round(right * width), round(bottom * height))
            photo = photo.crop(edges)
        return photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.mirrored else photo

    def place(self, box: Box) -> Box | None:
        """Where a box of the photo lies in this view, cut at its edges; None when it is out of sight."""
        left, top, right, bottom = self.crop
        width, height = right - left, bottom - top
        x1, x2 = (box[0] - left) / width, (box[2] - left) / width
        y1, y2 = (box[1] - top) / height, (box[3] - top) / height
        if self.mirrored:
            x1, x2 = 1 - x2, 1 - x1
        x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0)
        return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def make_views(filename: str, count: int) -> tuple[View, ...]:
    """`count` views of a photo: whole, mirrored, then crops, mirrored by turns; always the same for one filename."""
    chance = random.Random(filename)  # noqa: S311 (variety, not secrecy)
    views = [View(), View(mirrored=True)]
    while len(views) < count:
        width, height = (chance.uniform(SMALLEST_CROP, LARGEST_CROP) for _ in range(2))
        left, top = chance.uniform(0, 1 - width), chance.uniform(0, 1 - height)
        views.append(View((left, top, left + width, top + height), mirrored=chance.random() < 0.5))
    return tuple(views[:count])
