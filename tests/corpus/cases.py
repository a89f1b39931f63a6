"""What a case is, and all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from captioner.errors import PhotoError
from captioner.photo import open_photo

Colour = tuple[int, int, int]
UNKNOWN = "cannot be recognised: use a complete JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file"
DAMAGED = "is damaged or incomplete: save or download it again and try again"


@dataclass(frozen=True)
class Pixels:
    """The photo opens.

    Attributes:
        size: (width, height), upright.
        colours: of the centres of its quarters: top left, top right, bottom left, bottom right.
        tolerance: how far a channel may be off.
    """

    size: tuple[int, int]
    colours: tuple[Colour, Colour, Colour, Colour]
    tolerance: int = 0

    def objection(self, photo: Image.Image) -> str | None:
        """What is wrong with a photo, None when nothing is."""
        if (photo.mode, photo.size, photo.info) != ("RGB", self.size, {}):
            return f"mode {photo.mode}, size {photo.size}, metadata {photo.info}"
        width, height = photo.size
        places = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
        for place, colour in zip(places, self.colours, strict=True):
            got = photo.getpixel(place)
            assert isinstance(got, tuple)
            if any(abs(int(a) - b) > self.tolerance for a, b in zip(got, colour, strict=True)):
                return f"expected {colour} at {place}, got {got}"
        return None


@dataclass(frozen=True)
class Refused:
    """One sentence, which ends in `ending`, a regular expression."""

    ending: str

    def objection(self, message: str) -> str | None:
        """What is wrong with a message, None when nothing is."""
        if "\n" in message or not re.search(f"(?:^|[ ;])(?:{self.ending})$", message):
            return f"expected {self.ending!r}, got {message!r}"
        return None


@dataclass(frozen=True)
class Case:
    """One file.

    Attributes:
        name: unlike all others.
        make: its bytes, the same at every call.
        expected: what must come of it, by every door.
        ending: of the file name.
    """

    name: str
    make: Callable[[], bytes]
    expected: Pixels | Refused
    ending: str = ".bin"

    def objection(self, outcome: Image.Image | str) -> str | None:
        """What is wrong with a photo or a message, None when nothing is."""
        if isinstance(self.expected, Pixels):
            return outcome if isinstance(outcome, str) else self.expected.objection(outcome)
        return self.expected.objection(outcome) if isinstance(outcome, str) else f"opened: {outcome.size}"


def open_or_explain(source: bytes) -> Image.Image | str:
    """The photo, or what a PhotoError says; anything else is a fault."""
    try:
        return open_photo(source)
    except PhotoError as problem:
        return str(problem)


def all_cases() -> dict[str, Case]:
    """Every case by name."""
    from corpus import bmps, bombs, damage, formats, jpegs, large, metadata, shapes, strangers, tiffs, turned

    rooms = (formats, bmps, jpegs, tiffs, turned, shapes, metadata, bombs, large, damage, strangers)
    cases = [case for room in rooms for case in room.cases()]
    named = {case.name: case for case in cases}
    assert len(named) == len(cases), [name for name, number in Counter(c.name for c in cases).items() if number > 1]
    return named
