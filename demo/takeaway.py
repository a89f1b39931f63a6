"""Answers about what a visitor takes away: moving pictures and the sheet of a caption, and opening a saved record."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeGuard

import numpy as np

from captioner.caption import Caption
from captioner.description import RECORD_FORMAT, Description
from captioner.errors import PhotoError, RecordError, SearchError
from captioner.records import floats
from captioner.search_options import MAX_WIDTH, SearchOptions
from captioner.sheet import overlay_sheet
from demo import text
from demo.animation import animate
from demo.callbacks import open_upload, read_preset
from demo.packing import pack_bytes
from demo.view import build_view
from demo.view_types import ResultView

if TYPE_CHECKING:
    from demo.questions import Answerer, Question

MAX_WORDS = 60  # of a caption drawn or opened
MAX_LETTERS = 200  # of a word
MAX_GRID = 64  # cells along a side
MAX_CELLS = 4_000_000  # of all maps an opened record's captions and glimpses name, however often
TYPES = {"gif": "image/gif", "webp": "image/webp", "png": "image/png"}


class PictureView(TypedDict):
    """A picture as a data: address."""

    kind: str
    address: str


def draw_caption(answerer: Answerer, question: Question) -> PictureView:
    """{"kind": "picture", "format", "photo", "smooth", "grid", "words": [{"word", "log_prob", "map"}]}: a file of it.

    The maps come with the question: what is drawn is what is on show, whichever experiment it came from.

    Raises:
        PhotoError: the photo cannot be used.
        RecordError: the caption is none.
    """
    kind = question.get("format")
    caption = read_caption(question)
    photo = open_upload(answerer.uploads, _photo_of(question.get("photo")))
    smooth = question.get("smooth") is not False
    if kind == "png":
        buffer = io.BytesIO()
        overlay_sheet(photo, caption, smooth=smooth).save(buffer, "PNG")
        content = buffer.getvalue()
    elif kind == "gif" or kind == "webp":
        content = animate(photo, caption, kind, smooth=smooth)
    else:
        raise RecordError(text.UNKNOWN_QUESTION)
    packed = pack_bytes(np.frombuffer(content, np.uint8))
    return {"kind": "picture", "address": f"data:{TYPES[kind]};base64,{packed}"}


def read_caption(question: Question) -> Caption:
    """The caption to draw, of which only words, probabilities and maps count.

    Raises:
        RecordError: it does not hold together.
    """
    words, grid = question.get("words"), question.get("grid")
    if not isinstance(words, list) or not 1 <= len(words) <= MAX_WORDS or not is_grid(grid):
        raise RecordError(text.UNKNOWN_QUESTION)
    try:
        maps = floats([word["map"] for word in words]).reshape(len(words), grid[0], grid[1])
        return Caption(
            words=tuple(str(word["word"])[:MAX_LETTERS] for word in words),
            log_probs=floats([word["log_prob"] for word in words]),
            end_log_prob=None,
            attention=maps,
            gate=np.ones(len(words), np.float32),
            alternatives=((),) * len(words),
            score=0.0,
            finished=False,
        )
    except (KeyError, TypeError, ValueError) as problem:  # a RecordError is a ValueError
        raise RecordError(text.UNKNOWN_QUESTION) from problem


def open_record(answerer: Answerer, question: Question) -> ResultView:
    """{"kind": "open", "record", "photo"}: a saved record on show again, with the photo in it or else the one given.

    Raises:
        PhotoError: no photo, or one that cannot be used.
        RecordError: it is no record, or does not hold together.
    """
    record = question.get("record")
    if not isinstance(record, dict) or record.get("format") != RECORD_FORMAT:
        raise RecordError(text.NO_RECORD)
    address = record.get("photo")
    upload = {"url": address} if isinstance(address, str) else _photo_of(question.get("photo"))
    if not upload:
        raise PhotoError(text.NO_RECORD_PHOTO)
    try:
        _check_size(record)
        description = Description.from_record(record, "")
        _check_shape(description)
        preset = read_preset(record.get("preset"))
        power = float(record.get("normalisation", SearchOptions.preset(preset).length_normalisation))
        if not 0 <= power <= 1:
            raise RecordError(text.BAD_RECORD)
    except (RecordError, SearchError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise RecordError(text.BAD_RECORD) from problem
    photo = open_upload(answerer.uploads, upload)
    trained_on = record.get("trained_on")
    told = trained_on[: 2 * MAX_LETTERS] if isinstance(trained_on, str) else ""
    return build_view(description, photo, told, preset=preset, normalisation=power)


def _check_size(record: Mapping[str, Any]) -> None:
    """Refuse a small file that unpacks to something huge: it may name one map many thousand times."""
    rows, columns = grid = record["grid"]
    named = sum(len(caption["attention"]) for caption in record["captions"]) + len(record["glimpses"]["attention"])
    if not is_grid(grid) or not is_grid(record["native"]) or named * rows * columns > MAX_CELLS:
        raise RecordError(text.BAD_RECORD)


def _check_shape(description: Description) -> None:
    """Refuse what no search gives: the page counts on it."""
    for caption in description.captions:
        if not 1 <= len(caption.words) <= MAX_WORDS or max(map(len, caption.words)) > MAX_LETTERS:
            raise RecordError(text.BAD_RECORD)
    if not all(1 <= width <= MAX_WIDTH for width in description.widths):
        raise RecordError(text.BAD_RECORD)
    numbers = (value for tree in description.trees.values() for b in tree for value in (b.log_prob, b.margin))
    if not all(map(math.isfinite, numbers)):
        raise RecordError(text.BAD_RECORD)
    if description.strangeness is not None and not math.isfinite(description.strangeness):
        raise RecordError(text.BAD_RECORD)


def _photo_of(photo: object) -> Mapping[str, Any]:
    return photo if isinstance(photo, Mapping) else {}


def is_grid(grid: object) -> TypeGuard[Sequence[int]]:
    """Whether these are the rows and columns of a grid of a sensible size."""
    if not isinstance(grid, list | tuple) or len(grid) != 2:
        return False
    return all(isinstance(side, int) and not isinstance(side, bool) and 1 <= side <= MAX_GRID for side in grid)
