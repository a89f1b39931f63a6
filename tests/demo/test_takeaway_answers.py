"""The server's part of taking away: pictures drawn, records opened, and everything that is refused."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image, ImageEnhance, ImageSequence

from builders import caption, photo
from captioner.captioner import Captioner
from captioner.overlay import cell_projection, render_overlays, smooth_projection
from captioner.sheet import SATURATION
from demo import text
from demo.animation import SIDE, SMALL_SIDE, animate, draw_frames
from demo.questions import Answerer
from demo.view import build_view
from visits import RED_DOG, ScriptedCaptioner

CAPTION = caption(RED_DOG, 4, 6, 0)


def ask(tmp_path: Path, question: object) -> dict[str, Any]:
    answerer = Answerer(lambda: cast(Captioner, ScriptedCaptioner()), tmp_path)
    return dict(answerer.answer(question))


def picture_question(**changes: object) -> dict[str, Any]:
    address = build_view(ScriptedCaptioner().describe(photo()), photo(), "")["photo"]["address"]
    maps = [
        {"word": w, "log_prob": -1.0, "map": m.ravel().tolist()} for w, m in zip("ab", CAPTION.attention, strict=False)
    ]
    question = {
        "kind": "picture",
        "format": "gif",
        "photo": {"url": address},
        "smooth": True,
        "grid": [4, 6],
        "words": maps,
    }
    return {**question, **changes}


def test_a_picture_question_is_answered(tmp_path: Path) -> None:
    answer = ask(tmp_path, picture_question())
    assert answer["kind"] == "picture"
    assert answer["address"].startswith("data:image/gif;base64,R0lGOD")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "exe"},
        {"format": None},
        {"format": []},
        {"grid": [4, 7]},
        {"grid": [0, 6]},
        {"grid": [10**6, 10**6]},
        {"grid": [True, 24]},
        {"grid": "46"},
        {"words": []},
        {"words": "words"},
        {"words": ["word"]},
        {"words": [{"word": "a", "log_prob": 1.0, "map": [1 / 24] * 24}]},
        {"words": [{"word": "a", "log_prob": math.nan, "map": [1 / 24] * 24}]},
        {"words": [{"word": "a", "log_prob": -1.0, "map": [1.0] * 24}]},
        {"words": [{"word": "a", "log_prob": -1.0, "map": [[1 / 24]] * 23}]},
        {"words": [{"word": "a", "log_prob": -1.0, "map": [1 / 24] * 24}] * 61},
    ],
)
def test_a_picture_of_nonsense_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    assert ask(tmp_path, picture_question(**changes)) == {"kind": "problem", "message": text.UNKNOWN_QUESTION}


def test_a_picture_needs_a_photo(tmp_path: Path) -> None:
    assert ask(tmp_path, picture_question(photo=None))["message"] == text.NO_PHOTO
    assert ask(tmp_path, picture_question(photo={"path": "/etc/passwd"}))["message"] == text.PHOTO_GONE


def record(tmp_path: Path, **changes: object) -> dict[str, Any]:
    file = tmp_path / "saved.json"
    ScriptedCaptioner().describe(photo()).save(file)
    address = picture_question()["photo"]["url"]
    return {**json.loads(file.read_text()), "photo": address, **changes}


def opened(tmp_path: Path, found: object, photo: object = None) -> dict[str, Any]:
    return ask(tmp_path, {"kind": "open", "record": found, "photo": photo})


def test_a_record_opens_as_a_result(tmp_path: Path) -> None:
    view = opened(tmp_path, record(tmp_path, trained_on="many photos", normalisation=0.5))
    assert view["kind"] == "result"
    assert view["captions"][0]["text"] == "a red dog"
    assert (view["trained_on"], view["normalisation"], view["source"]) == ("many photos", 0.5, None)


def test_a_record_without_a_photo_takes_the_one_on_show(tmp_path: Path) -> None:
    plain = {key: value for key, value in record(tmp_path).items() if key != "photo"}
    assert opened(tmp_path, plain)["message"] == text.NO_RECORD_PHOTO
    assert opened(tmp_path, plain, {"url": record(tmp_path)["photo"]})["kind"] == "result"


@pytest.mark.parametrize("found", [None, [], "text", 3, {}, {"format": "saywhere-description-1"}])
def test_what_is_no_record_is_said_to_be_none(tmp_path: Path, found: object) -> None:
    assert opened(tmp_path, found)["message"] == text.NO_RECORD


@pytest.mark.parametrize(
    "changes",
    [
        {"captions": []},
        {"captions": 3},
        {"captions": None},
        {"grid": [4, 7]},
        {"grid": [1, 100_000]},
        {"grid": None},
        {"native": ["many", "cells"]},
        {"ranking": {"0": [0]}, "trees": {"0": []}},
        {"ranking": {"five": [0]}},
        {"ranking": {"5": [7]}},
        {"trees": {}},
        {"maps": [[1.0]]},
        {"glimpses": {}},
        {"strangeness": math.inf},
        {"normalisation": 7},
        {"normalisation": "x"},
        {"normalisation": math.nan},
        {"normalisation": None},
    ],
)
def test_a_changed_record_is_refused_in_one_sentence(tmp_path: Path, changes: dict[str, object]) -> None:
    assert opened(tmp_path, record(tmp_path, **changes)) == {"kind": "problem", "message": text.BAD_RECORD}


def test_a_record_that_unpacks_to_something_huge_is_refused_before_it_does(tmp_path: Path) -> None:
    huge = record(tmp_path)
    huge["glimpses"]["attention"] = [0] * 200_000
    assert opened(tmp_path, huge)["message"] == text.BAD_RECORD


def test_a_record_with_a_bad_photo_says_what_is_wrong_with_the_photo(tmp_path: Path) -> None:
    assert opened(tmp_path, record(tmp_path, photo="file:///etc/passwd"))["message"] == text.NO_OUTSIDE_ADDRESS


@pytest.mark.parametrize("smooth", [True, False])
def test_the_frames_show_the_maps_in_colour(smooth: bool) -> None:
    shown = photo()
    frames = draw_frames(shown, CAPTION, smooth=smooth)
    size = (SIDE, round(SIDE * 64 / 96))
    projection = (smooth_projection if smooth else cell_projection)((4, 6), size)
    ground = ImageEnhance.Color(shown.resize(size, Image.Resampling.LANCZOS)).enhance(SATURATION)
    expected = render_overlays(ground, CAPTION.attention, projection, projection.highest(CAPTION.attention))
    for frame, picture in zip(frames, expected, strict=True):
        assert frame.crop((0, 0, *size)).tobytes() == picture.tobytes()
        assert frame.height > picture.height


def test_a_long_caption_of_a_narrow_photo_stays_small() -> None:
    long = caption(("word",) * 60, 4, 6)
    frames = draw_frames(photo(30, 90), long)
    assert {frame.size for frame in frames} == {frames[0].size}
    assert frames[0].width == SMALL_SIDE
    content = animate(photo(30, 90), long, "gif")
    assert len(content) < 6_000_000
    with Image.open(io.BytesIO(content)) as moving:
        assert sum(1 for _ in ImageSequence.Iterator(moving)) == 60
