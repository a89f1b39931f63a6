"""Data folders: both layouts, and everything that can be wrong with one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from builders import photo
from captioner.errors import DataError
from captioner.training.data import load_data


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


def test_photos_known_by_labels_alone_are_passed_over(tmp_path: Path) -> None:
    labelled = {"filename": "l.png", "split": "train", "kind": "labels", "captions": [], "labels": ["cat"]}
    data = load_data(write_folder(tmp_path / "d", [record("a.png"), labelled], ("a.png",)))
    assert [example.filename for example in data.examples] == ["a.png"]


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
