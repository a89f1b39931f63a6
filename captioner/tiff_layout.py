"""How the pixels of a TIFF lie in its file (TIFF 6.0): which layouts are read, and by what.

Pillow reads uncompressed strips by itself, and what is compressed through libtiff. Some layouts only libtiff reads
rightly; a few neither does, and no others are guessed at.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import ImagePalette
from PIL.TiffImagePlugin import TiffImageFile

from captioner.file_parts import Part

_COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIPS, _PLANAR, _COLOUR_MAP, _TILES = 259, 262, 266, 273, 284, 320, 324
_KEPT = {254, *range(256, 260), 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, *range(322, 326)}
_KEPT |= {338, 339, 347, *range(529, 533)}
_MOST_PLACES = 1 << 16
_MOST_TAGS = 4096
_PACKBITS = 32773
_YCBCR = 6
_NATIVE = {"F;32BF": "F;32F", "I;32BS": "I;32S", "I;16BS": "I;16S"}  # libtiff has turned the bytes already


def tiff_parts(stream: BinaryIO, size: int) -> list[Part]:
    """A TIFF whose first directory has only the tags that the pixels need; others become of no known type.

    Where the layout is one that Pillow misreads, the compression reads as PackBits, so that Pillow asks libtiff, which
    reads the file itself.
    """
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
    shorts, compression = {}, None
    for at in range(0, len(entries) - entry_size + 1, entry_size):
        tag, _, places = struct.unpack_from(order + "HH" + number, entries, at)
        if tag in (_STRIPS, _TILES) and places > _MOST_PLACES:
            raise SyntaxError("too many strips or tiles")
        if tag not in _KEPT:
            entries[at + 2 : at + 4] = b"\xff\xff"
        value = at + entry_size - (8 if large else 4)
        (shorts[tag],) = struct.unpack_from(order + "H", entries, value)
        compression = value if tag == _COMPRESSION else compression
    if not {_STRIPS, _TILES} & shorts.keys():
        raise SyntaxError("no pixels")
    if _is_misread(shorts) and compression is not None:
        struct.pack_into(order + "H", entries, compression, _PACKBITS)
    end = first + len(entries)
    return [(0, first), bytes(entries), (end, size - end)]


def _is_misread(shorts: dict[int, int]) -> bool:
    """Whether Pillow by itself misreads a layout: planes, bits or colours that are not in the usual order."""
    unusual = shorts.get(_PLANAR, 1) != 1 or shorts.get(_FILL_ORDER, 1) != 1 or shorts.get(_PHOTOMETRIC) == _YCBCR
    return shorts.get(_COMPRESSION, 1) == 1 and unusual


def mend_layout(image: TiffImageFile) -> None:
    """Correct what Pillow takes a layout for.

    Raises:
        KeyError: neither Pillow nor libtiff reads the layout rightly.
    """
    tags = image.tag_v2
    planes = tags.get(_PLANAR, 1) != 1
    if planes and (not image.use_load_libtiff or image.mode in ("LA", "PA", "LAB")):
        raise KeyError("planes that are not read")
    if image.use_load_libtiff and isinstance(args := image.tile[0].args, tuple):
        raw_mode, *others = args
        image.tile = [image.tile[0]._replace(args=(_NATIVE.get(raw_mode, raw_mode), *others))]
    if image.mode in ("P", "PA") and max(colours := tags[_COLOUR_MAP]) < 256:  # written as bytes, by mistake
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))
