"""Photos that lie on their side or are mirrored, and say so in their EXIF in all eight ways."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from PIL import Image

from corpus.cases import Case, Pixels
from corpus.making import QUARTERS, encode, quarters, store

ORIENTATION_TAG = 274
TOLERANCES = {"JPEG": 40, "PNG": 0, "WEBP": 60, "TIFF": 0, "HEIF": 6, "AVIF": 60}


def cases() -> Iterator[Case]:
    for kind, tolerance in TOLERANCES.items():
        for orientation in range(1, 9):
            yield Case(
                f"{kind} turned {orientation}",
                partial(turned, kind, orientation),
                Pixels((48, 32), QUARTERS, tolerance),
                f".{kind.lower()}",
            )
    for value in (0, 9, 65535):
        yield Case(
            f"JPEG turned in no way {value}",
            partial(encode, Image.fromarray(quarters()), "JPEG", exif=_exif(value)),
            Pixels((48, 32), QUARTERS, 40),
            ".jpg",
        )


def turned(kind: str, orientation: int) -> bytes:
    """The four colours, stored as a camera held in some way stores them."""
    return encode(store(quarters(), orientation), kind, exif=_exif(orientation))


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    return exif.tobytes()
