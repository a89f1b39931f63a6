"""Small files that promise large photos."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial

from corpus.cases import DAMAGED, UNKNOWN, Case, Pixels, Refused
from corpus.large import too_many
from corpus.making import RED, encode, plain, plain_tiff, png_chunk, raw_png, with_bytes


def cases() -> Iterator[Case]:
    yield from _headers()
    yield from _contents()


def _claim(kind: str, place: Callable[[bytes], int], layout: str, *size: int) -> Callable[[], bytes]:
    """A file of one colour whose header has another size."""

    def make() -> bytes:
        data = encode(plain("P" if kind == "GIF" else "RGB", 0), kind)
        return with_bytes(data, place(data), struct.pack(layout, *size))

    return make


def _frame(jpeg: bytes) -> int:
    """Where a JPEG's height and width stand."""
    return jpeg.index(b"\xff\xc0") + 5


def _extent(file: bytes) -> int:
    """Where the width and height of an AVIF or HEIC stand."""
    return file.index(b"ispe") + 8


def _headers() -> Iterator[Case]:
    for width, height in ((30_000, 30_000), (12_000, 12_000), (8000, 5001), (2**31 - 1, 2**31 - 1)):
        yield Case(
            f"PNG that promises {width} x {height}",
            partial(raw_png, width, height),
            Refused(rf"is {width} x {height} pixels; {too_many()}"),
            ".png",
        )
    for kind, make, megapixels in (
        ("JPEG", _claim("JPEG", _frame, ">HH", 65_000, 64_000), 200),
        ("GIF", _claim("GIF", lambda _: 6, "<HH", 60_000, 50_000), 40),
        ("BMP", _claim("BMP", lambda _: 18, "<ii", 100_000, 100_000), 40),
        ("BMP upside down", _claim("BMP", lambda _: 18, "<ii", 100_000, -100_000), 40),
        ("WebP", _claim("WEBP", lambda _: 26, "<HH", 16_383, 16_000), 22),
        ("TIFF", lambda: _resized_tiff(60_000, 60_000), 40),
    ):
        yield Case(f"{kind} that promises too much", make, Refused(rf"pixels; {too_many(megapixels)}"))
    for kind in ("AVIF", "HEIF"):
        for name, size in (("too much", (30_000, 30_000)), ("nothing", (0, 0))):
            yield Case(
                f"{kind} that promises {name}",
                _claim(kind, _extent, ">II", *size),
                Refused(f"{UNKNOWN}|{DAMAGED}|{too_many(50)}"),
                f".{kind.lower()}",
            )
    yield Case(
        "PNG that promises nothing", lambda: raw_png(0, 0), Refused(rf"{UNKNOWN}|use a larger one and try again")
    )
    yield Case("GIF whose frame is larger than its screen", _large_frame, Refused(rf"pixels; {too_many()}"), ".gif")


def _resized_tiff(width: int, height: int) -> bytes:
    data = plain_tiff([])
    data = data.replace(struct.pack("<HHII", 256, 4, 1, 20), struct.pack("<HHII", 256, 4, 1, width))
    return data.replace(struct.pack("<HHII", 257, 4, 1, 10), struct.pack("<HHII", 257, 4, 1, height))


def _large_frame() -> bytes:
    data = encode(plain("P", 0), "GIF")
    return with_bytes(data, data.index(b"\x2c", 13) + 5, struct.pack("<HH", 7000, 7000))


def _contents() -> Iterator[Case]:
    """The header is honest; what is behind it is not."""
    red = Pixels((20, 10), (RED,) * 4)
    yield Case("PNG whose pixels unpack to 100 MB", _packed_png, red, ".png")
    yield Case("PNG of 40 megapixels without any", lambda: raw_png(8000, 5000), Refused(DAMAGED), ".png")
    yield Case("TIFF whose strip is not there", lambda: _moved_strip(4_000_000_000), Refused(DAMAGED), ".tif")
    yield Case("TIFF of 40 megapixels in 200 bytes", lambda: _resized_tiff(8000, 5000), Refused(DAMAGED), ".tif")
    yield Case("BMP of 40 megapixels without any", _claim("BMP", lambda _: 18, "<ii", 8000, 5000), Refused(DAMAGED))


def _packed_png() -> bytes:
    rows = (b"\0" + bytes(RED) * 20) * 10 + bytes(100_000_000)
    whole = raw_png(20, 10)
    empty = png_chunk(b"IDAT", zlib.compress(b""))
    return whole.replace(empty, png_chunk(b"IDAT", zlib.compress(rows, 1)))


def _moved_strip(place: int) -> bytes:
    data = plain_tiff([])
    at = next(at for at in range(10, 200, 12) if data[at : at + 2] == struct.pack("<H", 273))
    return with_bytes(data, at + 8, struct.pack("<I", place))
