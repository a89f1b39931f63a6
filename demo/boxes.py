"""The boxes drawn on the example photos, to compare the maps and a class's guesses with."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.photo import open_photo

BOXES_FILE = Path(__file__).resolve().parent.parent / "assets" / "examples" / "boxes.json"

Box = list[float]  # left, top, right, bottom, each 0 to 1 of the photo's width or height
Boxes = dict[str, list[Box]]  # word -> where it is in the photo
Digest = tuple[tuple[int, int], str]  # a photo's size and a hash of its pixels


def boxes_of(photo: Image.Image) -> Boxes:
    """The boxes of a photo, found again by its pixels, whatever it is called; none when it is no example.

    Args:
        photo: upright, mode RGB, full size.

    Raises:
        ValueError: the boxes' file holds something that is no box.
    """
    known = _known_boxes()
    return known.get(_digest(photo), {}) if photo.size in {size for size, _ in known} else {}


def read_boxes(file: Path) -> dict[str, Boxes]:
    """Example photo (the file's name without its ending) -> its boxes; none when there is no such file.

    Raises:
        ValueError: something in it is no box.
    """
    if not file.exists():
        return {}
    found: Mapping[str, Mapping[str, list[Any]]] = json.loads(file.read_text(encoding="utf-8"))
    return {
        photo: {word: [_checked(box, f"{photo}, {word}") for box in boxes] for word, boxes in words.items()}
        for photo, words in found.items()
    }


def _checked(box: Any, place: str) -> Box:
    numbers = [float(number) for number in box]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{place}: expected a box of 4 numbers, got {box}")
    left, top, right, bottom = numbers
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ValueError(f"{place}: expected left < right and top < bottom from 0 to 1, got {box}")
    return numbers


@cache  # opening five small photos once
def _known_boxes() -> dict[Digest, Boxes]:
    photos = ((BOXES_FILE.with_name(f"{name}.jpg"), boxes) for name, boxes in read_boxes(BOXES_FILE).items())
    return {_digest(open_photo(path)): boxes for path, boxes in photos if path.exists()}


def _digest(photo: Image.Image) -> Digest:
    return photo.size, hashlib.sha256(photo.tobytes()).hexdigest()
