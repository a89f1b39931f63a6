"""Files from Pillow, and files written byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUARTERS = (RED, GREEN, BLUE, WHITE)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file of this kind."""
    buffer = io.BytesIO()
    if kind == "HEIF":
        pillow_heif.from_pillow(image).save(buffer, **{"quality": -1, "chroma": 444, **options})
    else:
        image.save(buffer, kind, **options)
    return buffer.getvalue()


def plain(mode: str, colour: Any, size: tuple[int, int] = (20, 10)) -> Image.Image:
    return Image.new(mode, size, colour)


def quarters(width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """Red top left, green top right, blue bottom left, white bottom right: (height, width, 3)."""
    upright = np.full((height, width, 3), 255, dtype=np.uint8)
    y, x = height // 2, width // 2
    upright[:y, :x], upright[:y, x:], upright[y:, :x] = RED, GREEN, BLUE
    return upright


def quartered(mode: str = "RGB") -> Image.Image:
    """A photo of four colours, in another mode."""
    return Image.fromarray(quarters()).convert(mode)


def noise(width: int = 40, height: int = 24) -> Image.Image:
    """The same noise at every call."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def store(upright: NDArray[np.uint8], orientation: int) -> Image.Image:
    """As a camera writes it: the EXIF standard says where the stored first row and first column belong."""
    turned = upright.transpose(1, 0, 2)
    stored = {
        1: upright,  # first row on top, first column left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: turned,  # left, top
        6: turned[::-1],  # right, top
        7: turned[::-1, ::-1],  # right, bottom
        8: turned[:, ::-1],  # left, bottom
    }
    return Image.fromarray(np.ascontiguousarray(stored[orientation]))


def animate(kind: str, **options: Any) -> bytes:
    """A red frame, then a blue one."""
    return encode(plain("RGB", RED), kind, save_all=True, append_images=[plain("RGB", BLUE)], **options)


def with_bytes(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(
    width: int, height: int, depth: int = 8, colour_type: int = 2, row: bytes = b"", extra: bytes = b""
) -> bytes:
    """A PNG written by hand, whose header may promise more than its rows hold."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    rows = (b"\0" + row) * (height if row else 0)
    parts = png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def jpeg_segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments at its beginning."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def raw_tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: (tag, type, count, value or where it lies); then the tail."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + tail


def plain_tiff(more: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """20 x 10 pixels of grey 70, and more tags."""
    own = [(256, 4, 1, 20), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (278, 4, 1, 10)]
    place = 8 + 2 + 12 * (len(own) + 2 + len(more)) + 4
    return raw_tiff([*own, (273, 4, 1, place), (279, 4, 1, 200), *more], bytes([70]) * 200 + tail)


def exif_bomb(tags: int, size: int) -> bytes:
    """EXIF whose every tag claims the same bytes: `tags` times `size` in all."""
    first = 8 + 2 + 12 * tags + 4
    entries = [(1000 + index, 7, size, first) for index in range(tags)]
    return raw_tiff(entries, bytes(size))
