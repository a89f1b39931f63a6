"""The file of a photo, before any of its pixels: which kind it is, and its header as Pillow reads it.

Pillow reads all metadata while it opens a file, and some kinds let a few kilobytes stand for gigabytes of it. It is
therefore shown only what the pixels need; the orientation is read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from captioner.errors import PhotoError
from captioner.exif import ifd_is_bomb, read_orientation
from captioner.file_parts import LimitedReader, join_parts, jpeg_parts, png_parts, tiff_parts

MAX_BYTES = 400_000_000  # more than 40 megapixels of 16-bit red, green, blue and alpha need
MAX_WHOLE_BYTES = 12_000_000  # of a WebP, AVIF or HEIC file, which is read whole before its size is known
MAX_HEADER_BYTES = 2_000_000  # read of a GIF, BMP or TIFF file before its size is known
_MOST_HEADERS = 50  # of EXIF, by chance or not, in a file
Source = str | os.PathLike[str] | bytes | BinaryIO


@dataclass(frozen=True, eq=False)
class PhotoFile:
    """An open file of 1 to `MAX_BYTES` bytes, and what messages call it."""

    stream: BinaryIO
    size: int
    name: str


@dataclass(frozen=True, eq=False)
class Header:
    """What was read before decoding.

    Attributes:
        image: not yet decoded.
        orientation: of the EXIF standard, 1 to 8; 1 too where the opener turns the photo by itself.
    """

    image: ImageFile.ImageFile
    orientation: int = 1


@contextmanager
def open_source(source: Source) -> Iterator[PhotoFile]:
    """The file of a path, of bytes or of a binary file, which is left open.

    Raises:
        PhotoError: it cannot be read, is empty, or larger than `MAX_BYTES`.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        with _open_path(path) as stream:
            yield _measure(stream, f"The photo {path.name!r}")
    else:
        yield _measure(BytesIO(source if isinstance(source, bytes) else _read_stream(source)), "The photo")


def _measure(stream: BinaryIO, name: str) -> PhotoFile:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if not size:
        raise PhotoError(f"{name} is empty: choose another file and try again")
    _check_bytes(size, MAX_BYTES, name)
    return PhotoFile(stream, size, name)


def _check_bytes(size: int, most: int, name: str) -> None:
    if size > most:
        raise PhotoError(f"{name} is larger than {most // 10**6} MB: save it as JPEG and try again")


def _open_path(path: Path) -> BinaryIO:
    try:
        if path.is_file():  # opening a named pipe would wait for ever
            return path.open("rb")
        problem = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
    except (OSError, ValueError):  # no permission, or a name too long
        problem = "cannot be read"
    raise PhotoError(f"{str(path)!r} {problem}: give the path of a photo you may read")


def _read_stream(stream: BinaryIO) -> bytes:
    """All bytes, one more than `MAX_BYTES` at most."""
    try:
        with suppress(OSError):  # a pipe has no way back
            stream.seek(0)
        return bytes(stream.read(MAX_BYTES + 1))
    except (AttributeError, TypeError, OSError, ValueError) as error:
        raise PhotoError("The photo cannot be read: give a path, bytes or a file open for binary reading") from error


def open_header(file: PhotoFile) -> Header:
    """Read a photo's header, at most a few megabytes of it.

    Raises:
        PhotoError: it is none of the kinds that are read, or a WebP, AVIF or HEIC file of more than `MAX_WHOLE_BYTES`.
    """
    start = file.stream.read(12)
    for signature, openers, whole in _KINDS:
        if signature(start):
            if whole:
                _check_bytes(file.size, MAX_WHOLE_BYTES, file.name)
            for opener in openers:
                with suppress(Exception):  # headers made up by strangers make openers raise nearly anything
                    file.stream.seek(0)
                    return opener(file)
    raise PhotoError(
        f"{file.name} cannot be recognised: use a complete JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file"
    )


def _open_jpeg(file: PhotoFile) -> Header:
    parts, exif = jpeg_parts(file.stream, file.size)
    return Header(JpegImageFile(join_parts(file.stream, parts)), read_orientation(exif))


def _open_png(file: PhotoFile) -> Header:
    parts, exif = png_parts(file.stream, file.size)
    return Header(PngImageFile(join_parts(file.stream, parts)), read_orientation(exif))


def _open_webp(file: PhotoFile) -> Header:
    image = WebPImageFile(file.stream)
    return Header(image, read_orientation(image.info.get("exif", b"")))


def _open_gif(file: PhotoFile) -> Header:
    return _open_limited(file, GifImageFile, file.stream)


def _open_bmp(file: PhotoFile) -> Header:
    return _open_limited(file, BmpImageFile, file.stream)


def _open_tiff(file: PhotoFile) -> Header:
    return _open_limited(file, TiffImageFile, join_parts(file.stream, tiff_parts(file.stream, file.size)))


def _open_limited(file: PhotoFile, opener: Callable[[BinaryIO], ImageFile.ImageFile], stream: BinaryIO) -> Header:
    image = opener(cast("BinaryIO", LimitedReader(stream, MAX_HEADER_BYTES)))
    image.fp = file.stream  # the pixels may be more
    return Header(image)


def _open_avif(file: PhotoFile) -> Header:
    _refuse_bombs(file.stream)
    image = AvifImageFile(file.stream)
    return Header(image, read_orientation(image.info.get("exif", b"")))


def _open_heic(file: PhotoFile) -> Header:
    from pillow_heif import HeifImageFile  # only now: most photos do without

    _refuse_bombs(file.stream)
    return Header(HeifImageFile(file.stream))  # type: ignore[no-untyped-call]


def _refuse_bombs(stream: BinaryIO) -> None:
    """Refuse a file whose EXIF would be blown up: the openers of AVIF and HEIC read it, wherever it lies."""
    data = stream.read()
    stream.seek(0)
    for number, match in enumerate(re.finditer(rb"II\*\0|MM\0\*", data)):
        if number > _MOST_HEADERS or ifd_is_bomb(data, match.start()):
            raise SyntaxError("metadata larger than its file")


Opener = Callable[[PhotoFile], Header]
# How a file of a kind begins, what may open it, and whether that reads it whole.
_KINDS: tuple[tuple[Callable[[bytes], bool], tuple[Opener, ...], bool], ...] = (
    (lambda start: start.startswith(b"\xff\xd8\xff"), (_open_jpeg,), False),
    (lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), (_open_png,), False),
    (lambda start: start.startswith((b"GIF87a", b"GIF89a")), (_open_gif,), False),
    (lambda start: start.startswith(b"BM"), (_open_bmp,), False),
    (lambda start: start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), (_open_tiff,), False),
    (lambda start: start.startswith(b"RIFF") and start[8:] == b"WEBP", (_open_webp,), True),
    (lambda start: start[4:8] == b"ftyp", (_open_avif, _open_heic), True),
)
