"""A photo on its way in: bytes to upright RGB, RGB to the pixels the encoder sees, cells back to the photo.

The whole photo is squashed to the square the model was trained on, so every cell of the grid stands for one
rectangle of the photo and the cells cover all of it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from captioner.errors import PhotoError

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 40_000_000
MAX_SIDE = 20_000
MIN_SIDE = 8
RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
MAX_BYTES = 400_000_000  # more than MAX_PIXELS of 16-bit red, green, blue and alpha need
PHOTO_ENDINGS = (
    ".avif",
    ".bmp",
    ".gif",
    ".heic",
    ".heif",
    ".jpeg",
    ".jpg",
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
    for side in (settings.detail, settings.size):
        if side is not None and photo.size != (side, side):
            photo = photo.resize((side, side), RESAMPLING[settings.resampling])
    values = torch.from_numpy(np.asarray(photo, dtype=np.float32) / 255.0)  # (S, S, 3)
    normalised = (values - torch.tensor(settings.mean)) / torch.tensor(settings.deviation)
    return normalised.permute(2, 0, 1).contiguous()  # (3, S, S)


def reduce_photo(photo: Image.Image, settings: PhotoSettings) -> Image.Image:
    """The square that `prepare_photo` squashes a photo to first: it gives the same pixels as the photo, in a few
    thousand bytes where a photo may have millions."""
    side = settings.size if settings.detail is None else settings.detail
    return photo if photo.size == (side, side) else photo.resize((side, side), RESAMPLING[settings.resampling])


def open_photo(source: str | os.PathLike[str] | bytes | BinaryIO) -> Image.Image:
    """Open a photo the same way for page, API and command line.

    JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC and AVIF are read; of an animation the first frame. Transparent parts
    become white. Grey values of 16 bits, and real numbers from 0 to 1, are scaled to 0 to 255.

    Args:
        source: a path, the bytes of a file, or a binary file (read from its beginning, left open).

    Returns:
        photo: upright, mode RGB, full size, without metadata.

    Raises:
        PhotoError: it cannot be read, is no photo, or is damaged; or its header, read before anything is decoded,
            tells of more than `MAX_PIXELS` pixels, a side above `MAX_SIDE` or a side below `MIN_SIDE`.
    """
    data, name = _read_source(source)
    if not data:
        raise PhotoError(f"{name} is empty: choose another file and try again")
    if len(data) > MAX_BYTES:
        raise PhotoError(f"{name} is larger than {MAX_BYTES // 10**6} MB: save it as JPEG and try again")
    with _open_image(data, name) as image:
        _check_size(*image.size, name)
        try:
            image.load()
            return _convert_upright(image)
        except Exception as error:  # damaged bytes make decoders raise nearly anything
            raise PhotoError(f"{name} is damaged or incomplete: save or download it again and try again") from error


def _read_source(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[bytes, str]:
    """The file's bytes, one more than `MAX_BYTES` at most, and what messages call it."""
    if isinstance(source, bytes):
        return source, "The photo"
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        return _read_path(path), f"The photo {path.name!r}"
    try:
        with suppress(OSError):  # a pipe has no way back
            source.seek(0)
        return bytes(source.read(MAX_BYTES + 1)), "The photo"
    except (AttributeError, TypeError, OSError, ValueError) as error:
        raise PhotoError("The photo cannot be read: give a path, bytes or a file open for binary reading") from error


def _read_path(path: Path) -> bytes:
    try:
        if path.is_file():  # opening a named pipe would wait for ever
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1)
        problem = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
    except (OSError, ValueError):  # no permission, or a name too long
        problem = "cannot be read"
    raise PhotoError(f"{str(path)!r} {problem}: give the path of a photo you may read")


def _open_image(data: bytes, name: str) -> ImageFile.ImageFile:
    """Read the header only; each opener refuses the files of the others."""
    # Image.open has its own limit on pixels, which warns, and can only be changed for the whole process.
    for opener in (JpegImageFile, _open_png, GifImageFile, BmpImageFile, TiffImageFile, WebPImageFile, AvifImageFile):
        with suppress(Exception):
            return opener(BytesIO(data))
    with suppress(Exception):
        from pillow_heif import HeifImageFile  # only now: most photos do without

        return HeifImageFile(BytesIO(data))  # type: ignore[no-untyped-call]
    raise PhotoError(f"{name} cannot be recognised: use a complete JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file")


def _open_png(file: BytesIO) -> ImageFile.ImageFile:
    """Open the pixels alone: a colour profile or text of more than a megabyte makes Pillow give up on the photo."""
    kept = [file.read(8)]  # the signature
    if kept[0] != b"\x89PNG\r\n\x1a\n":
        raise SyntaxError("not a PNG")
    while len(head := file.read(8)) == 8:  # length and name of a chunk
        chunk = head + file.read(int.from_bytes(head[:4], "big") + 4)  # and its checksum
        if head[4:] in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"eXIf", b"IEND"):
            kept.append(chunk)
    return PngImageFile(BytesIO(b"".join(kept)))


def _check_size(width: int, height: int, name: str) -> None:
    said = f"{name} is {width} x {height} pixels; at"
    if width * height > MAX_PIXELS:
        raise PhotoError(f"{said} most {MAX_PIXELS // 10**6} megapixels are accepted: make it smaller and try again")
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"{said} most {MAX_SIDE} pixels a side are accepted: make it smaller and try again")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{said} least {MIN_SIDE} pixels a side are needed: use a larger one and try again")


# What makes a photo of EXIF orientation 2, 3, ... 8 upright.
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


def _convert_upright(image: Image.Image) -> Image.Image:
    """A new RGB image without metadata. TIFF and HEIC openers have turned theirs and say so in the EXIF."""
    orientation = 1
    with suppress(Exception):  # a photo with broken EXIF is still a photo
        orientation = int(image.getexif()[ExifTags.Base.Orientation])
    if image.mode.startswith("I") or image.mode == "F":
        photo = _scale_deep(image)
    elif image.has_transparency_data:
        layer = image.convert("RGBA")
        photo = Image.new("RGB", layer.size, "white")
        photo.paste(layer, mask=layer.getchannel("A"))
    else:
        photo = image.convert("RGB")
    if 2 <= orientation <= 8:
        photo = photo.transpose(Image.Transpose[_TURNS[orientation - 2]])
    photo.info = {}
    return photo


def _scale_deep(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits to RGB, from 0 to the first full scale that holds it, else from lowest to highest."""
    values = np.asarray(image).astype(np.float64)  # (rows, columns)
    finite = np.isfinite(values)
    lowest, highest = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    lowest, highest = (lowest, highest) if finite.any() else (0.0, 0.0)
    np.nan_to_num(values, copy=False, nan=lowest, posinf=highest, neginf=lowest)
    full_scales = {"F": (1, 255), "I": (255, 65535)}.get(image.mode, (65535,))
    start, end = next(((0, full) for full in full_scales if lowest >= 0 and highest <= full), (lowest, highest))
    values -= start  # in place: those of 40 megapixels take 320 MB
    values *= 255 / ((end - start) or 1)
    return Image.fromarray(np.rint(values, out=values).astype(np.uint8)).convert("RGB")


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
