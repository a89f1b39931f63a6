"""Every kind of file that is read, in every mode it has."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from corpus.cases import Case, Colour, Pixels
from corpus.making import BLUE, QUARTERS, RED, WHITE, animate, encode, plain, png_chunk, quartered, raw_png

SIZE = (48, 32)
GREYS: tuple[Colour, Colour, Colour, Colour] = ((76,) * 3, (150,) * 3, (29,) * 3, WHITE)  # of the quarters
BLACK_WHITE: tuple[Colour, Colour, Colour, Colour] = ((0,) * 3, WHITE, (0,) * 3, WHITE)


def cases() -> Iterator[Case]:
    yield from _four_colours()
    yield from _greys()
    yield from _clear()
    yield from _one_colour()
    yield from _deep()


def _case(name: str, make: Callable[[], bytes], expected: Pixels) -> Case:
    return Case(name, make, expected, "." + name.split()[0].lower())


def _saved(mode: str, kind: str, **options: Any) -> Callable[[], bytes]:
    return lambda: encode(quartered(mode), kind, **options)


def _four_colours() -> Iterator[Case]:
    near = 40  # colours of a lossy file, away from edges
    for name, mode, kind, tolerance, options in (
        ("JPEG", "RGB", "JPEG", near, {}),
        ("JPEG 4:4:4", "RGB", "JPEG", 6, {"quality": 98, "subsampling": 0}),
        ("JPEG 4:2:2", "RGB", "JPEG", near, {"subsampling": 1}),
        ("JPEG progressive", "RGB", "JPEG", near, {"progressive": True}),
        ("JPEG optimised", "RGB", "JPEG", near, {"optimize": True}),
        ("JPEG restart markers", "RGB", "JPEG", near, {"restart_marker_blocks": 1}),
        ("JPEG of RGB", "RGB", "JPEG", 6, {"keep_rgb": True, "quality": 98}),
        ("JPEG CMYK", "CMYK", "JPEG", 6, {"quality": 98}),
        ("JPEG CMYK progressive", "CMYK", "JPEG", 6, {"quality": 98, "progressive": True}),
        ("JPEG of YCbCr", "YCbCr", "JPEG", near, {}),
        ("PNG", "RGB", "PNG", 0, {}),
        ("PNG uncompressed", "RGB", "PNG", 0, {"compress_level": 0}),
        ("PNG RGBA", "RGBA", "PNG", 0, {}),
        ("PNG palette", "P", "PNG", 0, {}),
        ("WebP", "RGB", "WEBP", 60, {}),
        ("WebP lossless", "RGB", "WEBP", 0, {"lossless": True}),
        ("WebP RGBA", "RGBA", "WEBP", 0, {"lossless": True}),
        ("GIF", "P", "GIF", 0, {}),
        ("GIF interlaced", "P", "GIF", 0, {"interlace": True}),
        ("BMP", "RGB", "BMP", 0, {}),
        ("BMP RGBA", "RGBA", "BMP", 0, {}),
        ("BMP palette", "P", "BMP", 0, {}),
        ("TIFF", "RGB", "TIFF", 0, {}),
        ("TIFF BigTIFF", "RGB", "TIFF", 0, {"big_tiff": True}),
        ("TIFF LZW", "RGB", "TIFF", 0, {"compression": "tiff_lzw"}),
        ("TIFF deflate", "RGB", "TIFF", 0, {"compression": "tiff_adobe_deflate"}),
        ("TIFF PackBits", "RGB", "TIFF", 0, {"compression": "packbits"}),
        ("TIFF JPEG", "RGB", "TIFF", 60, {"compression": "jpeg"}),
        ("TIFF RGBA", "RGBA", "TIFF", 0, {}),
        ("TIFF palette", "P", "TIFF", 0, {}),
        ("TIFF CMYK", "CMYK", "TIFF", 0, {}),
        ("HEIC", "RGB", "HEIF", 6, {}),
        ("HEIC 4:2:0", "RGB", "HEIF", 60, {"chroma": 420, "quality": 90}),
        ("HEIC RGBA", "RGBA", "HEIF", 6, {}),
        ("AVIF", "RGB", "AVIF", 60, {}),
        ("AVIF 4:4:4", "RGB", "AVIF", 12, {"quality": 100, "subsampling": "4:4:4"}),
        ("AVIF RGBA", "RGBA", "AVIF", 60, {}),
    ):
        yield _case(name, _saved(mode, kind, **options), Pixels(SIZE, QUARTERS, tolerance))


def _greys() -> Iterator[Case]:
    for name, kind, tolerance in (
        ("JPEG grey", "JPEG", 6),
        ("PNG grey", "PNG", 0),
        ("BMP grey", "BMP", 0),
        ("GIF grey", "GIF", 0),
        ("TIFF grey", "TIFF", 0),
        ("HEIC grey", "HEIF", 6),
        ("AVIF grey", "AVIF", 12),
    ):
        yield _case(name, _saved("L", kind), Pixels(SIZE, GREYS, tolerance))
    for name, kind in (("PNG grey and alpha", "PNG"), ("TIFF grey and alpha", "TIFF")):
        yield _case(name, _saved("LA", kind), Pixels(SIZE, GREYS))
    for kind, options in (
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "group4"}),
        ("TIFF", {"compression": "group3"}),
    ):
        name = f"{kind} 1-bit {options.get('compression', '')}".strip()
        yield _case(name, partial(encode, _one_bit(), kind, **options), _black_white())


def _one_bit() -> Image.Image:
    """Black left, white right."""
    columns = np.tile(np.arange(48) >= 24, (32, 1))
    return Image.fromarray(columns)


def _black_white() -> Pixels:
    return Pixels(SIZE, BLACK_WHITE)


def _uniform(colour: Colour, tolerance: int = 0, size: tuple[int, int] = (20, 10)) -> Pixels:
    return Pixels(size, (colour,) * 4, tolerance)


def _clear() -> Iterator[Case]:
    """Transparent parts become white, half of them half."""
    for name, make, colour, tolerance in (
        ("PNG half red", lambda: encode(plain("RGBA", (255, 0, 0, 128)), "PNG"), (255, 127, 127), 1),
        ("WebP half red", lambda: encode(plain("RGBA", (255, 0, 0, 128)), "WEBP", lossless=True), (255, 127, 127), 1),
        ("TIFF half red", lambda: encode(plain("RGBA", (255, 0, 0, 128)), "TIFF"), (255, 127, 127), 1),
        ("AVIF half red", lambda: encode(plain("RGBA", (255, 0, 0, 128)), "AVIF"), (255, 127, 127), 12),
        ("HEIC half red", lambda: encode(plain("RGBA", (255, 0, 0, 128)), "HEIF"), (255, 127, 127), 6),
        ("PNG wholly clear", lambda: encode(plain("RGBA", (9, 9, 9, 0)), "PNG"), WHITE, 0),
        ("PNG half black of grey", lambda: encode(plain("LA", (0, 128)), "PNG"), (127, 127, 127), 1),
        ("PNG clear palette entry", lambda: encode(_palette(1), "PNG", transparency=1), WHITE, 0),
        ("PNG another clear palette entry", lambda: encode(_palette(1), "PNG", transparency=0), RED, 0),
        ("PNG half palette entry", lambda: encode(_palette(1), "PNG", transparency=b"\xff\x80"), (255, 127, 127), 1),
        ("PNG clear colour", lambda: encode(plain("RGB", RED), "PNG", transparency=RED), WHITE, 0),
        ("PNG clear grey", lambda: encode(plain("L", 70), "PNG", transparency=70), WHITE, 0),
        ("GIF clear palette entry", lambda: encode(_palette(1), "GIF", transparency=1), WHITE, 0),
        ("TIFF palette and alpha", lambda: encode(_palette_alpha(), "TIFF"), WHITE, 0),
    ):
        yield _case(name, make, _uniform(colour, tolerance))


def _palette(entry: int) -> Image.Image:
    """Black and red; all pixels are one of them."""
    image = Image.new("P", (20, 10), entry)
    image.putpalette([0, 0, 0, 255, 0, 0])
    return image


def _palette_alpha() -> Image.Image:
    image = _palette(1).convert("RGBA").convert("PA")
    image.putalpha(0)
    return image


def _one_colour() -> Iterator[Case]:
    for name, make, colour, tolerance in (
        ("TIFF LAB", lambda: encode(plain("LAB", (255, 128, 128)), "TIFF"), WHITE, 2),
        ("JPEG MPO", lambda: animate("MPO", quality=95), RED, 3),
        ("GIF animated", lambda: animate("GIF"), RED, 0),
        ("GIF of 300 frames", _long_gif, RED, 0),
        ("WebP animated", lambda: animate("WEBP", lossless=True), RED, 0),
        ("PNG animated", lambda: animate("PNG"), RED, 0),
        ("AVIF animated", lambda: animate("AVIF"), RED, 12),
        ("TIFF of several pages", lambda: animate("TIFF"), RED, 0),
        ("PNG grey of 1 bit", lambda: raw_png(20, 10, 1, 0, b"\xff\xff\xf0"), WHITE, 0),
        ("PNG grey of 2 bits", lambda: raw_png(20, 10, 2, 0, b"\x55" * 5), (85, 85, 85), 0),
        ("PNG grey of 4 bits", lambda: raw_png(20, 10, 4, 0, b"\x77" * 10), (119, 119, 119), 0),
        ("BMP from top to bottom", _top_down_bmp, BLUE, 0),
    ):
        yield _case(name, make, _uniform(colour, tolerance))


def _long_gif() -> bytes:
    blue, black = plain("RGB", BLUE), plain("RGB", 0)
    return encode(plain("RGB", RED), "GIF", save_all=True, append_images=[blue, black] * 150)


def _top_down_bmp() -> bytes:
    data = bytearray(encode(plain("RGB", BLUE), "BMP"))
    struct.pack_into("<i", data, 22, -10)
    return bytes(data)


def _rows(values: Sequence[float], kind: type[np.generic]) -> Image.Image:
    """Ten rows: each value five columns wide."""
    return Image.fromarray(np.tile(np.repeat(np.asarray(values, dtype=kind), 5), (10, 1)))


def _deep() -> Iterator[Case]:
    grey16, grey32, real = np.uint16, np.int32, np.float32
    for name, kind, numbers, values, expected in (
        ("PNG 16-bit grey", "PNG", grey16, [0, 13759, 13759, 65535], [54, 65535 // 257]),
        ("TIFF 16-bit grey", "TIFF", grey16, [0, 13759, 13759, 65535], [54, 255]),
        ("TIFF 32-bit grey of 8", "TIFF", grey32, [0, 200, 7, 100], [200, 100]),
        ("TIFF 32-bit grey of 16", "TIFF", grey32, [0, 13759, 7, 65535], [54, 255]),
        ("TIFF 32-bit grey beyond", "TIFF", grey32, [-100_000, 0, 0, 100_000], [128, 255]),
        ("TIFF real 0 to 1", "TIFF", real, [0, 0.5, 0, 1], [128, 255]),
        ("TIFF real 0 to 255", "TIFF", real, [0, 100, 0, 255], [100, 255]),
        ("TIFF real negative", "TIFF", real, [-1, 0, 0, 1], [128, 255]),
        ("TIFF real not a number", "TIFF", real, [0, math.nan, 0, 1], [0, 255]),
        ("TIFF real infinite", "TIFF", real, [-math.inf, 0.2, 0.2, math.inf], [51, 51]),
        ("TIFF real huge", "TIFF", real, [-3e38, 0, 0, 3e38], [128, 255]),
    ):
        left, right = ((value,) * 3 for value in expected)
        make = partial(encode, _rows(values, numbers), kind)
        yield _case(name, make, Pixels((20, 10), (left, right) * 2))
    deep = struct.pack(">HHH", 13759, 65535, 0) * 20
    yield _case("PNG 16-bit RGB", lambda: raw_png(20, 10, 16, 2, deep), _uniform((53, 255, 0)))
    clear = struct.pack(">HHHH", 65535, 0, 0, 0) * 20
    yield _case(
        "PNG palette of 2 bits", partial(encode, quartered().quantize(4), "PNG", bits=2), Pixels(SIZE, QUARTERS)
    )
    yield _case("PNG 16-bit RGBA", lambda: raw_png(20, 10, 16, 6, clear), _uniform(WHITE))
    half = struct.pack(">HH", 0, 32768) * 20
    yield _case("PNG 16-bit grey and alpha", lambda: raw_png(20, 10, 16, 4, half), _uniform((127, 127, 127), 1))
    yield from _clear_deep()
    big_endian = plain("I;16B", 13759)
    yield _case("TIFF 16-bit grey big-endian", lambda: encode(big_endian, "TIFF"), _uniform((54, 54, 54)))


def _clear_deep() -> Iterator[Case]:
    """The left half has the colour that is clear, the right half another."""
    for name, depth, colour_type, clear, other, right in (
        ("grey of 1 bit", 1, 0, (0,), (1,), WHITE),
        ("grey of 2 bits", 2, 0, (1,), (2,), (170,) * 3),
        ("grey of 4 bits", 4, 0, (7,), (9,), (153,) * 3),
        ("grey of 16 bits", 16, 0, (13_759,), (40_092,), (156,) * 3),
        ("RGB of 16 bits", 16, 2, (13_759, 65_535, 0), (40_092, 65_535, 0), (156, 255, 0)),
    ):
        bits = "".join(f"{number:0{depth}b}" for number in clear * 10 + other * 10)
        row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        extra = png_chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear))
        make = partial(raw_png, 20, 10, depth, colour_type, row, extra)
        yield _case(f"PNG clear colour, {name}", make, Pixels((20, 10), (WHITE, right) * 2))
