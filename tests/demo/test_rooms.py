"""Rooms of a class: what they show by hand-computed numbers, and that nobody else gets in."""

from __future__ import annotations

import base64
import json
import math
import re
import threading
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import segno

from builders import photo_bytes
from captioner.overlay import smooth_projection
from demo import text
from demo.allowance import Allowance, Rate
from demo.packing import PhotoView
from demo.questions import Answerer
from demo.room import Agreement, Lesson, class_map, compare, strongest_half
from demo.room_rules import ALPHABET, NoRoomError, RoomError, RoomLimits, new_code, read_code
from demo.rooms import Rooms

PHOTO: PhotoView = {"address": "data:,", "width": 60, "height": 40, "layer_width": 60, "layer_height": 40}
ATTENTION = np.array([[[0.4, 0.1, 0.1], [0.2, 0.1, 0.1]], [[0, 0, 0], [0, 0.5, 0.5]]], np.float32)  # (2, 2, 3)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lesson() -> Lesson:
    return Lesson(PHOTO, ("red", "dog"), ATTENTION)


def rooms(clock: Clock | None = None, **limits: Any) -> Rooms:
    return Rooms(RoomLimits(**limits), clock or Clock())


def wrong_code(code: str) -> str:
    return code[:-1] + ("2" if code[-1] != "2" else "3")


# ---- maps


def test_points_add_up_to_a_map_of_the_grid() -> None:
    points = [(0.0, 0.0), (0.33, 0.49), (0.34, 0.5), (1.0, 1.0)]  # two in the first cell, one in the middle below
    found = class_map(points, (2, 3))
    assert found.tolist() == [[0.5, 0, 0], [0, 0.25, 0.25]]
    assert class_map([], (2, 3)).sum() == 0


def test_the_strongest_half_is_the_fewest_cells() -> None:
    assert strongest_half(ATTENTION[0]) == [(0, 0), (1, 0)]
    assert strongest_half(ATTENTION[1]) == [(1, 1)]


def test_the_agreement_of_a_class_and_the_model() -> None:
    points = [(0.1, 0.1), (0.1, 0.2), (0.9, 0.9)]
    found = compare(points, ATTENTION[0])
    assert (found.pointed, found.within, found.half, found.expected) == (3, 2, 2, 1.0)
    smooth = smooth_projection((2, 3), (24, 16))
    ours, theirs = (smooth.rows @ one @ smooth.columns.T for one in (class_map(points, (2, 3)), ATTENTION[0]))
    centred = [layer - layer.mean() for layer in (ours, theirs)]
    slow = float((centred[0] * centred[1]).sum() / math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum())))
    assert found.correlation == pytest.approx(slow, abs=1e-4)


def test_the_same_map_correlates_fully_and_a_flat_one_not_at_all() -> None:
    assert compare([(0.5, 0.9), (0.9, 0.9)], ATTENTION[1]).correlation == pytest.approx(1, abs=1e-5)
    flat = np.full((2, 3), 1 / 6, np.float32)
    assert compare([(0.5, 0.9)], flat).correlation is None
    assert compare([], ATTENTION[1]) == Agreement(0, 0, 1, 0.0, None)


def test_a_lesson_has_a_map_for_every_word() -> None:
    with pytest.raises(ValueError, match="1 or more words"):
        Lesson(PHOTO, ("red",), ATTENTION)
    with pytest.raises(ValueError, match="sum to 1"):
        Lesson(PHOTO, ("red", "dog"), 2 * ATTENTION)


# ---- a lesson's course


