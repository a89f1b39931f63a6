"""What a class asks about its room, and the answers. A browser may send anything, so all of it is checked here.

The teacher opens a room with the caption on show; its photo and maps come along, so that a room needs neither the model
nor a file. Everybody then asks for the room's state every second or two, and is told only what changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import segno

from captioner.overlay import Floats, cell_projection, palette, smooth_projection
from demo import text
from demo.callbacks import open_upload
from demo.packing import LAYER_SIDE, pack_bytes, pack_fractions, pack_matrices, pack_photo, scaled
from demo.room import PHASES, Lesson, Point, Sight
from demo.room_rules import NoRoomError, RoomError
from demo.takeaway import read_caption

if TYPE_CHECKING:
    from demo.questions import Answer, Answerer, Question

MAX_SAID = 64  # signs of a code or a pass
MAX_ADDRESS = 300  # signs of the page's address
PAGE_ADDRESS = re.compile(r"https?://[\w.:\[\]-]+(/[\w./~%-]*)?", re.ASCII)


def open_room(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_open", "photo", "grid", "words": [{"word", "log_prob", "map"}], "place", "address"}: the teacher's
    own view of a new room, with the pass that guides it; with such a "pass" that room goes on with this caption.

    Raises:
        PhotoError: the photo cannot be used.
        RecordError: the caption is none.
        RoomError: there are too many rooms.
    """
    caption = read_caption(question)
    photo = question.get("photo")
    opened = open_upload(answerer.uploads, photo if isinstance(photo, Mapping) else {})
    sums = caption.attention.sum(axis=(1, 2), keepdims=True)
    if not (sums > 0).all():
        raise RoomError(text.UNKNOWN_QUESTION)
    lesson = Lesson(pack_photo(opened, scaled(opened.size, LAYER_SIDE)), caption.words, caption.attention / sums)
    place = _read_place(question, len(lesson.words))
    if question.get("pass") is None:
        key = answerer.rooms.open(lesson, place, _visitor(question))
    else:
        key = _read_said(question, "pass")
        answerer.rooms.change(key, lesson, place)
    return _room_view(answerer, key, question)


def join_room(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_join", "code"}: the pupil's view of a room; or {"pass"} in the code's stead, to come back."""
    if question.get("pass") is None:
        key = answerer.rooms.join(_read_said(question, "code"), _visitor(question))
    else:
        key = _read_said(question, "pass")
    return _room_view(answerer, key, question)


def room_state(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_state", "pass", "version"}: what is on show now; of the version already known only the counts."""
    try:
        sight = answerer.rooms.look(_read_said(question, "pass"))
    except NoRoomError:
        return {"kind": "room_gone"}
    known = question.get("version")
    if known == sight.version and not isinstance(known, bool):
        return {"kind": "room_state", "version": known, "present": sight.present, "pointed": sight.pointed}
    return _state_view(sight)


def room_point(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_point", "pass", "place", "point": [x, y]}: a pupil's point, in shares of the photo."""
    answerer.rooms.point(_read_said(question, "pass"), _read_place(question), _read_point(question.get("point")))
    return room_state(answerer, question)


def room_word(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_word", "pass", "place", "again"}: the teacher puts another word on show, or the same once more."""
    answerer.rooms.turn(_read_said(question, "pass"), _read_place(question), question.get("again") is True)
    return room_state(answerer, question)


def room_reveal(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_reveal", "pass", "phase": "class" or "model"}: the teacher shows the class map, or both."""
    phase = next((phase for phase in PHASES[1:] if phase == question.get("phase")), None)
    if phase is None:
        raise RoomError(text.UNKNOWN_QUESTION)
    answerer.rooms.reveal(_read_said(question, "pass"), phase)
    return room_state(answerer, question)


def room_close(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "room_close", "pass"}: the teacher ends the room."""
    answerer.rooms.close(_read_said(question, "pass"))
    return {"kind": "room_gone"}


ROOM_QUESTIONS: dict[str, Callable[[Answerer, Question], Answer]] = {
    "room_join": join_room,
    "room_state": room_state,
    "room_point": room_point,
    "room_word": room_word,
    "room_reveal": room_reveal,
    "room_close": room_close,
}


def _room_view(answerer: Answerer, key: str, question: Question) -> Answer:
    """All that does not change while a room is open: what `readMaps` in maps.js needs, but no map."""
    sight = answerer.rooms.look(key)
    lesson = sight.lesson
    layer = (lesson.photo["layer_width"], lesson.photo["layer_height"])
    return {
        "kind": "room",
        "pass": key,
        "code": sight.code,
        "teaching": sight.teaching,
        "qr": _qr_code(question.get("address"), sight.code) if sight.teaching else None,
        "words": list(lesson.words) if sight.teaching else None,
        "view": {
            "photo": lesson.photo,
            "grid": lesson.grid,
            "native": lesson.grid,
            "native_cells": None,
            "maps": {"fractions": "", "peak": 1.0},
            **_way_of_drawing(lesson.grid, layer),
        },
        "state": _state_view(sight),
    }


@lru_cache(maxsize=16)
def _way_of_drawing(grid: tuple[int, int], layer: tuple[int, int]) -> Mapping[str, Any]:
    """Matrices and colours; a class joins all at once, and making them takes 20 ms."""
    return {
        "smooth": pack_matrices(smooth_projection(grid, layer)),
        "cells": pack_matrices(cell_projection(grid, layer)),
        "palette": pack_bytes(palette()),
    }


def _state_view(sight: Sight) -> dict[str, Any]:
    outcome = sight.outcome
    shown = sight.phase == "model"
    return {
        "kind": "room_state",
        "version": sight.version,
        "lessons": sight.lessons,
        "present": sight.present,
        "pointed": sight.pointed,
        "place": sight.place,
        "word": sight.lesson.words[sight.place],
        "phase": sight.phase,
        "own": sight.own,
        "class_map": None if outcome is None else _pack_map(outcome.class_map),
        "model_map": _pack_map(sight.lesson.attention[sight.place]) if shown else None,
        "agreement": vars(outcome.agreement) if outcome is not None and shown else None,
    }


def _pack_map(weights: Floats) -> dict[str, Any]:
    peak = float(weights.max()) or 1.0
    return {"fractions": pack_fractions(weights / peak), "peak": peak}


def _qr_code(address: object, code: str) -> str | None:
    """The address that joins the room as a picture, a data: address; None where the page's own is not known."""
    if not isinstance(address, str) or len(address) > MAX_ADDRESS or not PAGE_ADDRESS.fullmatch(address):
        return None
    picture: str = segno.make(f"{address}?room={code}", error="m", micro=False).svg_data_uri(
        border=4, dark="#000", light="#fff", scale=8
    )
    return picture


def _visitor(question: Question) -> str:
    return str(question.get("network", ""))


def _read_said(question: Question, name: str) -> str:
    said = question.get(name)
    if not isinstance(said, str) or len(said) > MAX_SAID:
        raise RoomError(text.UNKNOWN_QUESTION)
    return said


def _read_place(question: Question, words: int | None = None) -> int:
    """The place of a word, from 0; the room knows how many there are."""
    place = question.get("place")
    if not isinstance(place, int) or isinstance(place, bool) or place < 0 or (words is not None and place >= words):
        raise RoomError(text.UNKNOWN_QUESTION)
    return place


def _read_point(point: object) -> Point:
    if not isinstance(point, list | tuple) or len(point) != 2:
        raise RoomError(text.UNKNOWN_QUESTION)
    for share in point:
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise RoomError(text.UNKNOWN_QUESTION)
    return float(point[0]), float(point[1])
