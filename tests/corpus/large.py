"""Photos as large as are accepted, in the ways that take most memory, and larger ones.

Large JPEGs are written as their codes: all blocks are alike, so they are the same bits again and again.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial

from PIL import Image

from corpus.cases import DAMAGED, Case, Colour, Pixels, Refused
from corpus.making import RED, encode, plain, with_bytes

GREY: Colour = (128, 128, 128)
WHITE: Colour = (255, 255, 255)
SENSOR_200, SENSOR_50, FORTY, MOST_WEBP = (16_384, 12_288), (8192, 6144), (8000, 5000), (5500, 4000)


def too_many(megapixels: int = 40) -> str:
    """How a message ends that tells of too many pixels."""
    return rf"at most {megapixels} megapixels are accepted: make it smaller and try again"


def cases() -> Iterator[Case]:
    """The names have "megapixels" in them, by which other tests leave these out."""
    yield from _jpegs()
    yield from _coded()
    for name, make, size in (
        ("PNG RGBA of 40 megapixels", lambda: _fast_png("RGBA", FORTY), FORTY),
        ("PNG 16-bit of 40 megapixels", lambda: _fast_png("I;16", FORTY), FORTY),
        ("TIFF of 40 megapixels in one strip", lambda: _one_strip("RGB", FORTY), FORTY),
        (
            "WebP of 22 megapixels",
            lambda: encode(plain("RGB", WHITE, (5500, 4000)), "WEBP", lossless=True),
            (5500, 4000),
        ),
    ):
        yield Case(name, make, Pixels(size, (WHITE,) * 4))


def _jpegs() -> Iterator[Case]:
    for name, size, made, scale in (
        ("of 40 megapixels", FORTY, {}, 2),
        ("of 50 megapixels", (8160, 6120), {}, 2),
        ("of 108 megapixels", (12_000, 9008), {}, 4),
        ("of 200 megapixels", SENSOR_200, {}, 4),
        ("of 200 megapixels, upright", SENSOR_200[::-1], {}, 4),
        ("progressive of 50 megapixels", SENSOR_50, {"progressive": True}, 2),
        ("progressive of 50 megapixels, 4:4:4", SENSOR_50, {"progressive": True, "sampling": 0x11}, 2),
        ("progressive of 108 megapixels", (12_000, 9008), {"progressive": True}, 4),
        ("in scans of 50 megapixels", SENSOR_50, {"scans": True}, 2),
    ):
        expected = Pixels((size[0] // scale, size[1] // scale), (GREY,) * 4)
        yield Case(f"JPEG {name}", partial(grey_jpeg, size, **made), expected, ".jpg")
    for name, size, made, most in (
        ("of 202 megapixels", (16_384, 12_304), {}, 200),
        ("progressive of 128 megapixels", (14_144, 9056), {"progressive": True}, 110),
        ("progressive of 64 megapixels, 4:4:4", (9248, 6944), {"progressive": True, "sampling": 0x11}, 59),
    ):
        yield Case(f"JPEG {name}", partial(grey_jpeg, size, **made), Refused(rf"pixels; {too_many(most)}"), ".jpg")
    for megapixels, (width, height) in ((60, (8000, 7500)), (200, SENSOR_200)):
        yield Case(
            f"JPEG of {megapixels} megapixels in 600 bytes", partial(_claim, "RGB", width, height), Refused(DAMAGED)
        )
    yield Case("JPEG CMYK, progressive, of 40 megapixels in 600 bytes", _claim_cmyk, Refused(DAMAGED), ".jpg")


def _claim(mode: str, width: int, height: int) -> bytes:
    data = encode(plain(mode, 0), "JPEG")
    return with_bytes(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def _claim_cmyk() -> bytes:
    data = encode(plain("CMYK", 0), "JPEG", progressive=True)
    return with_bytes(data, data.index(b"\xff\xc2") + 5, struct.pack(">HH", 5000, 8000))


def grey_jpeg(size: tuple[int, int], *, progressive: bool = False, sampling: int = 0x22, scans: bool = False) -> bytes:
    """Mid-grey, whose coefficients are all 0: with the standard's tables a luminance block is the bits 00 1010, a block
    of colour 00 00, and progressive ones 00 alone.

    Args:
        size: multiples of 16.
        sampling: of luminance, 0x22 for colours at half the width and height, 0x11 for all of them.
        scans: one for each component.
    """
    small = encode(plain("RGB", GREY, (16, 16)), "JPEG", subsampling=0)
    tables = small[2 : small.index(b"\xff\xc0")] + small[small.index(b"\xff\xc4") : small.index(b"\xff\xda")]
    components = b"\1" + bytes([sampling]) + b"\0\2\x11\1\3\x11\1"
    frame = struct.pack(">HBHHB", 17, 8, size[1], size[0], 3) + components
    start = b"\xff\xd8" + tables + (b"\xff\xc2" if progressive else b"\xff\xc0") + frame
    units = size[0] * size[1] // (256 if sampling == 0x22 else 64)
    lights = 4 if sampling == 0x22 else 1
    light, colour = ("00", "00") if progressive else ("001010", "0000")
    if scans:
        parts = ((b"\1\0", light, units * lights), (b"\2\x11", colour, units), (b"\3\x11", colour, units))
        return start + b"".join(_scan(*part) for part in parts) + b"\xff\xd9"
    return start + _scan(b"\1\0\2\x11\3\x11", light * lights + colour * 2, units, progressive) + b"\xff\xd9"


def _scan(components: bytes, unit: str, units: int, progressive: bool = False) -> bytes:
    last = b"\0\0\0" if progressive else b"\0\x3f\0"  # the first coefficient alone, or all of them
    header = struct.pack(">HB", 6 + len(components), len(components) // 2) + components + last
    return b"\xff\xda" + header + _bytes_of(unit * 8) * (units // 8) + _bytes_of(unit * (units % 8))


def _bytes_of(bits: str) -> bytes:
    return bytes(int(bits[at : at + 8].ljust(8, "1"), 2) for at in range(0, len(bits), 8))


def _coded() -> Iterator[Case]:
    """HEIC and AVIF as phones write them are read; what takes more memory is not."""
    fast = {"chroma": 420, "quality": 50, "enc_params": {"preset": "ultrafast"}}
    for name, make in (
        ("HEIC", lambda: encode(plain("RGB", RED, SENSOR_50), "HEIF", **fast)),
        ("AVIF", lambda: encode(plain("RGB", RED, SENSOR_50), "AVIF", speed=10)),
    ):
        yield Case(f"{name} of 50 megapixels", make, Pixels((4096, 3072), (RED,) * 4, 12), f".{name.lower()}")
    small, clear = plain("RGB", RED, (64, 64)), plain("RGBA", (*RED, 9), (64, 64))
    for name, make, size, most in (
        ("HEIC of 50 megapixels, 4:4:4", lambda: encode(small, "HEIF"), SENSOR_50, 42),
        ("AVIF of 50 megapixels, 4:4:4", lambda: encode(small, "AVIF", subsampling="4:4:4"), SENSOR_50, 28),
        ("AVIF of 50 megapixels and alpha", lambda: encode(clear, "AVIF"), SENSOR_50, 36),
        ("AVIF of 55 megapixels", lambda: encode(small, "AVIF"), (9000, 6144), 50),
    ):
        expected = Refused(rf"pixels; {too_many(most)}")
        yield Case(name, partial(_claim_extent, make, size), expected, f".{name.split()[0].lower()}")


def _claim_extent(make: Callable[[], bytes], size: tuple[int, int]) -> bytes:
    """A small file with another size in its header."""
    extent = struct.pack(">II", 64, 64)
    return make().replace(b"ispe\0\0\0\0" + extent, b"ispe\0\0\0\0" + struct.pack(">II", *size))


def _fast_png(mode: str, size: tuple[int, int]) -> bytes:
    brightest = {"RGBA": (255,) * 4, "I;16": 65_535}[mode]
    return encode(plain(mode, brightest, size), "PNG", compress_level=1)


def _one_strip(mode: str, size: tuple[int, int]) -> bytes:
    white: Image.Image = plain(mode, (255,) * len(mode), size)
    return encode(white, "TIFF", compression="tiff_lzw", strip_size=1 << 28)
