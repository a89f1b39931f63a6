from __future__ import annotations

import json
from typing import Any

import pytest

from captioner.errors import SearchError, ServingError
from captioner.photo import PhotoSettings
from captioner.search_options import SearchOptions
from captioner.self_test import SelfTest
from captioner.serving.contract import Asked, Card, Info


@pytest.mark.parametrize(
    "asked",
    [
        Asked(),
        Asked(SearchOptions.preset("tutorial"), ("a", "dog's")),
        Asked(SearchOptions((1, 100), 7, 0.25, 2, 3, True), ("빨간",)),
    ],
)
def test_what_is_asked_comes_back_from_a_query(asked: Asked) -> None:
    assert Asked.read(asked.query()) == asked


def test_what_a_query_leaves_out_is_the_defaults() -> None:
    assert Asked.read({}) == Asked(SearchOptions(), ())
    assert Asked.read({"options": '{"widths": [3], "length_normalisation": 1}'}) == Asked(
        SearchOptions(widths=(3,), length_normalisation=1.0)
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"options": "{"}, "as JSON"),
        ({"options": "[" * 100_000}, "as JSON"),
        ({"options": "[]"}, "JSON object"),
        ({"begin": '"a dog"'}, "JSON list"),
        ({"begin": '["a", 3]'}, "list of words"),
        ({"options": '{"width": 3}'}, "got 'width'"),
        ({"options": '{"widths": 3}'}, "for widths, got '3'"),
        ({"options": '{"widths": [1, true]}'}, "for widths"),
        ({"options": '{"widths": []}'}, "beam widths"),
        ({"options": '{"max_steps": true}'}, "for max_steps"),
        ({"options": '{"any_token": 1}'}, "for any_token"),
        ({"options": '{"length_normalisation": NaN}'}, "length normalisation"),
        ({"options": '{"length_normalisation": "0"}'}, "for length_normalisation"),
        ({"options": '{"max_steps": 101}'}, "at most 100 steps"),
        ({"options": '{"top_words": 51}'}, "50 top words"),
        ({"options": json.dumps({"widths": [99, 100, 22]})}, "ascending"),
        ({"options": json.dumps({"widths": [22, 99, 100]})}, "at most 220, got 221"),
        ({"begin": json.dumps(["a"] * 101)}, "at most 100 words, got 101"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(query: dict[str, str], said: str) -> None:
    with pytest.raises(SearchError, match=said) as refused:
        Asked.read(query)
    assert "\n" not in str(refused.value)


INFO = Info(Card("tiny", "nothing"), 16, PhotoSettings(64, None, (0.1, 0.2, 0.3)), SelfTest(("black", "endless"), 0.25))


def test_info_comes_back_from_json() -> None:
    assert Info.from_record(json.loads(json.dumps(INFO.to_record()))) == INFO


@pytest.mark.parametrize(
    "change",
    [
        {"card": "tiny"},
        {"words": "many"},
        {"photo_settings": {"size": 64}},
        {"photo_settings": {**INFO.to_record()["photo_settings"], "size": 5}},
        {"photo_settings": {**INFO.to_record()["photo_settings"], "colour": 5}},
        {"self_test": None},
    ],
)
def test_what_is_no_info_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ServingError, match="nothing SayWhere understands"):
        Info.from_record({**INFO.to_record(), **change})
    with pytest.raises(ServingError):
        Info.from_record([change])