def test_a_class_points_and_the_teacher_shows() -> None:
    held = rooms()
    teacher = held.open(lesson(), 1, "school")
    code = held.look(teacher).code
    first, second, third = (held.join(code, "school") for _ in range(3))
    held.point(first, 1, (0.1, 0.1))
    held.point(first, 1, (0.5, 0.9))  # takes the place of the one before
    held.point(second, 1, (0.9, 0.9))
    before = held.look(third)
    assert (before.present, before.pointed, before.own, before.outcome) == (3, 2, None, None)
    assert held.look(first).own == (0.5, 0.9)
    held.reveal(teacher, "class")
    shown = held.look(third)
    assert shown.version > before.version
    assert shown.outcome is not None
    assert shown.outcome.class_map.tolist() == [[0, 0, 0], [0, 0.5, 0.5]]
    with pytest.raises(RoomError, match="gone on"):
        held.point(third, 1, (0.5, 0.5))
    held.reveal(teacher, "model")
    held.reveal(teacher, "class")  # there is no way back
    assert held.look(third).phase == "model"
    held.turn(teacher, 0)
    assert (held.look(first).phase, held.look(first).pointed, held.look(first).own) == ("point", 0, None)
    with pytest.raises(RoomError, match="gone on"):
        held.point(third, 1, (0.5, 0.5))
    held.turn(teacher, 1)
    assert (held.look(first).phase, held.look(first).pointed) == ("model", 2)
    held.turn(teacher, 1, again=True)
    assert (held.look(first).phase, held.look(first).pointed) == ("point", 0)


def test_a_room_goes_on_with_another_lesson() -> None:
    held = rooms()
    teacher = held.open(lesson(), 0, "school")
    pupil = held.join(held.look(teacher).code, "school")
    held.point(pupil, 0, (0.5, 0.5))
    held.change(teacher, Lesson(PHOTO, ("cat",), ATTENTION[:1]), 0)
    sight = held.look(pupil)
    assert (sight.lesson.words, sight.pointed, sight.lessons) == (("cat",), 0, 1)
    with pytest.raises(NoRoomError):
        held.change(pupil, lesson(), 0)


def test_a_pupil_guides_nothing() -> None:
    held = rooms()
    teacher = held.open(lesson(), 0, "school")
    pupil = held.join(held.look(teacher).code, "school")
    with pytest.raises(NoRoomError):
        held.turn(pupil, 1)
    with pytest.raises(NoRoomError):
        held.reveal(pupil, "model")
    with pytest.raises(NoRoomError):
        held.close(pupil)
    with pytest.raises(RoomError, match="gone on"):
        held.point(teacher, 0, (0.5, 0.5))
    assert (held.look(pupil).place, held.look(pupil).phase) == (0, "point")


def test_a_word_that_there_is_none_of_is_refused() -> None:
    held = rooms()
    teacher = held.open(lesson(), 0, "school")
    for place in (-1, 2, 10**30):
        with pytest.raises(RoomError):
            held.turn(teacher, place)


# ---- who gets in


def test_codes_are_typed_in_any_way_and_never_a_word() -> None:
    codes = {new_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(f"[{ALPHABET}]{{6}}", code) for code in codes)
    assert not set(ALPHABET) & set("01OIAEU")
    assert math.log2(len(ALPHABET) ** 6) > 29
    assert read_code(" b2-c d3f ") == "B2CD3F"


def test_a_wrong_code_and_a_closed_room_get_the_same_answer() -> None:
    held = rooms()
    teacher = held.open(lesson(), 0, "school")
    code = held.look(teacher).code
    pupil = held.join(code, "school")
    with pytest.raises(NoRoomError) as wrong:
        held.join(wrong_code(code), "school")
    held.close(teacher)
    with pytest.raises(NoRoomError) as closed:
        held.join(code, "school")
    assert str(wrong.value) == str(closed.value) == text.NO_ROOM
    for key in (teacher, pupil):
        with pytest.raises(NoRoomError):
            held.look(key)
    assert len(held) == 0


def test_codes_cannot_be_tried_out() -> None:
    clock = Clock()
    held = rooms(clock, guesses=Rate(3, 10.0), all_guesses=Rate(5, 1.0))
    code = held.look(held.open(lesson(), 0, "school")).code
    for _ in range(3):
        with pytest.raises(NoRoomError):
            held.join(wrong_code(code), "10.0.0.1")
    with pytest.raises(RoomError, match="wrong codes"):  # the right one too, or the limit would tell it
        held.join(code, "10.0.0.1")
    assert held.join(code, "10.0.0.2")
    for _ in range(2):
        with pytest.raises(NoRoomError):
            held.join(wrong_code(code), "10.0.0.2")
    with pytest.raises(RoomError, match="wrong codes"):  # five in all: nobody may, from whichever address
        held.join(code, "10.0.0.3")
    clock.now += 10
    assert held.join(code, "10.0.0.1")


