"""JPEGs with bytes between their segments that belong nowhere, and without their end, as decoders show them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from corpus.cases import DAMAGED, UNKNOWN, Case, Pixels, Refused
from corpus.making import QUARTERS, encode, jpeg_segment, quartered, with_bytes, with_segments
from corpus.turned import turned

FOUR = Pixels((48, 32), QUARTERS, 40)
END = b"\xff\xd9"
PLACES = {"APP0": 0xE0, "EXIF": 0xE1, "DQT": 0xDB, "SOF": 0xC0, "DHT": 0xC4, "SOS": 0xDA}
STRAY = {
    "a byte": b"\x12",
    "7 bytes": b"\x01\x80stray",
    "zeros": bytes(16),
    "FF 00": b"\xff\x00",
    "FF 00 among others": b"ab\xff\x00cd\xff\x00\x00",
    "FF that fill": b"\xff" * 9,
    "markers without a segment": b"\xff\xd0\xff\xd7\xff\x01",
    "9000 bytes": b"stray bytes" * 818 + b"\xff\x00",
}


def cases() -> Iterator[Case]:
    for place in PLACES:
        for name, stray in STRAY.items():
            yield Case(f"JPEG, turned, with {name} before {place}", partial(_strewn, place, stray), FOUR, ".jpg")
    for name, stray in STRAY.items():
        yield Case(f"JPEG with {name} everywhere", partial(_strewn_everywhere, stray), FOUR, ".jpg")
    progressive = partial(encode, quartered(), "JPEG", progressive=True)
    yield Case("JPEG progressive with a stray byte", lambda: insert(progressive(), 0xC2, b"\x07"), FOUR, ".jpg")
    yield Case("JPEG with a comment that holds a JPEG", _nested, FOUR, ".jpg")
    yield Case("JPEG with a component of no samples", partial(_bad_frame, 11, 0), Refused(UNKNOWN), ".jpg")
    yield Case("JPEG with more components than it names", partial(_bad_frame, 9, 4), Refused(UNKNOWN), ".jpg")
    yield from _ends()


def insert(jpeg: bytes, marker: int, stray: bytes) -> bytes:
    """A JPEG with other bytes before its first segment of a kind."""
    at = next(at for at, found in segments(jpeg) if found == marker)
    return jpeg[:at] + stray + jpeg[at:]


def segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Where each segment up to the first scan begins, and its marker."""
    at = 2
    while True:
        yield at, jpeg[at + 1]
        if jpeg[at + 1] == 0xDA:
            return
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")


def _strewn(place: str, stray: bytes) -> bytes:
    return insert(turned("JPEG", 6), PLACES[place], stray)


def _strewn_everywhere(stray: bytes) -> bytes:
    jpeg = turned("JPEG", 8)
    for at in sorted((at for at, _ in segments(jpeg)), reverse=True):
        jpeg = jpeg[:at] + stray + jpeg[at:]
    return jpeg


def _nested() -> bytes:
    return with_segments(turned("JPEG", 3), jpeg_segment(0xFE, encode(quartered("CMYK"), "JPEG")))


def _ends() -> Iterator[Case]:
    whole = partial(turned, "JPEG", 6)
    for name, make in (
        ("without its end", lambda: whole()[:-2]),
        ("with half its end", lambda: whole()[:-1]),
        ("with zeros for its end", lambda: whole()[:-2] + bytes(5000)),
        ("with other bytes for its end", lambda: whole()[:-2] + b"no end"),
        ("with other bytes behind its end", lambda: whole() + b"behind\xff\xd8\xff" * 99),
        ("with a second photo behind it", lambda: whole() + encode(quartered("L"), "JPEG")),
        ("with stray bytes and without its end", lambda: insert(whole(), 0xDB, b"\xff\x00stray")[:-2]),
        ("restarted at every block, without its end", lambda: _restarted()[:-2]),
    ):
        yield Case(f"JPEG {name}", make, FOUR, ".jpg")
    for name, make in (
        ("without the last 40 bytes", lambda: whole()[:-40]),
        ("that ends where its pixels begin", lambda: whole()[: whole().index(b"\xff\xda") + 14]),
        ("progressive, without its end", lambda: encode(quartered(), "JPEG", progressive=True)[:-2]),
    ):
        yield Case(f"JPEG {name}", make, Refused(DAMAGED), ".jpg")


def _bad_frame(at: int, value: int) -> bytes:
    """Another byte in the header that says how the pixels are stored."""
    jpeg = encode(quartered(), "JPEG")
    return with_bytes(jpeg, jpeg.index(b"\xff\xc0") + at, bytes([value]))


def _restarted() -> bytes:
    return encode(quartered(), "JPEG", restart_marker_blocks=1)
