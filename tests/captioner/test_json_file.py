"""JSON as editors save it: every encoding of Unicode with and without its mark, for every file that people write."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import caption, description, photo
from captioner.description import Description
from captioner.errors import CaptionerError
from captioner.json_file import read_json
from captioner.learning import Learning, Moment, Telling
from captioner.training.data import load_data
from captioner.training.phrases import FILENAME, load_phrases
from captioner.tutorial.convert import read_word_map

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")
WORDS = {"<pad>": 0, "개": 1, "kök": 2, "<unk>": 3, "<start>": 4, "<end>": 5}


def captions(folder: Path, name: str = "captions.json", karpathy: bool = False) -> tuple[Path, Any]:
    """A data folder without its JSON file: that file's path and content."""
    (folder / "images").mkdir()
    photo(16, 12).save(folder / "images" / "개.png")
    record = {"filename": "개.png", "split": "val", "captions": ["두 마리 개"]}
    told = {"filename": "개.png", "split": "val", "sentences": [{"raw": "두 마리 개"}]}
    return folder / name, {"images": [told]} if karpathy else [record]


def word_map(folder: Path) -> tuple[Any, Callable[[], object], object]:
    path = folder / "WORDMAP.json"
    return (path, WORDS), lambda: read_word_map(path).tokens, tuple(WORDS)


def captions_json(folder: Path) -> tuple[Any, Callable[[], object], object]:
    return captions(folder), lambda: load_data(folder).examples[0].captions, ("두 마리 개",)


def karpathy(folder: Path) -> tuple[Any, Callable[[], object], object]:
    file = captions(folder, "dataset_개.json", karpathy=True)
    return file, lambda: load_data(folder).examples[0].captions, ("두 마리 개",)


def phrase_boxes(folder: Path) -> tuple[Any, Callable[[], object], object]:
    told = {"개.png": {"width": 4, "height": 4, "boxes": {}, "sentences": [{"caption": "개", "phrases": []}]}}
    return (folder / FILENAME, told), lambda: load_phrases(folder)["개.png"][0].caption, "개"


def record(folder: Path) -> tuple[Any, Callable[[], object], object]:
    kept = {**description().to_record(), "model": "모델"}
    return (folder / "r.json", kept), lambda: Description.load(folder / "r.json").model, "모델"


def learning(folder: Path) -> tuple[Any, Callable[[], object], object]:
    told = Learning(("개.jpg",), (2, 3), 8, "nothing", (Moment((Telling.of(caption()),), 0),))
    return (folder / "l.json", json.loads(told.to_json())), lambda: Learning.load(folder / "l.json").photos, ("개.jpg",)


READERS = (word_map, captions_json, karpathy, phrase_boxes, record, learning)


@pytest.mark.parametrize("reader", READERS)
def test_every_file_of_people_is_read_in_every_encoding_of_unicode(
    tmp_path: Path, reader: Callable[[Path], tuple[tuple[Path, Any], Callable[[], object], object]]
) -> None:
    (path, content), read, expected = reader(tmp_path)
    for encoding in ENCODINGS:
        path.write_bytes(json.dumps(content, ensure_ascii=False, indent=1).replace("\n", "\r\n").encode(encoding))
        assert read() == expected, encoding
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode("cp949", errors="replace"))
    with pytest.raises(CaptionerError):
        read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": "가"}'.encode("cp949"), "in another encoding than Unicode: save it as UTF-8"),
        ('{"a": "é"}'.encode("cp1252"), "in another encoding than Unicode: save it as UTF-8"),
        (codecs.BOM_UTF16_LE + b"{", "in another encoding than Unicode: save it as UTF-8"),  # half a letter
        (b"[" * 200_000, "nested too deeply"),
        (b"", "Expecting value"),
        (codecs.BOM_UTF8, "Expecting value"),
        (b"{'a': 1}", "property name"),
    ],
)
def test_what_is_no_json_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_json(path)


def test_the_sentence_of_the_command_says_how_to_save(tmp_path: Path) -> None:
    path = tmp_path / "WORDMAP.json"
    path.write_bytes(json.dumps(WORDS, ensure_ascii=False).encode("cp949", errors="replace"))
    with pytest.raises(CaptionerError, match=r"WORDMAP\.json is no readable word map \(.*save it as UTF-8\)"):
        read_word_map(path)


def test_a_karpathy_file_may_have_neighbours_that_are_none(tmp_path: Path) -> None:
    path, content = captions(tmp_path, "DATASET.JSON", karpathy=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (tmp_path / FILENAME).write_text("{}", encoding="utf-8")
    assert [example.filename for example in load_data(tmp_path).examples] == ["개.png"]


def test_what_a_mac_left_beside_photos_is_no_photo_of_a_data_set(tmp_path: Path) -> None:
    path, content = captions(tmp_path)
    (tmp_path / "images" / "._개.png").write_bytes(b"\0\5\x16\7")
    path.write_text(json.dumps([{**content[0], "filename": "._개.png"}, *content]), encoding="utf-8")
    assert [example.filename for example in load_data(tmp_path).examples] == ["개.png"]
