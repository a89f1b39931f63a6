"""A photo on its way in: bytes to upright RGB, RGB to the pixels the encoder sees, cells back to the photo.

The whole photo is squashed to the square the model was trained on, so every cell of the grid stands for one
rectangle of the photo and the cells cover all of it.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from captioner.decoding import decode
from captioner.errors import PhotoError
from captioner.photo_file import Source, is_tiff, open_header, open_source
from captioner.photo_limits import MAX_PIXELS as MAX_PIXELS
from captioner.photo_limits import MIN_SIDE as MIN_SIDE
from captioner.photo_limits import choose_scale

if TYPE_CHECKING:
    from torch import Tensor

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
GAP = 3.0  # Pillow's: a photo of twice this many times the square is first averaged by whole numbers of pixels
PHOTO_ENDINGS = (
    ".apng",
    ".avif",
    ".avifs",
    ".bmp",
    ".dib",
    ".dng",
    ".gif",
    ".heic",
    ".heics",
    ".heif",
    ".heifs",
    ".hif",
    ".jfi",
    ".jfif",
    ".jif",
    ".jpe",
    ".jpeg",
    ".jpg",
    ".mpo",
    ".pjp",
    ".pjpeg",
    ".png",
    ".tif",
    ".tiff",
    ".webp",
)  # of file names in a folder


@dataclass(frozen=True)
class PhotoSettings:
    """How a photo becomes pixels; recorded in the checkpoint, since a model sees only what it was trained on.

    Attributes:
        size: S, side in pixels of the square the encoder sees.
        detail: side of the square the photo is first reduced to, or None to go to `size` directly. A model trained
            on enlarged 224-pixel photos has never seen finer detail, so it is not shown any.
        mean: subtracted from each of red, green and blue (0 to 1).
        deviation: divides each of red, green and blue afterwards.
        resampling: how a photo is resized, "bicubic" or "bilinear" (the tutorial's), both with antialiasing.
    """

    size: int = 448
    detail: int | None = 224
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5)
    resampling: str = "bicubic"

    def __post_init__(self) -> None:
        if not 32 <= self.size <= 2048:
            raise PhotoError(f"expected a photo size of 32 to 2048 pixels, got {self.size}")
        if self.detail is not None and not 32 <= self.detail <= self.size:
            raise PhotoError(f"expected a detail of 32 to {self.size} pixels, got {self.detail}")
        if len(self.mean) != 3 or len(self.deviation) != 3 or min(self.deviation) <= 0:
            raise PhotoError(f"expected three means and three positive deviations, got {self.mean}, {self.deviation}")
        if self.resampling not in RESAMPLING:
            raise PhotoError(f"expected a resampling out of {', '.join(RESAMPLING)}, got {self.resampling!r}")


def prepare_photo(photo: Image.Image, settings: PhotoSettings) -> Tensor:
    """Squash an upright RGB photo to the encoder's square.

    Args:
        photo: mode RGB, any size.

    Returns:
        pixels: (3, S, S) float32, normalised with the settings' mean and deviation.
    """
    import torch  # here, so that the page can open photos while torch is still being imported

    if photo.mode != "RGB":
        raise PhotoError(f"expected an RGB photo, got mode {photo.mode}: open it with open_photo")
    shown = np.array(reduce_photo(photo, settings)).transpose(2, 0, 1)  # (3, detail or S, detail or S)
    if len(shown[0]) < settings.size:
        # As Pillow enlarges it, but for 1 of 255 at rare places, in a third of the time and without threads.
        sides = (settings.size, settings.size)
        small = torch.from_numpy(shown).unsqueeze(0)  # (1, 3, detail, detail)
        shown = torch.nn.functional.interpolate(small, sides, mode=settings.resampling, antialias=True)[0].numpy()
    # By NumPy: torch would start threads of its own for every thread that opens photos, and they would all contend.
    planes = shown.astype(np.float32, order="C")  # (3, S, S)
    planes /= np.float32(255)
    planes -= np.array(settings.mean, np.float32)[:, None, None]
    planes /= np.array(settings.deviation, np.float32)[:, None, None]
    return torch.from_numpy(planes)


def reduce_photo(photo: Image.Image, settings: PhotoSettings) -> Image.Image:
    """The square that `prepare_photo` squashes a photo to first: it gives the same pixels as the photo, in a few
    thousand bytes where a photo may have millions."""
    side = settings.size if settings.detail is None else settings.detail
    return photo if photo.size == (side, side) else _squash(photo, side, settings)


def _squash(photo: Image.Image, side: int, settings: PhotoSettings) -> Image.Image:
    """To a square, by way of averages where the photo is much larger (see `GAP`), which takes a fifth of the time."""
    return photo.resize((side, side), RESAMPLING[settings.resampling], reducing_gap=GAP)


def open_photo(source: Source) -> Image.Image:
    """Open a photo the same way for page, API and command line.

    JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC and AVIF are read; of an animation the first frame. Transparent parts
    become white. Grey values of more than 8 bits, and real numbers from 0 to 1, are scaled to 0 to 255.

    Args:
        source: a path, the bytes of a file, or a binary file (read from its beginning, left open).

    Returns:
        photo: upright, mode RGB, without metadata; large ones at a half, a quarter or an eighth of their width and
            height (`captioner.photo_limits`).

    Raises:
        PhotoError: it cannot be read, is no photo, or is damaged; or its header, read before anything is decoded,
            has more or fewer pixels than are accepted.
    """
    with open_source(source) as file:
        header = open_header(file)
        with header.image:
            scale = choose_scale(header, file)
            try:
                return decode(header, file, scale)
            except Exception as error:  # damaged bytes make decoders raise nearly anything
                problem = "is damaged or incomplete: save or download it again and try again"
                raise PhotoError(f"{file.name} {problem}") from error


def is_preview(source: Source) -> bool:
    """Whether `open_photo` reads only a small preview of what is in a file, as in a camera's raw file (DNG).

    Raises:
        PhotoError: it cannot be read, or is no photo.
    """
    with open_source(source) as file:
        if not is_tiff(file):
            return False
        header = open_header(file)
        header.image.close()
        return header.preview


@dataclass(frozen=True)
class CellGeometry:
    """Where the cells of a grid lie on the photo it was squashed from; x runs right, y down, from the top left.

    photo_width and photo_height are those of the upright photo, in pixels; rows and columns are the grid's H and W.
    """

    photo_width: int
    photo_height: int
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if min(self.photo_width, self.photo_height, self.rows, self.columns) < 1:
            raise PhotoError(f"expected at least 1 pixel a side, 1 row and 1 column, got {self}")

    def cell_box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of a cell, in photo pixels; PhotoError when there is no such cell.

        In a photo of 60 x 90 pixels with 3 rows and 2 columns, cell (1, 0) is (0.0, 30.0, 30.0, 60.0).
        """
        if not (0 <= row < self.rows and 0 <= column < self.columns):
            raise PhotoError(f"expected a cell of {self.rows} rows and {self.columns} columns, got ({row}, {column})")
        lefts, tops = self._edges()
        return lefts[column], tops[row], lefts[column + 1], tops[row + 1]

    def cell_at(self, x: float, y: float) -> tuple[int, int]:
        """(row, column) of the cell at photo pixel (x, y), left and top edges included; PhotoError outside it."""
        if not (0 <= x < self.photo_width and 0 <= y < self.photo_height):
            raise PhotoError(f"expected a position on {self.photo_width} x {self.photo_height} pixels, got ({x}, {y})")
        lefts, tops = self._edges()  # not x * columns / width, which can round to the wrong side of an edge
        return bisect_right(tops, y) - 1, bisect_right(lefts, x) - 1

    def _edges(self) -> tuple[list[float], list[float]]:
        """Where cells begin and the last one ends: x of the W + 1 vertical edges, y of the H + 1 horizontal ones."""
        xs = [column * self.photo_width / self.columns for column in range(self.columns + 1)]
        ys = [row * self.photo_height / self.rows for row in range(self.rows + 1)]
        return xs, ys
