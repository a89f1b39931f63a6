"""Boxes of phrases and labels: on the right words, in shares of the photo, and nothing from a foreign file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import DataError
from captioner.training.phrases import FILENAME, Label, Phrase, Sentence, load_phrases, read_labels, unit_box
from captioner.training.views import Box
from captioner.vocabulary import tokenize


def phrase(first_word: int, text: str, chain: str = "1", types: tuple[str, ...] = ("other",)) -> dict[str, Any]:
    return {"first_word": first_word, "phrase": text, "chain": chain, "types": list(types)}


def load_one(folder: Path, caption: str, *phrases: dict[str, Any]) -> Sentence:
    sentences = [{"caption": caption, "phrases": list(phrases)}]
    boxes = {"1": [[10, 20, 30, 60], [0, 0, 20, 80]], "2": [[-5, -5, 0, 90]]}
    record = {"width": 40, "height": 80, "boxes": boxes, "sentences": sentences}
    (folder / FILENAME).write_text(json.dumps({"a.jpg": record}))
    (sentence,) = load_phrases(folder)["a.jpg"]
    return sentence


@pytest.mark.parametrize(
    ("caption", "first_word", "text", "words"),
    [
        ("A man in a red hat .", 3, "a red hat", ["a", "red", "hat"]),
        ("Two men , one in a dog's coat , run .", 5, "a dog's coat", ["a", "dog", "'s", "coat"]),
        ("A dog 's coat - and a hat .", 5, "and a hat", ["and", "a", "hat"]),
        ("It isn't red : the man's T-shirt is .", 4, "the man's T-shirt", ["the", "man", "'s", "t-shirt"]),
        ('He holds " the ball " .', 2, '" the ball "', ["the", "ball"]),
    ],
)
def test_a_phrase_keeps_its_words_among_punctuation_and_clitics(
    tmp_path: Path, caption: str, first_word: int, text: str, words: list[str]
) -> None:
    (found,) = load_one(tmp_path, caption, phrase(first_word, text)).phrases
    assert tokenize(caption)[found.first : found.end] == words


def test_a_phrase_has_the_boxes_of_its_chain_in_shares_of_the_photo(tmp_path: Path) -> None:
    sentence = load_one(
        tmp_path,
        "A dog near the man and the sea .",
        phrase(0, "A dog", "1", ("animals",)),
        phrase(3, "the man", "2"),
        phrase(6, "the sea", "0", ("scene", "other")),
    )
    two_boxes: tuple[Box, ...] = ((0.25, 0.25, 0.75, 0.75), (0.0, 0.0, 0.5, 1.0))
    assert sentence.caption == "A dog near the man and the sea ."
    assert sentence.phrases == (
        Phrase(0, 2, ("animals",), two_boxes, "1"),
        Phrase(3, 5, ("other",), (), "2"),  # its one box lies outside the photo
        Phrase(6, 8, ("scene", "other"), (), "0"),  # a chain without boxes
    )


def test_a_phrase_of_punctuation_alone_is_passed_over(tmp_path: Path) -> None:
    assert load_one(tmp_path, "A dog , running .", phrase(2, ",")).phrases == ()


def test_a_folder_without_the_file_has_no_phrases(tmp_path: Path) -> None:
    assert load_phrases(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        "[{",
        "[]",
        '{"a.jpg": []}',
        '{"a.jpg": {"width": 4, "height": 4, "boxes": {}}}',
        '{"a.jpg": {"width": 4, "height": 4, "boxes": {"1": [[0, 0, 2]]}, "sentences": []}}',
        '{"a.jpg": {"width": 0, "height": 4, "boxes": {"1": [[0, 0, 2, 2]]}, "sentences": []}}',
        '{"a.jpg": {"width": null, "height": 4, "boxes": {}, "sentences": []}}',
    ],
)
def test_a_file_of_another_shape_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILENAME).write_text(content)
    with pytest.raises(DataError, match=r"phrase_boxes\.json is not a file of phrase boxes"):
        load_phrases(tmp_path)


def test_a_phrase_that_runs_past_its_caption_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a file of phrase boxes"):
        load_one(tmp_path, "A dog .", phrase(1, "dog in the sea"))


@pytest.mark.parametrize(("first", "end"), [(2, 2), (3, 2), (-1, 2)])
def test_a_phrase_has_words(first: int, end: int) -> None:
    with pytest.raises(DataError, match="a phrase of one word or more"):
        Phrase(first, end)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ((10, 20, 30, 60), (0.25, 0.25, 0.75, 0.75)),
        ((-4, 40, 50, 90), (0.0, 0.5, 1.0, 1.0)),
        ((40, 0, 60, 80), None),
        ((10, 20, 10, 60), None),
        ((30, 20, 10, 60), None),
    ],
)
def test_pixels_become_shares_cut_at_the_edges(pixels: Box, expected: Box | None) -> None:
    assert unit_box(pixels, 40, 80) == expected


def test_labels_keep_their_order_and_their_boxes() -> None:
    record = {
        "width": 40,
        "height": 80,
        "labels": ["cat", "hair drier", "cup"],
        "boxes": [[0, 0, 20, 40, "cup"], [10, 20, 30, 60, "cat"], [0, 0, 40, 80, "cup"], [50, 0, 60, 9, "cat"]],
    }
    assert read_labels(record) == (
        Label("cat", ((0.25, 0.25, 0.75, 0.75),)),
        Label("hair drier"),
        Label("cup", ((0.0, 0.0, 0.5, 0.5), (0.0, 0.0, 1.0, 1.0))),
    )


def test_boxes_of_another_photo_are_left_out() -> None:
    record = {
        "labels": ["person", "clock"],
        "width": 40,
        "height": 80,
        "boxes": [[0, 0, 20, 40, "person"], [10, 20, 30, 60, "laptop"]],
    }
    assert read_labels(record) == (Label("person"), Label("clock"))


@pytest.mark.parametrize("record", [{}, {"labels": None, "boxes": None}, {"labels": [], "boxes": []}])
def test_a_record_without_labels_has_none(record: dict[str, Any]) -> None:
    assert read_labels(record) == ()


@pytest.mark.parametrize(
    "record",
    [
        {"filename": "a.jpg", "labels": ["cat"], "boxes": [[0, 0, 2, 2, "cat"]]},  # of what size?
        {"filename": "a.jpg", "labels": ["cat"], "width": 4, "height": 4, "boxes": [[0, 0, "cat"]]},
        {"filename": "a.jpg", "labels": ["cat"], "width": 4, "height": 0, "boxes": [[0, 0, 2, 2, "cat"]]},
        {"filename": "a.jpg", "labels": ["cat"], "width": 4, "height": 4, "boxes": [7]},
    ],
)
def test_labels_of_another_shape_are_an_error(record: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: its boxes are not"):
        read_labels(record)