def test_joining_rightly_uses_nothing_up() -> None:
    held = rooms(guesses=Rate(1, 1000.0))
    code = held.look(held.open(lesson(), 0, "school")).code
    assert len({held.join(code, "school") for _ in range(100)}) == 100


def test_an_allowance_is_each_visitors_own_and_comes_back() -> None:
    clock = Clock()
    allowance = Allowance(Rate(1, 60.0), Rate(100, 1.0), clock)
    allowance.spend("2001:db8::/64")
    assert not allowance.left("2001:db8::/64")
    assert allowance.left("2001:db8:0:1::/64")
    clock.now += 60
    assert allowance.left("2001:db8::/64")


def test_nothing_of_another_room_is_reachable() -> None:
    held = rooms()
    ours, theirs = held.open(lesson(), 0, "a"), held.open(lesson(), 1, "b")
    pupil = held.join(held.look(ours).code, "a")
    held.point(pupil, 0, (0.5, 0.5))
    held.reveal(ours, "model")
    held.close(ours)
    assert (held.look(theirs).pointed, held.look(theirs).phase, held.look(theirs).place) == (0, "point", 1)
    for key in ("", pupil, held.look(theirs).code):
        with pytest.raises(NoRoomError):
            held.look(key)


# ---- limits


def test_rooms_and_pupils_are_limited() -> None:
    clock = Clock()
    held = rooms(clock, most=2, pupils=2, gone=100.0)
    first = held.open(lesson(), 0, "a")
    held.open(lesson(), 0, "b")
    with pytest.raises(RoomError, match="Too many rooms"):
        held.open(lesson(), 0, "c")
    code = held.look(first).code
    away, here = held.join(code, "a"), held.join(code, "a")
    held.point(away, 0, (0.1, 0.1))
    with pytest.raises(RoomError, match="full"):
        held.join(code, "a")
    clock.now += 100
    held.point(here, 0, (0.9, 0.9))
    late = held.join(code, "a")  # in the place of the one not heard of
    assert (held.look(late).pointed, held.look(late).present) == (1, 2)
    with pytest.raises(NoRoomError):
        held.look(away)


def test_one_visitor_opens_not_too_many_rooms() -> None:
    clock = Clock()
    held = rooms(clock, openings=Rate(2, 60.0))
    for _ in range(2):
        held.close(held.open(lesson(), 0, "a"))
    with pytest.raises(RoomError, match="Too many rooms"):
        held.open(lesson(), 0, "a")
    assert held.open(lesson(), 0, "b")
    clock.now += 60
    assert held.open(lesson(), 0, "a")


def test_pupils_not_heard_of_no_longer_count_as_present() -> None:
    clock = Clock()
    held = rooms(clock)
    teacher = held.open(lesson(), 0, "a")
    code = held.look(teacher).code
    pointed, _ = held.join(code, "a"), held.join(code, "a")
    held.point(pointed, 0, (0.5, 0.5))
    assert held.look(teacher).present == 2
    clock.now += 61
    assert held.look(teacher).present == 1


def test_a_room_is_gone_without_its_teacher_and_after_its_time() -> None:
    clock = Clock()
    held = rooms(clock, lifetime=7200.0, idle=1800.0)
    teacher = held.open(lesson(), 0, "a")
    pupil = held.join(held.look(teacher).code, "a")
    for _ in range(4):
        clock.now += 1799
        assert held.look(teacher)
        assert held.look(pupil)
    clock.now += 3
    held.look(pupil)
    clock.now += 1  # 7200 seconds in all
    with pytest.raises(NoRoomError):
        held.look(teacher)
    pupil = held.join(held.look(held.open(lesson(), 0, "a")).code, "a")
    clock.now += 1799
    held.look(pupil)  # a pupil alone does not keep it open
    clock.now += 1
    with pytest.raises(NoRoomError):
        held.look(pupil)
    assert len(held) == 0


