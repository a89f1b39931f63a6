"""Parts of a file, read as if they were a file of their own: what Pillow needs of a JPEG or PNG, and no more."""

from __future__ import annotations

import io
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO, cast

Part = tuple[int, int] | bytes  # where it begins and its length, or other bytes in its place
_JPEG_BARE = {*range(0xC0), *range(0xD0, 0xDA)}  # markers without a segment, and 0xFF that is no marker
_JPEG_DROPPED = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # applications but JFIF and Adobe, which tell of colours; comments
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_MOST_STEPS = 200_000  # segments of a JPEG, chunks of a PNG
_MOST_EXIF = 1 << 20  # bytes
_BLOCK = 4096


class PartsReader(io.RawIOBase):
    """A binary file that is some parts of another, in order."""

    def __init__(self, stream: BinaryIO, parts: Sequence[Part]) -> None:
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


def join_parts(stream: BinaryIO, parts: Sequence[Part]) -> BinaryIO:
    """The parts as one buffered file."""
    return cast("BinaryIO", io.BufferedReader(PartsReader(stream, parts)))


def jpeg_parts(stream: BinaryIO, size: int) -> tuple[list[Part], bytes]:
    """A JPEG without comments, stray bytes and application segments but those on colour, and its EXIF (b"" without).

    The last part is the first scan and all that follows it.
    """
    parts: list[Part] = [(0, 2)]
    exif = b""
    at = 2
    for _ in range(_MOST_STEPS):
        at, marker = _find_marker(stream, at)
        if marker == 0xDA:  # start of scan
            return [*parts, (at, size - at)], exif
        if marker in _JPEG_BARE:
            at += 2
            continue
        length = 2 + max(2, int.from_bytes(stream.read(2), "big"))
        if marker == 0xE1 and not exif:
            content = stream.read(length - 4)
            exif = content if content.startswith(b"Exif\0\0") else b""
        elif marker not in _JPEG_DROPPED:
            parts.append((at, length))
        at += length
    raise SyntaxError("too many segments")


def _find_marker(stream: BinaryIO, at: int) -> tuple[int, int]:
    """Where the next marker lies, past bytes that fill or belong nowhere, as decoders look for it; and which it is."""
    stream.seek(at)
    while len(block := stream.read(_BLOCK)) > 1:
        if found := re.search(rb"\xff([^\xff])", block):
            at += found.start()
            stream.seek(at + 2)
            return at, found[1][0]
        at += len(block) - 1  # the last byte may begin a marker
        stream.seek(at)
    raise SyntaxError("not a JPEG, or cut off")


def ended_parts(stream: BinaryIO, parts: Sequence[Part], tail: bytes) -> list[Part]:
    """A JPEG that breaks off, with other bytes behind its last ones."""
    start, length = cast("tuple[int, int]", parts[-1])
    stream.seek(start + length - 1)
    half_marker = stream.read(1) == b"\xff"
    return [*parts[:-1], (start, length - half_marker), tail]


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
