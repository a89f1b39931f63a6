"""TIFF files of any layout, written after the standard (TIFF 6.0) without any library that reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.generic]
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
UNSIGNED, SIGNED, REAL = 1, 2, 3
MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
_CLEAR, _END = 256, 257
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Layout:
    """How samples lie in a file; the names are those of the standard's tags.

    Attributes:
        order: "<" or ">".
        extra: what the samples behind the photometric ones are.
        block: width and height of a tile; None for strips of `rows`.
        more: further tags of type SHORT.
    """

    photometric: int
    bits: int = 8
    sample_format: int = UNSIGNED
    order: Literal["<", ">"] = "<"
    planar: int = 1
    compression: int = NONE
    predictor: int = 1
    fill: int = 1
    extra: tuple[int, ...] = ()
    block: tuple[int, int] | None = None
    rows: int = 7
    more: tuple[tuple[int, tuple[int, ...]], ...] = ()


def write_tiff(values: Values, layout: Layout) -> bytes:
    """A file of one directory; `values` are (height, width, samples), in units of the file."""
    height, width, samples = values.shape
    planes = [values] if layout.planar == 1 else [values[:, :, one : one + 1] for one in range(samples)]
    blocks = [_pack(block, layout) for plane in planes for block in _blocks(plane, layout)]
    return assemble(pack_blocks(blocks, layout), (width, height), samples, layout)


def pack_blocks(blocks: Sequence[bytes], layout: Layout) -> list[bytes]:
    """Strips or tiles as they lie in the file."""
    return [_compress(block, layout) for block in blocks]


def assemble(blocks: Sequence[bytes], size: tuple[int, int], samples: int, layout: Layout) -> bytes:
    """A file of strips or tiles that are packed already."""
    sizes = [len(block) for block in blocks]
    starts = [8 + sum(sizes[:index]) for index in range(len(sizes))]
    tags = {
        256: ("I", (size[0],)),
        257: ("I", (size[1],)),
        258: ("H", (layout.bits,) * samples),
        259: ("H", (layout.compression,)),
        262: ("H", (layout.photometric,)),
        277: ("H", (samples,)),
        284: ("H", (layout.planar,)),
        339: ("H", (layout.sample_format,) * samples),
        **{tag: ("H", content) for tag, content in layout.more},
    }
    if layout.fill != 1:
        tags[266] = ("H", (layout.fill,))
    if layout.predictor != 1:
        tags[317] = ("H", (layout.predictor,))
    if layout.extra:
        tags[338] = ("H", layout.extra)
    if layout.block:
        width, height = layout.block
        tags |= {322: ("I", (width,)), 323: ("I", (height,)), 324: ("I", tuple(starts)), 325: ("I", tuple(sizes))}
    else:
        tags |= {273: ("I", tuple(starts)), 278: ("I", (layout.rows,)), 279: ("I", tuple(sizes))}
    content = b"".join(blocks)
    return _header(layout.order, 8 + len(content)) + content + _directory(tags, layout.order, 8 + len(content))


def _header(order: str, place: int) -> bytes:
    return (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, place)


def _directory(tags: dict[int, tuple[str, tuple[int, ...]]], order: str, place: int) -> bytes:
    entries, tail = b"", b""
    behind = place + 2 + 12 * len(tags) + 4
    for tag, (kind, numbers) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(packed) > 4:
            packed, tail = struct.pack(order + "I", behind + len(tail)), tail + packed
        entries += struct.pack(order + "HHI", tag, 3 if kind == "H" else 4, len(numbers)) + packed.ljust(4, b"\0")
    return struct.pack(order + "H", len(tags)) + entries + bytes(4) + tail


def _blocks(plane: Values, layout: Layout) -> Iterator[Values]:
    height, width, _ = plane.shape
    if layout.block is None:
        yield from (plane[top : top + layout.rows] for top in range(0, height, layout.rows))
        return
    across, down = layout.block
    padded = np.pad(plane, ((0, -height % down), (0, -width % across), (0, 0)))
    for top in range(0, height, down):
        for left in range(0, width, across):
            yield padded[top : top + down, left : left + across]


def _pack(block: Values, layout: Layout) -> bytes:
    if layout.predictor == 2:
        block = np.concatenate([block[:, :1], np.diff(block, axis=1).astype(block.dtype)], axis=1)
    rows = block.reshape(len(block), -1)
    if layout.predictor == 3:
        return b"".join(_shuffled(row, block.shape[2]) for row in rows)
    if layout.bits in (8, 16, 32, 64):
        return rows.astype(rows.dtype.newbyteorder(layout.order)).tobytes()
    bits = (rows[:, :, None].astype(np.uint32) >> np.arange(layout.bits - 1, -1, -1, dtype=np.uint32)) & 1
    return np.packbits(bits.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def _shuffled(row: Values, samples: int) -> bytes:
    """The floating-point predictor of Adobe's technical note 3: most significant bytes first, then differences."""
    planes = row.astype(row.dtype.newbyteorder(">")).view(np.uint8).reshape(len(row), -1).T.reshape(-1)
    return np.concatenate([planes[:samples], planes[samples:] - planes[:-samples]]).astype(np.uint8).tobytes()


def _compress(data: bytes, layout: Layout) -> bytes:
    if layout.compression == DEFLATE:
        data = zlib.compress(data)
    elif layout.compression == PACKBITS:
        runs = (data[at : at + 128] for at in range(0, len(data), 128))
        data = b"".join(bytes([len(run) - 1]) + run for run in runs)
    elif layout.compression == LZW:
        data = _lzw(data)
    return data.translate(_REVERSED) if layout.fill == 2 else data


def _lzw(data: bytes) -> bytes:
    """Nothing but literals: the table is cleared before codes need a tenth bit."""
    codes: list[int] = []
    for at in range(0, len(data), 250):
        codes += [_CLEAR, *data[at : at + 250]]
    bits = "".join(f"{code:09b}" for code in [*codes, _END])
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
