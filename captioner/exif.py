"""The one thing in a photo's EXIF that its pixels need: which way is up.

EXIF is a TIFF header and a directory of tags (EXIF 2.32, section 4.6); each tag may point at data anywhere, so that
thousands may share the same megabyte. Readers that copy the data of every tag can be made to fill any memory.
"""

from __future__ import annotations

import struct
from contextlib import suppress

from PIL import ExifTags, Image

_ENTRY = 12  # bytes of a tag: id, type, count, and the data or where it lies
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # bytes of a type
_MARGIN = 1_000_000  # bytes that tags may hold twice


def read_orientation(exif: bytes) -> int:
    """The orientation of the EXIF standard, 1 (upright) to 8; 1 where it is missing, damaged or made to be blown up."""
    found = Image.Exif()
    if not ifd_is_bomb(exif, 6 if exif.startswith(b"Exif\0\0") else 0):
        with suppress(Exception):  # damaged EXIF makes Pillow raise nearly anything
            found.load(exif)
    value = found.get(ExifTags.Base.Orientation)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def ifd_is_bomb(data: bytes, start: int) -> bool:
    """Whether the tags of the TIFF header at `start` claim clearly more bytes than `data` has."""
    try:
        order = _byte_order(data, start)
        claimed = 0
        for at in _entries(data, start, order):
            kind, count = struct.unpack_from(order + "HI", data, at + 2)
            claimed += count * _UNITS.get(kind, 0)
            if claimed > len(data) - start + _MARGIN:
                return True
    except (struct.error, KeyError):
        pass
    return False


def _byte_order(data: bytes, start: int) -> str:
    return {b"II": "<", b"MM": ">"}[data[start : start + 2]]


def _entries(data: bytes, start: int, order: str) -> range:
    """Where the tags of the first directory stand."""
    (offset,) = struct.unpack_from(order + "I", data, start + 4)
    (count,) = struct.unpack_from(order + "H", data, start + offset)
    first = start + offset + 2
    return range(first, first + count * _ENTRY, _ENTRY)
