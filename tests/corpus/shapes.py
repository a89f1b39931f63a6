"""Sizes at and beyond the limits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from corpus.cases import Case, Pixels, Refused
from corpus.making import WHITE, encode, plain

TOO_FEW = r"at least 8 pixels a side are needed: use a larger one and try again"
TOO_LONG = r"at most 20000 pixels a side are accepted: make it smaller and try again"
SMALL = ((1, 1), (1, 2000), (2000, 1), (7, 100), (100, 7))
KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF")


def cases() -> Iterator[Case]:
    for kind in KINDS:
        mode = "P" if kind == "GIF" else "RGB"
        for width, height in SMALL:
            yield Case(
                f"{kind} of {width} x {height}",
                partial(encode, plain(mode, 0, (width, height)), kind),
                Refused(rf"is {width} x {height} pixels; {TOO_FEW}"),
                f".{kind.lower()}",
            )
        for size in ((8, 8), (8, 2000), (2000, 8)):
            yield Case(
                f"{kind} of {size[0]} x {size[1]}",
                partial(encode, plain("L", 255, size), kind),
                Pixels(size, (WHITE,) * 4, 3),
                f".{kind.lower()}",
            )
    for kind in ("PNG", "TIFF", "JPEG"):
        for size in ((20_000, 8), (8, 20_000)):
            yield Case(
                f"{kind} of {size[0]} x {size[1]}",
                partial(encode, plain("L", 255, size), kind),
                Pixels(size, (WHITE,) * 4, 3),
            )
        yield Case(
            f"{kind} of 20001 x 8",
            partial(encode, plain("L", 255, (20_001, 8)), kind),
            Refused(rf"is 20001 x 8 pixels; {TOO_LONG}"),
        )