def test_a_room_nobody_asks_for_is_forgotten_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.rooms.SWEEP", 0.01)
    clock = Clock()
    held = rooms(clock)
    held.open(lesson(), 0, "a")
    sweeper = next(thread for thread in threading.enumerate() if thread is held._sweeper)
    clock.now += 1800
    sweeper.join(timeout=30)
    assert not sweeper.is_alive()
    assert len(held) == 0
    held.open(lesson(), 0, "a")  # and there is another for the next
    assert held._sweeper is not None
    assert held._sweeper is not sweeper
    clock.now += 1800


def test_limits_are_above_nothing() -> None:
    with pytest.raises(ValueError, match="limits above 0"):
        RoomLimits(pupils=0)
    with pytest.raises(ValueError, match="expected a burst"):
        Rate(0, 1.0)


# ---- questions


def no_captioner() -> NoReturn:
    raise AssertionError("a room needs no model")


@pytest.fixture
def answerer(tmp_path: Path) -> Answerer:
    return Answerer(no_captioner, tmp_path)


def opening(**changes: Any) -> dict[str, Any]:
    address = "data:image/png;base64," + base64.b64encode(photo_bytes()).decode()
    words = [
        {"word": word, "log_prob": -1.0, "map": one.ravel().tolist()}
        for word, one in zip(("red", "dog"), ATTENTION, strict=True)
    ]
    here = "http://192.168.0.7:7860/"
    asked = {"kind": "room_open", "photo": {"url": address}, "grid": [2, 3], "words": words, "place": 1}
    return {**asked, "address": here, **changes}


def test_a_room_by_questions(answerer: Answerer) -> None:
    room: Any = answerer.answer(opening())
    assert (room["kind"], room["teaching"], room["words"]) == ("room", True, ["red", "dog"])
    expected = segno.make(f"http://192.168.0.7:7860/?room={room['code']}", error="m", micro=False)
    assert room["qr"] == expected.svg_data_uri(border=4, dark="#000", light="#fff", scale=8)
    pupil: Any = answerer.answer({"kind": "room_join", "code": room["code"].lower(), "address": "http://a/"})
    assert (pupil["teaching"], pupil["words"], pupil["qr"]) == (False, None, None)
    assert pupil["view"]["photo"]["address"].startswith("data:image/jpeg;base64,")
    key = pupil["pass"]
    state: Any = answerer.answer({"kind": "room_point", "pass": key, "place": 1, "point": [0.5, 1]})
    assert (state["own"], state["pointed"], state["class_map"], state["model_map"]) == ((0.5, 1.0), 1, None, None)
    again: Any = answerer.answer({"kind": "room_state", "pass": room["pass"], "version": state["version"]})
    assert again == {"kind": "room_state", "version": state["version"], "present": 1, "pointed": 1}
    answerer.answer({"kind": "room_reveal", "pass": room["pass"], "phase": "class"})
    state = answerer.answer({"kind": "room_state", "pass": key, "version": state["version"]})
    assert (state["phase"], state["model_map"], state["agreement"]) == ("class", None, None)
    state = answerer.answer({"kind": "room_reveal", "pass": room["pass"], "phase": "model"})
    assert state["agreement"]["within"] == 1
    assert state["model_map"]["peak"] == pytest.approx(0.5)
    back: Any = answerer.answer({"kind": "room_join", "pass": key})
    assert (back["pass"], back["state"]["own"]) == (key, (0.5, 1.0))
    assert answerer.answer({"kind": "room_close", "pass": room["pass"]}) == {"kind": "room_gone"}
    assert answerer.answer({"kind": "room_state", "pass": key}) == {"kind": "room_gone"}


