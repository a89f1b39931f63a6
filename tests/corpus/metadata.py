"""Metadata that is large, broken, or made to be blown up; none of it touches the pixels.

Colour profiles are not applied: a photo's numbers are taken as they are.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial

from PIL import ImageCms

from corpus.cases import UNKNOWN, Case, Colour, Pixels, Refused
from corpus.making import (
    QUARTERS,
    RED,
    encode,
    exif_bomb,
    jpeg_segment,
    plain,
    plain_tiff,
    png_chunk,
    quartered,
    raw_png,
    with_segments,
)

TOLERANCES = {"JPEG": 40, "PNG": 0, "WEBP": 60, "TIFF": 0, "HEIF": 6, "AVIF": 60}
FOUR = (48, 32)
ONE = (20, 10)
GREY: Colour = (70, 70, 70)


def cases() -> Iterator[Case]:
    yield from _profiles()
    yield from _exif()
    yield from _jpeg()
    yield from _png()
    yield from _tiff()


def _profiles() -> Iterator[Case]:
    for kind, tolerance in TOLERANCES.items():
        for name, profile in (("sRGB", _srgb()), ("broken", b"no profile" * 50)):
            if name == "broken" and kind == "AVIF":
                continue  # the encoder itself refuses it
            yield Case(
                f"{kind} with a {name} colour profile",
                partial(encode, quartered(), kind, icc_profile=profile),
                Pixels(FOUR, QUARTERS, tolerance),
                f".{kind.lower()}",
            )
    red = Pixels(ONE, (RED,) * 4, 3)
    yield Case(
        "JPEG with a colour profile of 3 MB",
        lambda: encode(plain("RGB", RED), "JPEG", icc_profile=bytes(3_000_000), quality=95),
        red,
        ".jpg",
    )
    yield Case(
        "JPEG with a profile for other colours",
        lambda: encode(plain("RGB", RED), "JPEG", icc_profile=_lab(), quality=95),
        red,
        ".jpg",
    )


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def _exif() -> Iterator[Case]:
    for name, exif in (
        ("of nonsense", b"Exif\0\0nonsense"),
        ("that points outside", b"Exif\0\0II*\0\xff\xff\0\0"),
        ("that is cut off", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"),
        ("that points at itself", b"Exif\0\0II*\0\0\0\0\0"),
        ("of 65535 tags", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"),
        ("of an orientation as text", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0six\0\0\0\0\0"),
    ):
        for kind in ("JPEG", "PNG", "WEBP"):
            yield Case(
                f"{kind} with EXIF {name}",
                partial(encode, quartered(), kind, exif=exif),
                Pixels(FOUR, QUARTERS, TOLERANCES[kind]),
                f".{kind.lower()}",
            )
    for kind in ("JPEG", "PNG", "WEBP"):
        yield Case(
            f"{kind} with EXIF that claims 80 MB",
            partial(encode, quartered(), kind, exif=b"Exif\0\0" + exif_bomb(2500, 32_000)),
            Pixels(FOUR, QUARTERS, TOLERANCES[kind]),
            f".{kind.lower()}",
        )
    for kind in ("AVIF", "HEIF"):
        yield Case(
            f"{kind} with EXIF that claims 6 GB",
            partial(_armed, kind, 20_000, 300_000),
            Refused(UNKNOWN),
            f".{kind.lower()}",
        )
    yield Case("PNG with EXIF that claims 6 GB", _png_exif_bomb, Pixels(ONE, (RED,) * 4), ".png")
    yield Case("JPEG with EXIF in pieces that claims 6 GB", _jpeg_exif_bomb, Pixels(FOUR, QUARTERS, 40), ".jpg")


def _armed(kind: str, tags: int, size: int) -> bytes:
    """A file with such EXIF, which encoders would choke on: put in place of as many other bytes."""
    bomb = exif_bomb(tags, size)
    harmless = b"MM\0*\0\0\0\x08\0\0" + b"?" * (len(bomb) - 10)
    return encode(quartered(), kind, exif=harmless).replace(harmless, bomb)


def _png_exif_bomb() -> bytes:
    return raw_png(20, 10, row=bytes(RED) * 20, extra=png_chunk(b"eXIf", exif_bomb(20_000, 300_000)))


def _jpeg_exif_bomb() -> bytes:
    bomb = exif_bomb(20_000, 300_000)
    pieces = (bomb[at : at + 65_000] for at in range(0, len(bomb), 65_000))
    return with_segments(encode(quartered(), "JPEG"), *(jpeg_segment(0xE1, b"Exif\0\0" + piece) for piece in pieces))


def _jpeg() -> Iterator[Case]:
    four = Pixels(FOUR, QUARTERS, 40)
    for name, segments in (
        ("comments of 2 MB", [jpeg_segment(0xFE, bytes(65_000))] * 30),
        ("a comment that is a script", [jpeg_segment(0xFE, b"<?php system($_GET['c']); ?>")]),
        ("XMP of 2 MB", [jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + bytes(65_000))] * 30),
        ("broken Photoshop resources", [jpeg_segment(0xED, b"Photoshop 3.0\x008BIM" + b"\xff" * 40)]),
        ("a broken multi-picture index", [jpeg_segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff")]),
        ("all application segments", [jpeg_segment(0xE1 + n, b"x" * 9) for n in range(13)]),
        ("bytes that fill", [b"\xff" * 200]),
        ("an empty comment", [jpeg_segment(0xFE, b"")]),
    ):
        yield Case(
            f"JPEG with {name}",
            partial(with_segments, encode(quartered(), "JPEG"), *segments),
            four,
            ".jpg",
        )
    yield Case(
        "JPEG of a quarter of a million comments",
        lambda: with_segments(encode(quartered(), "JPEG"), jpeg_segment(0xFE, b"") * 250_000),
        Refused(UNKNOWN),
        ".jpg",
    )
    yield Case("GIF with a comment of 4 MB", _long_comment, Refused(UNKNOWN), ".gif")


def _long_comment() -> bytes:
    """Joined block by block, which takes the square of its length."""
    whole = encode(plain("P", 0), "GIF")
    at = 13 + 3 * (2 << (whole[10] & 7))  # behind the palette
    return whole[:at] + b"\x21\xfe" + (b"\xff" + bytes(255)) * 16_000 + b"\0" + whole[at:]


def _png() -> Iterator[Case]:
    red = Pixels(ONE, (RED,) * 4)
    for name, chunks in (
        ("a profile of 80 MB", lambda: png_chunk(b"iCCP", b"name\0\0" + _large())),
        ("compressed text of 80 MB", lambda: png_chunk(b"zTXt", b"name\0\0" + _large())),
        ("international text of 80 MB", lambda: png_chunk(b"iTXt", b"name\0\1\0\0\0" + _large())),
        ("text of 3 MB", lambda: png_chunk(b"tEXt", b"name\0" + b"x" * 3_000_000)),
        ("10000 texts", lambda: png_chunk(b"tEXt", b"name\0text") * 10_000),
        ("an unknown critical chunk", lambda: png_chunk(b"XXXX", b"x" * 50)),
        ("a broken gamma", lambda: png_chunk(b"gAMA", b"")),
        ("a chunk of a wrong checksum", lambda: png_chunk(b"tIME", b"1234567")[:-4] + b"\0\0\0\0"),
        ("a second header", lambda: png_chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))),
    ):
        yield Case(
            f"PNG with {name}",
            partial(_red_png, chunks),
            red,
            ".png",
        )
    yield Case(
        "PNG of a quarter of a million chunks",
        lambda: raw_png(20, 10, row=bytes(RED) * 20, extra=png_chunk(b"tEXt", b"") * 250_000),
        Refused(UNKNOWN),
        ".png",
    )


def _red_png(chunks: Callable[[], bytes]) -> bytes:
    return raw_png(20, 10, row=bytes(RED) * 20, extra=chunks())


@cache
def _large() -> bytes:
    return zlib.compress(bytes(80_000_000), 1)


def _tiff() -> Iterator[Case]:
    grey = Pixels(ONE, (GREY,) * 4)
    for name, make in (
        ("1000 tags that claim 1 GB", lambda: plain_tiff([(5000 + n, 7, 1_000_000, 8) for n in range(1000)])),
        ("layers of 3 MB", lambda: plain_tiff([(37724, 7, 3_000_000, 400)], bytes(3_000_000))),
        ("a palette of 1 GB", lambda: plain_tiff([(320, 3, 500_000_000, 8)])),
        ("an unknown type", lambda: plain_tiff([(700, 99, 7, 7)])),
        ("a directory after the first that is the first", lambda: _endless(plain_tiff([]))),
    ):
        yield Case(f"TIFF with {name}", make, grey, ".tif")
    yield Case("TIFF of 5000 tags", lambda: plain_tiff([(1000 + n, 3, 1, 0) for n in range(5000)]), Refused(UNKNOWN))
    yield Case("TIFF of a million strips", _many_strips, Refused(UNKNOWN), ".tif")


def _endless(tiff: bytes) -> bytes:
    count = struct.unpack_from("<H", tiff, 8)[0]
    at = 10 + 12 * count
    return tiff[:at] + struct.pack("<I", 8) + tiff[at + 4 :]


def _many_strips() -> bytes:
    data = bytearray(plain_tiff([], bytes(4_000_000)))
    for at in range(10, 10 + 12 * 8, 12):
        if struct.unpack_from("<H", data, at)[0] == 273:
            struct.pack_into("<HHII", data, at, 273, 3, 1_000_000, 8)
    return bytes(data)
