"""Files that broke on the way: cut off, overwritten, with something in front."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

from corpus.cases import DAMAGED, UNKNOWN, Case, Refused
from corpus.making import encode, noise

EMPTY = "is empty: choose another file and try again"
CUTS = 16
BROKEN = Refused(f"{EMPTY}|{UNKNOWN}|{DAMAGED}")
LONG_KINDS = ("JPEG", "JPEG progressive", "PNG", "GIF", "WebP", "TIFF", "TIFF LZW", "BMP", "HEIC", "AVIF")


@cache
def long_file(kind: str) -> bytes:
    """Noise, so that pixels are nearly all of the file."""
    if kind == "JPEG progressive":
        return encode(noise(), "JPEG", progressive=True)
    if kind == "TIFF LZW":
        return encode(noise(), "TIFF", compression="tiff_lzw")
    if kind == "GIF":
        return encode(noise().quantize(64), "GIF")
    return encode(noise(), {"HEIC": "HEIF", "WebP": "WEBP"}.get(kind, kind))


def cases() -> Iterator[Case]:
    for kind in LONG_KINDS:
        ending = "." + kind.split()[0].lower()
        for cut in range(CUTS):
            yield Case(f"{kind} cut at {cut}/{CUTS}", partial(_cut, kind, cut), BROKEN, ending)
        yield Case(f"{kind} of its first bytes again and again", partial(_repeated, kind), BROKEN, ending)
        yield Case(f"{kind} behind a line of text", partial(_behind_text, kind), Refused(UNKNOWN), ending)
        if kind not in ("WebP", "BMP"):  # to them zeros are pixels, too
            yield Case(f"{kind} whose end is zeros", partial(_zeroed, kind), BROKEN, ending)


def _cut(kind: str, sixteenths: int) -> bytes:
    whole = long_file(kind)
    return whole[: len(whole) * sixteenths // CUTS]


def _repeated(kind: str) -> bytes:
    return long_file(kind)[:12] * 500


def _behind_text(kind: str) -> bytes:
    return b"photo:\n" + long_file(kind)


def _zeroed(kind: str) -> bytes:
    whole = long_file(kind)
    return whole[:40].ljust(len(whole), b"\0")
