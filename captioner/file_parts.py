"""Parts of a file, read as if they were a file of their own: what Pillow needs of a JPEG, PNG or TIFF, and no more."""

from __future__ import annotations

import io
import os
import struct
from bisect import bisect_right
from itertools import accumulate
from typing import BinaryIO, cast

Part = tuple[int, int] | bytes  # where it begins and its length, or other bytes in its place
_JPEG_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_JPEG_DROPPED = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # applications but JFIF and Adobe, which tell of colours; comments
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TIFF_KEPT = {254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325}
_TIFF_KEPT |= {338, 339, 347, 529, 530, 531, 532}
_TIFF_PLACES = {273, 324}  # of strips and of tiles
_MOST_PLACES = 1 << 16
_MOST_TAGS = 4096
_MOST_STEPS = 200_000  # segments of a JPEG, chunks of a PNG
_MOST_EXIF = 1 << 20  # bytes


class PartsReader(io.RawIOBase):
    """A binary file that is some parts of another, in order."""

    def __init__(self, stream: BinaryIO, parts: list[Part]) -> None:
        super().__init__()
        self._stream = stream
        self._parts = [part for part in parts if (len(part) if isinstance(part, bytes) else part[1]) > 0]
        lengths = (len(part) if isinstance(part, bytes) else part[1] for part in self._parts)
        self._begins = [0, *accumulate(lengths)]  # of every part, and the end of the last
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, as files do."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._begins[-1]}[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read no further than to the end of the part."""
        if self._at >= self._begins[-1]:
            return 0
        index = bisect_right(self._begins, self._at) - 1
        part, skipped = self._parts[index], self._at - self._begins[index]
        wanted = min(len(buffer), self._begins[index + 1] - self._at)
        if isinstance(part, bytes):
            found = part[skipped : skipped + wanted]
        else:
            self._stream.seek(part[0] + skipped)
            found = self._stream.read(wanted)
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)


class LimitedReader(io.RawIOBase):
    """A binary file that refuses to be read further after so many bytes."""

    def __init__(self, stream: BinaryIO, limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = limit

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset, as files do."""
        return self._stream.seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or to the end.

        Raises:
            OSError: more than the limit were asked for in all.
        """
        found = self._stream.read(self._left + 1 if size is None or size < 0 else min(size, self._left + 1))
        self._left -= len(found)
        if self._left < 0:
            raise OSError("the header is too long")
        return found


def join_parts(stream: BinaryIO, parts: list[Part]) -> BinaryIO:
    """The parts as one buffered file."""
    return cast("BinaryIO", io.BufferedReader(PartsReader(stream, parts)))


def jpeg_parts(stream: BinaryIO, size: int) -> tuple[list[Part], bytes]:
    """A JPEG without comments and application segments but those on colour, and its EXIF (b"" without)."""
    parts: list[Part] = [(0, 2)]
    exif = b""
    at = 2
    for _ in range(_MOST_STEPS):
        marker, length = _jpeg_marker(stream, at)
        if marker == 0xDA:  # start of scan: pixels follow to the end
            return [*parts, (at, size - at)], exif
        if marker == 0xE1 and not exif:
            content = stream.read(length - 4)
            exif = content if content.startswith(b"Exif\0\0") else b""
        elif length > 1 and marker not in _JPEG_DROPPED:
            parts.append((at, length))
        at += length
    raise SyntaxError("too many segments")


def _jpeg_marker(stream: BinaryIO, at: int) -> tuple[int, int]:
    """The marker at a place, and the bytes it and its segment take; 1 for a byte that fills."""
    stream.seek(at)
    head = stream.read(4)
    if len(head) < 4 or head[0] != 0xFF:
        raise SyntaxError("not a JPEG, or cut off")
    if head[1] == 0xFF:
        return 0xFF, 1
    if head[1] in _JPEG_BARE:
        return head[1], 2
    return head[1], 2 + max(2, int.from_bytes(head[2:], "big"))


def png_parts(stream: BinaryIO, size: int) -> tuple[list[Part], bytes]:
    """A PNG's pixels alone, and its EXIF (b"" without).

    A colour profile or text of more than a megabyte makes Pillow give up on the photo.
    """
    parts: list[Part] = [(0, 8)]
    exif = b""
    seen: set[bytes] = set()
    at = 8
    for _ in range(_MOST_STEPS):
        if at + 8 > size:
            return parts, exif
        stream.seek(at)
        head = stream.read(8)
        name, length = head[4:], int.from_bytes(head[:4], "big")
        if name == b"eXIf" and length <= _MOST_EXIF:
            exif = stream.read(length)
        if name in _PNG_KEPT and (name == b"IDAT" or name not in seen):  # a second header would have another size
            parts.append((at, min(12 + length, size - at)))
        seen.add(name)
        at += 12 + length
    raise SyntaxError("too many chunks")


def tiff_parts(stream: BinaryIO, size: int) -> list[Part]:
    """A TIFF whose first directory has only the tags that the pixels need; others become of no known type."""
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    large = head[2:4] in (b"+\0", b"\0+")  # BigTIFF
    number, counter, entry_size = ("Q", "Q", 20) if large else ("I", "H", 12)
    (directory,) = struct.unpack_from(order + number, head, 8 if large else 4)
    stream.seek(directory)
    (count,) = struct.unpack(order + counter, stream.read(struct.calcsize(order + counter)))
    if count > _MOST_TAGS:
        raise SyntaxError("too many tags")
    first = stream.tell()
    entries = bytearray(stream.read(count * entry_size))
    for at in range(0, len(entries) - entry_size + 1, entry_size):
        tag, _, places = struct.unpack_from(order + "HH" + number, entries, at)
        if tag in _TIFF_PLACES and places > _MOST_PLACES:
            raise SyntaxError("too many strips or tiles")
        if tag not in _TIFF_KEPT:
            entries[at + 2 : at + 4] = b"\xff\xff"
    end = first + len(entries)
    return [(0, first), bytes(entries), (end, size - end)]
