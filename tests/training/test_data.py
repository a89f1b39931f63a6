"""Data folders: both layouts, labels and phrases, several as one, and everything that can be wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import photo
from captioner.errors import DataError
from captioner.training.data import load_data, load_folders
from captioner.training.phrases import FILENAME, Label, Phrase, Sentence


def write_folder(folder: Path, content: Any, photos: tuple[str, ...], name: str = "captions.json") -> Path:
    (folder / "images").mkdir(parents=True)
    for filename in photos:
        photo(16, 12).save(folder / "images" / filename)
    (folder / name).write_text(json.dumps(content))
    return folder


def record(filename: str, split: str = "train", captions: tuple[str, ...] = ("A dog .",)) -> dict[str, Any]:
    return {"filename": filename, "split": split, "width": 16, "height": 12, "captions": list(captions)}


def test_captions_json_keeps_the_order_of_the_file(tmp_path: Path) -> None:
    content = [record("b.png", "val", ("One .", "Two .")), record("a.png")]
    data = load_data(write_folder(tmp_path / "d", content, ("a.png", "b.png")))
    assert [example.filename for example in data.examples] == ["b.png", "a.png"]
    assert data.split("val")[0].captions == ("One .", "Two .")
    assert data.split("train")[0].path == tmp_path / "d" / "images" / "a.png"


def test_karpathy_json_is_read_and_restval_counts_as_train(tmp_path: Path) -> None:
    content = {
        "dataset": "tiny",
        "images": [
            {"filename": "a.png", "split": "restval", "sentences": [{"raw": "A dog.", "tokens": ["a", "dog"]}]},
            {"filename": "b.png", "split": "test", "sentences": [{"tokens": ["two", "men"]}]},
        ],
    }
    data = load_data(write_folder(tmp_path / "d", content, ("a.png", "b.png"), "dataset_tiny.json"))
    assert [example.split for example in data.examples] == ["train", "test"]
    assert data.examples[1].captions == ("two men",)


def test_karpathy_filepath_is_a_folder_below_the_photos(tmp_path: Path) -> None:
    content = {"images": [{"filename": "a.png", "filepath": "val2014", "split": "val", "sentences": [{"raw": "A ."}]}]}
    folder = write_folder(tmp_path / "d", content, (), "k.json")
    (folder / "images" / "val2014").mkdir()
    photo(9, 9).save(folder / "images" / "val2014" / "a.png")
    assert load_data(folder).examples[0].path == folder / "images" / "val2014" / "a.png"


def labelled(filename: str, *labels: str, boxes: Any = ()) -> dict[str, Any]:
    return {**record(filename, captions=()), "kind": "labels", "labels": list(labels), "boxes": list(boxes)}


def test_photos_known_by_labels_alone_are_passed_over_unless_asked_for(tmp_path: Path) -> None:
    content = [labelled("l.png", "cat", "cup", boxes=[[4, 3, 8, 12, "cup"]]), record("a.png")]
    folder = write_folder(tmp_path / "d", content, ("a.png", "l.png"))
    assert [example.filename for example in load_data(folder).examples] == ["a.png"]
    photo_of_labels, captioned = load_data(folder, labelled=True).examples
    assert (photo_of_labels.captions, captioned.captions) == ((), ("A dog .",))
    assert photo_of_labels.labels == (Label("cat"), Label("cup", ((0.25, 0.25, 0.5, 1.0),)))
    assert captioned.labels == ()


def test_captioned_photos_keep_their_labels(tmp_path: Path) -> None:
    content = [{**record("a.png"), "kind": "human", "labels": ["dog"], "boxes": [[0, 0, 8, 12, "dog"]]}]
    (example,) = load_data(write_folder(tmp_path / "d", content, ("a.png",))).examples
    assert example.labels == (Label("dog", ((0.0, 0.0, 0.5, 1.0),)),)


def test_boxes_that_name_more_than_the_labels_are_anothers(tmp_path: Path) -> None:
    own = {"kind": "human", "squashed": True, "boxes_of": "person only", "source": "somewhere", "labels": ["dog"]}
    content = [{**record("a.png"), **own, "boxes": [[0, 0, 4, 6, "person"], [0, 0, 8, 12, "dog"]]}]
    (example,) = load_data(write_folder(tmp_path / "d", content, ("a.png",))).examples
    assert example.labels == (Label("dog"),)


def test_phrases_come_to_their_photo(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "d", [record("a.png"), record("b.png")], ("a.png", "b.png"))
    phrase = {"first_word": 0, "phrase": "A dog", "chain": "7", "types": ["animals"]}
    sentences = [{"caption": "A dog .", "phrases": [phrase]}]
    told = {"b.png": {"width": 16, "height": 12, "boxes": {"7": [[4, 3, 8, 12]]}, "sentences": sentences}}
    (folder / FILENAME).write_text(json.dumps(told))
    plain, annotated = load_data(folder).examples
    assert plain.sentences == ()
    boxes = ((0.25, 0.25, 0.5, 1.0),)
    assert annotated.sentences == (Sentence("A dog .", (Phrase(0, 2, ("animals",), boxes, "7"),)),)


def test_folders_are_read_one_after_another_and_named(tmp_path: Path) -> None:
    first = write_folder(tmp_path / "first", [record("b.png", "val"), record("a.png")], ("a.png", "b.png"))
    second = write_folder(tmp_path / "second", [labelled("l.png", "cat"), record("c.png")], ("c.png", "l.png"))
    data = load_folders([first, second], labelled=True)
    assert [(example.filename, example.source) for example in data.examples] == [
        ("b.png", "first"),
        ("a.png", "first"),
        ("l.png", "second"),
        ("c.png", "second"),
    ]
    assert data.examples[3].path == second / "images" / "c.png"
    assert len(data.split("train")) == 3
    assert len(load_folders([first, second]).split("train")) == 2


def test_a_photo_in_two_folders_is_refused(tmp_path: Path) -> None:
    folders = [write_folder(tmp_path / name, [record("a.png")], ("a.png",)) for name in ("first", "second")]
    with pytest.raises(DataError, match=r"a\.png is listed twice"):
        load_folders(folders)


def test_a_folder_of_labels_alone_cannot_be_learnt_from(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "d", [labelled("l.png", "cat")], ("l.png",))
    with pytest.raises(DataError, match="holds no captioned photo"):
        load_data(folder, labelled=True)


def test_what_is_wrong_with_labels_is_said(tmp_path: Path) -> None:
    bare = write_folder(tmp_path / "bare", [record("a.png"), labelled("l.png")], ("a.png", "l.png"))
    with pytest.raises(DataError, match=r"l\.png has no caption"):
        load_data(bare, labelled=True)
    odd = write_folder(tmp_path / "odd", [record("a.png"), labelled("l.png", "cat", boxes=[[1, 2, "cat"]])], ("a.png",))
    with pytest.raises(DataError, match=r"l\.png: its boxes are not"):
        load_data(odd, labelled=True)


@pytest.mark.parametrize(
    ("content", "photos", "message"),
    [
        ([], (), "no captioned photo"),
        ({"pictures": []}, (), "neither a list"),
        ([1, 2], (), "neither a list"),
        ([record("a.png")], (), "has captions but no photo"),
        ([record("a.png", captions=())], ("a.png",), "a.png has no caption"),
        ([record("a.png", captions=("  ",))], ("a.png",), "a.png has no caption"),
        ([record("a.png", "dev")], ("a.png",), "got 'dev'"),
        ([record("a.png"), record("a.png")], ("a.png",), "listed twice"),
        ([{"split": "train"}], (), "no filename"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: Any, photos: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_data(write_folder(tmp_path / "d", content, photos))


def test_missing_empty_ambiguous_and_broken_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        load_data(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none"):
        load_data(tmp_path)
    (tmp_path / "one.json").write_text("[]")
    (tmp_path / "two.json").write_text("[]")
    with pytest.raises(DataError, match=r"found one\.json, two\.json"):
        load_data(tmp_path)
    (tmp_path / "captions.json").write_text("[{")
    with pytest.raises(DataError, match="no readable JSON"):
        load_data(tmp_path)


def test_an_empty_or_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    data = load_data(write_folder(tmp_path / "d", [record("a.png")], ("a.png",)))
    with pytest.raises(DataError, match="choose out of train"):
        data.split("test")
    with pytest.raises(DataError, match="got 'training'"):
        data.split("training")
