"""The file of a photo, before any of its pixels: which kind it is, and its header as Pillow reads it.

Pillow reads all metadata while it opens a file, and some kinds let a few kilobytes stand for gigabytes of it. It is
therefore shown only what the pixels need; EXIF, for the orientation, only where it is harmless.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

from PIL import AvifImagePlugin, ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from captioner.errors import PhotoError
from captioner.exif import ifd_is_bomb, read_orientation
from captioner.file_parts import LimitedReader, Part, join_parts, jpeg_parts, png_parts
from captioner.tiff_layout import mend_layout, tiff_parts

MAX_BYTES = 400_000_000  # more than 40 megapixels of 16-bit red, green, blue and alpha need
MAX_WHOLE_BYTES = 12_000_000  # of a WebP, AVIF or HEIC file, which is read whole before its size is known
MAX_HEADER_BYTES = 2_000_000  # read of a GIF, BMP or TIFF file before its size is known
_SUBFILE = 254  # TIFF's tag whose first bit marks a smaller version of another image in the file
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")  # the last two by mistake
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
        bulky: decoding takes more memory than is usual for its kind: a JPEG in several scans; AVIF of more than 8 bits
            or with colours at full resolution; HEIC of both.
        preview: the image is but a preview of what is in the file.
        parts: of a JPEG.
    """

    image: ImageFile.ImageFile
    orientation: int = 1
    bulky: bool = False
    preview: bool = False
    parts: tuple[Part, ...] = ()


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
    start = _read_start(file)
    for signature, openers, whole in _KINDS:
        if signature(start):
            if whole:
                _check_bytes(file.size, MAX_WHOLE_BYTES, file.name)
            for opener in openers:
                file.stream.seek(0)
                try:
                    return opener(file)
                except PhotoError:
                    raise
                except Exception:  # noqa: S112 - headers made up by strangers make openers raise nearly anything
                    continue
    raise PhotoError(
        f"{file.name} cannot be recognised: use a complete JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file"
    )


def is_tiff(file: PhotoFile) -> bool:
    """Whether a file begins as TIFFs do, cameras' raw files among them."""
    return _read_start(file)[:4] in _TIFF_STARTS


def _read_start(file: PhotoFile) -> bytes:
    file.stream.seek(0)
    return file.stream.read(12)


def _open_jpeg(file: PhotoFile) -> Header:
    parts, exif = jpeg_parts(file.stream, file.size)
    image = JpegImageFile(join_parts(file.stream, parts))
    if len(image.layer) != image.layers or not all(across and down for _, across, down, _ in image.layer):
        raise SyntaxError("no samples")
    scan = cast("tuple[int, int]", parts[-1])[0]
    file.stream.seek(scan + 4)
    several = "progressive" in image.info or file.stream.read(1) != bytes([image.layers])
    return Header(image, read_orientation(exif), bulky=several, parts=tuple(parts))


def _open_png(file: PhotoFile) -> Header:
    parts, exif = png_parts(file.stream, file.size)
    image = PngImageFile(join_parts(file.stream, parts))
    clear, raw_mode = image.info.get("transparency"), image.tile[0].args
    # Pillow takes the colour that is clear as it stands in the file, for pixels that it has made 8 bits.
    if isinstance(clear, int) and raw_mode in ("L;2", "L;4") and clear < 16:
        image.info["transparency"] = clear * (85 if raw_mode == "L;2" else 17)
    elif isinstance(clear, tuple) and raw_mode == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    return Header(image, read_orientation(exif))


def _open_webp(file: PhotoFile) -> Header:
    image = WebPImageFile(file.stream)
    return Header(image, read_orientation(image.info.get("exif", b"")))


def _open_gif(file: PhotoFile) -> Header:
    return _open_limited(file, GifImageFile, file.stream)


def _open_bmp(file: PhotoFile) -> Header:
    return _open_limited(file, BmpImageFile, file.stream)


def _open_tiff(file: PhotoFile) -> Header:
    parts = tiff_parts(file.stream, file.size)
    try:
        header = _open_limited(file, TiffImageFile, join_parts(file.stream, parts))
        image = cast("TiffImageFile", header.image)
        mend_layout(image)
    except (KeyError, SyntaxError) as error:
        if isinstance(error.__cause__ or error, KeyError):  # Pillow's, too, of what it has no mode for
            problem = "is a kind of TIFF that is not read: save it as PNG or JPEG and try again"
            raise PhotoError(f"{file.name} {problem}") from error
        raise
    return replace(header, preview=bool(image.tag_v2.get(_SUBFILE, 0) & 1))


def _open_limited(file: PhotoFile, opener: Callable[[BinaryIO], ImageFile.ImageFile], stream: BinaryIO) -> Header:
    image = opener(cast("BinaryIO", LimitedReader(stream, MAX_HEADER_BYTES)))
    image.fp = file.stream  # the pixels may be more
    return Header(image)


def _open_avif(file: PhotoFile) -> Header:
    _refuse_bombs(file.stream)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # Pillow's own setting: every thread takes memory of its own
    image = AvifImageFile(file.stream)
    file.stream.seek(0)
    layouts = re.findall(rb"av1C..(.)", file.stream.read(), re.DOTALL)  # more than 8 bits, 12, grey, halved x and y
    bulky = any(layout[0] & 0b01001100 != 0b00001100 for layout in layouts)
    return Header(image, read_orientation(image.info.get("exif", b"")), bulky)


def _open_heic(file: PhotoFile) -> Header:
    from pillow_heif import HeifImageFile  # only now: most photos do without

    _refuse_bombs(file.stream)
    image = HeifImageFile(file.stream)  # type: ignore[no-untyped-call]
    return Header(image, bulky=image.info.get("chroma") not in (None, 420) and image.info.get("bit_depth") != 8)


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
    (lambda start: start.startswith(b"\xff\xd8"), (_open_jpeg,), False),
    (lambda start: start.startswith(b"\x89PNG\r\n\x1a\n"), (_open_png,), False),
    (lambda start: start.startswith((b"GIF87a", b"GIF89a")), (_open_gif,), False),
    (lambda start: start.startswith(b"BM"), (_open_bmp,), False),
    (
        lambda start: start.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")),
        (_open_tiff,),
        False,
    ),
    (lambda start: start.startswith(b"RIFF") and start[8:] == b"WEBP", (_open_webp,), True),
    (lambda start: start[4:8] == b"ftyp", (_open_avif, _open_heic), True),
)
