"""The boxes drawn on the example photos."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builders import photo
from captioner.photo import open_photo
from demo.boxes import BOXES_FILE, Box, boxes_of, read_boxes
from demo.examples import list_examples, recorded_view


def test_an_example_is_recognised_by_its_pixels(tmp_path: Path) -> None:
    for example in list_examples():
        copy = tmp_path / "renamed.jpg"
        copy.write_bytes(example.path.read_bytes())
        boxes = boxes_of(open_photo(copy))
        assert boxes == read_boxes(BOXES_FILE)[example.path.stem]
        assert boxes


def test_any_other_photo_has_no_boxes() -> None:
    assert boxes_of(photo()) == {}
    cat = next(example for example in list_examples() if example.path.stem == "cat")
    assert boxes_of(open_photo(cat.path).resize((400, 300))) == {}


def test_the_page_opens_with_the_boxes_of_its_recorded_example() -> None:
    view = recorded_view(list_examples())
    assert view is not None
    assert view["boxes"]["camera"]


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def test_boxes_of_one_word_do_not_overlap_so_that_their_shares_add_up() -> None:
    for words in read_boxes(BOXES_FILE).values():
        for boxes in words.values():
            assert not any(overlap(a, b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize("box", [[0.5, 0, 0.5, 1], [0, 0, 1.1, 1], [-0.1, 0, 1, 1], [0, 0, 1], [0, float("nan"), 1, 1]])
def test_what_is_no_box_is_refused(tmp_path: Path, box: list[float]) -> None:
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps({"cat": {"cat": [box]}}))
    with pytest.raises(ValueError, match="cat, cat: expected"):
        read_boxes(file)


def test_without_a_file_there_are_no_boxes(tmp_path: Path) -> None:
    assert read_boxes(tmp_path / "none.json") == {}
