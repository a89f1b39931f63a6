"""What people marked in photos: boxes for the phrases of a caption, and boxes for labels.

The file is `phrase_boxes.json` beside `captions.json`, in the manner of Flickr30k Entities (Plummer et al. 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.errors import DataError
from captioner.json_file import read_json
from captioner.training.views import Box
from captioner.vocabulary import tokenize

FILENAME = "phrase_boxes.json"
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, ZeroDivisionError)


@dataclass(frozen=True)
class Phrase:
    """A noun phrase of a caption.

    Attributes:
        first, end: its words are `tokenize(caption)[first:end]`; the last of them is taken for its head noun.
        types: what kind of thing it names ("people", "clothing", "scene", ...).
        boxes: where that is in the photo; none for what cannot be boxed.
        chain: the thing it names, the same in all captions of a photo.
    """

    first: int
    end: int
    types: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    chain: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.first < self.end:
            raise DataError(f"expected a phrase of one word or more, got words {self.first} to {self.end}")


@dataclass(frozen=True)
class Sentence:
    """A caption and its phrases."""

    caption: str
    phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class Label:
    """A thing people marked in a photo, with boxes where they drew some."""

    name: str
    boxes: tuple[Box, ...] = ()


def load_phrases(folder: Path) -> dict[str, tuple[Sentence, ...]]:
    """The annotated sentences of each photo of a data folder; empty when it has no such file.

    Raises:
        DataError: the file is of another shape.
    """
    path = folder / FILENAME
    if not path.is_file():
        return {}
    try:
        content = read_json(path)
        return {filename: _sentences(record) for filename, record in content.items()}
    except (OSError, *_MISSHAPEN) as problem:
        raise DataError(f"{path} is not a file of phrase boxes: {problem!r}") from problem


def unit_box(box: Sequence[float], width: float, height: float) -> Box | None:
    """A box (left, top, right, bottom) of pixels in shares of the photo, cut at its edges; None when nothing is left.

    >>> unit_box((10, 20, 30, 60), 40, 80)
    (0.25, 0.25, 0.75, 0.75)
    """
    x1, x2 = (min(max(x / width, 0.0), 1.0) for x in (box[0], box[2]))
    y1, y2 = (min(max(y / height, 0.0), 1.0) for y in (box[1], box[3]))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def read_labels(record: Mapping[str, Any]) -> tuple[Label, ...]:
    """The labels of one record of `captions.json` (`labels`, and `boxes` of [x1, y1, x2, y2, label] in pixels).

    Boxes that name something the labels lack are another photo's (14 of COCO's small derived sets are mixed up so): all
    boxes of such a record are left out.

    Raises:
        DataError: the boxes are of another shape, or the photo's width and height are missing.
    """
    boxes: dict[str, list[Box]] = {}
    try:
        for *edges, name in record.get("boxes") or ():
            box = unit_box([float(edge) for edge in edges], float(record["width"]), float(record["height"]))
            if box is not None:
                boxes.setdefault(str(name), []).append(box)
    except _MISSHAPEN as problem:
        raise DataError(
            f"{record.get('filename')}: its boxes are not [x1, y1, x2, y2, label] in pixels of a photo whose width "
            f"and height are given: {problem!r}"
        ) from problem
    names = [str(name) for name in record.get("labels") or ()]
    if not boxes.keys() <= set(names):
        boxes = {}
    return tuple(Label(name, tuple(boxes.get(name, ()))) for name in names)


def _sentences(record: Mapping[str, Any]) -> tuple[Sentence, ...]:
    width, height = float(record["width"]), float(record["height"])
    boxes = {
        chain: tuple(box for edges in own if (box := unit_box(edges, width, height)) is not None)
        for chain, own in record["boxes"].items()
    }
    return tuple(_sentence(sentence, boxes) for sentence in record["sentences"])


def _sentence(sentence: Mapping[str, Any], boxes: Mapping[str, tuple[Box, ...]]) -> Sentence:
    caption = str(sentence["caption"])
    starts = [0]  # the file counts what spaces part, we count words: punctuation is none, "t-shirt's" is two
    for part in caption.split():
        starts.append(starts[-1] + len(tokenize(part)))
    phrases = []
    for phrase in sentence["phrases"]:
        first = int(phrase["first_word"])
        begin, end = starts[first], starts[first + len(str(phrase["phrase"]).split())]
        if begin < end:
            chain = str(phrase["chain"])
            phrases.append(Phrase(begin, end, tuple(phrase["types"]), boxes.get(chain, ()), chain))
    return Sentence(caption, tuple(phrases))
