"""BMPs of 32 bits, whose fourth byte may be alpha, or nothing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import partial

import numpy as np

from corpus.cases import Case, Colour, Pixels
from corpus.making import BLUE, GREEN, QUARTERS, RED, WHITE, quarters

Four = tuple[Colour, Colour, Colour, Colour]
HEADERS = {"V3": 56, "V4": 108, "V5": 124}
HALF_RED: Colour = (255, 127, 127)


def cases() -> Iterator[Case]:
    pale: Four = (HALF_RED, (127, 255, 127), (127, 127, 255), WHITE)
    for name, length in HEADERS.items():
        for alpha, expected in (
            ((0, 0, 0, 0), QUARTERS),
            ((255, 255, 255, 255), QUARTERS),
            ((128, 128, 128, 128), pale),
            ((0, 255, 255, 255), (WHITE, GREEN, BLUE, WHITE)),
            ((0, 0, 0, 1), (WHITE, WHITE, WHITE, WHITE)),
            ((255, 0, 0, 0), (RED, WHITE, WHITE, WHITE)),
        ):
            make = partial(bmp, length, alpha)
            yield Case(f"BMP {name} with alpha {alpha}", make, Pixels((48, 32), expected, 1), ".bmp")
    for name, masks in (
        ("without masks", (0, 0, 0, 0)),
        ("of red first", (0xFF, 0xFF00, 0xFF0000, 0xFF000000)),
    ):
        make = partial(bmp, 124, (0, 0, 0, 0), masks)
        yield Case(f"BMP V5 {name} and alpha 0", make, Pixels((48, 32), QUARTERS), ".bmp")
    yield Case(
        "BMP of 32 bits without alpha", partial(bmp, 40, (0, 7, 0, 255), None), Pixels((48, 32), QUARTERS), ".bmp"
    )


def bmp(
    length: int,
    alpha: tuple[int, int, int, int],
    masks: tuple[int, int, int, int] | None = (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
) -> bytes:
    """The four colours, from top to bottom.

    Args:
        length: of the header that says how pixels lie.
        alpha: of the quarters.
        masks: of red, green, blue and alpha; None for a file without.
    """
    colours = quarters()  # (32, 48, 3)
    height, width, _ = colours.shape
    order = (0, 1, 2) if masks and masks[0] == 0xFF else (2, 1, 0)
    clear = np.empty((height, width, 1), dtype=np.uint8)
    for value, part in zip(alpha, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        clear[part[0] * 16 : part[0] * 16 + 16, part[1] * 24 : part[1] * 24 + 24] = value
    pixels = np.concatenate([colours[:, :, order], clear], axis=2).tobytes()
    header = struct.pack(
        "<IiiHHIIiiII", length, width, -height, 1, 32, 3 if masks else 0, len(pixels), 2835, 2835, 0, 0
    )
    header += struct.pack("<4I", *masks) if masks else b""
    start = 14 + length
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header.ljust(length, b"\0") + pixels