def test_pupils_are_told_nothing_of_the_model_before_it_is_shown(answerer: Answerer) -> None:
    room: Any = answerer.answer(opening())
    pupil: Any = answerer.answer({"kind": "room_join", "code": room["code"]})
    assert pupil["view"]["maps"] == {"fractions": "", "peak": 1.0}
    told = json.dumps({**pupil, "pass": "", "code": ""})
    assert room["pass"] not in told
    assert "red" not in told  # the other words neither
    assert pupil["state"]["model_map"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "room_join"},
        {"kind": "room_join", "code": 7},
        {"kind": "room_join", "code": "X" * 10_000},
        {"kind": "room_join", "pass": ["a"]},
        {"kind": "room_state"},
        {"kind": "room_state", "pass": None},
        {"kind": "room_word", "place": True},
        {"kind": "room_word", "place": -1},
        {"kind": "room_word", "place": 2},
        {"kind": "room_word", "place": 0.5},
        {"kind": "room_reveal", "phase": "point"},
        {"kind": "room_reveal", "phase": ["model"]},
        {"kind": "room_point", "place": 1, "point": None},
        {"kind": "room_point", "place": 1, "point": [0.5]},
        {"kind": "room_point", "place": 1, "point": [0.5, float("nan")]},
        {"kind": "room_point", "place": 1, "point": [0.5, 1.01]},
        {"kind": "room_point", "place": 1, "point": [True, 0]},
        {"kind": "room_point", "place": 1, "point": ["0", "0"]},
        {"kind": "room_point", "place": 1, "point": [0.5, 10**400]},
        {"kind": "room_close", "pass": "nobody's"},
    ],
)
def test_a_browser_may_send_anything(answerer: Answerer, wrong: dict[str, Any]) -> None:
    room: Any = answerer.answer(opening())
    teaching = wrong["kind"] in ("room_word", "room_reveal")
    pupil: Any = answerer.answer({"kind": "room_join", "code": room["code"]})
    answer: Any = answerer.answer(
        {"pass": (room if teaching else pupil)["pass"], **wrong} if "place" in wrong or "phase" in wrong else wrong
    )
    assert answer["kind"] == "problem"
    assert answer["message"] in (text.UNKNOWN_QUESTION, text.NO_ROOM)
    state: Any = answerer.answer({"kind": "room_state", "pass": pupil["pass"]})
    assert (state["place"], state["phase"], state["pointed"]) == (1, "point", 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photo": None}, text.NO_PHOTO),
        ({"photo": {"path": "/etc/passwd"}}, text.PHOTO_GONE),
        ({"words": []}, text.UNKNOWN_QUESTION),
        ({"words": [{"word": "a", "log_prob": -1.0, "map": [0.0] * 6}], "place": 0}, text.UNKNOWN_QUESTION),
        ({"grid": [1000, 1000]}, text.UNKNOWN_QUESTION),
        ({"place": 2}, text.UNKNOWN_QUESTION),
        ({"pass": "nobody's"}, text.NO_ROOM),
    ],
)
def test_a_room_is_opened_on_a_caption_alone(answerer: Answerer, change: dict[str, Any], message: str) -> None:
    answer: Any = answerer.answer(opening(**change))
    assert (answer["kind"], answer["message"]) == ("problem", message)
    assert len(answerer.rooms) == 0


@pytest.mark.parametrize(
    "address", [None, 7, "javascript:alert(1)", "http://a b", "http://a/" + "x" * 300, "http://a?b"]
)
def test_an_address_that_is_none_gets_no_qr_code(answerer: Answerer, address: object) -> None:
    room: Any = answerer.answer(opening(address=address))
    assert room["kind"] == "room"
    assert room["qr"] is None


def test_a_question_cannot_choose_its_visitor(answerer: Answerer) -> None:
    for number in range(20):
        answerer.answer({"kind": "room_join", "code": "BBBBBB", "network": str(number)}, network="10.0.0.1")
    answer: Any = answerer.answer({"kind": "room_join", "code": "BBBBBB", "network": "another"}, network="10.0.0.1")
    assert answer["message"] == text.TOO_MANY_CODES
    answer = answerer.answer({"kind": "room_join", "code": "BBBBBB"}, network="10.0.0.2")
    assert answer["message"] == text.NO_ROOM
