"""Names that are no UTF-8, longer than a file system takes, or more than one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captioner import names
from captioner.names import free_stem, plain, shown, utf8_path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("사진 😀.jpg", "사진 😀.jpg"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"),
        ("\udced\udc95\udc9c.jpg", "한.jpg"),  # what an ASCII locale makes of UTF-8
        ("half \ud83d.jpg", "half \\ud83d.jpg"),  # as Windows allows
        (Path("a") / "b.jpg", str(Path("a") / "b.jpg")),
    ],
)
def test_a_name_becomes_text_that_utf8_holds(text: str | Path, told: str) -> None:
    assert plain(text) == told
    assert shown(text) == told
    assert plain(told) == told


def test_a_shown_name_is_one_line_and_moves_no_cursor() -> None:
    assert plain("a\nb\x1b[2J\u2028\x85.jpg") == "a\nb\x1b[2J\u2028\x85.jpg"
    assert shown("a\nb\x1b[2J\u2028\x85.jpg") == "a\\nb\\x1b[2J\\u2028\\x85.jpg"
    assert shown("👩\u200d🚀 né.jpg") == "👩\u200d🚀 né.jpg"  # what joins an emoji is no control character


@pytest.mark.parametrize("letter", ["x", "é", "한", "😀"])
def test_a_stem_leaves_room_for_the_endings(tmp_path: Path, letter: str) -> None:
    stem = letter * (251 // len(letter.encode()))
    made = []
    for number in range(1, 12):
        made.append(free_stem(tmp_path, stem, (".png", ".json")))
        (tmp_path / f"{made[-1]}.png").touch()
        (tmp_path / f"{made[-1]}.json").touch()
        tail = "" if number == 1 else f"-{number}"
        assert made[-1].removesuffix(tail).strip(letter) == ""  # whole letters
        assert 255 - len(letter.encode()) < len(f"{made[-1]}.json".encode()) <= 255 or letter != "x"
    assert len(set(made)) == 11


def test_a_stem_that_fits_stays_and_is_numbered_when_taken(tmp_path: Path) -> None:
    assert free_stem(tmp_path, "beach", (".png", ".json")) == "beach"
    (tmp_path / "beach.json").touch()
    assert free_stem(tmp_path, "beach", (".png", ".json")) == "beach-2"


def test_file_systems_with_shorter_names_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pathconf", lambda folder, name: {"PC_NAME_MAX": 143}[name])
    assert free_stem(tmp_path, "x" * 251, (".png", ".json")) == "x" * 138

    def refuse(folder: Path, name: str) -> int:
        raise OSError(f"{name} of {folder} is not known")

    monkeypatch.setattr(os, "pathconf", refuse)
    assert free_stem(tmp_path, "x" * 300, (".png",)) == "x" * (names.LONGEST_NAME - 4)


def test_libraries_get_a_path_of_utf8_or_a_link(tmp_path: Path) -> None:
    usual, odd = tmp_path / "사진.bin", tmp_path / os.fsdecode(b"caf\xe9.bin")
    with utf8_path(usual) as path:
        assert path == usual
    try:
        odd.write_bytes(b"here")
    except OSError:
        pytest.skip("this file system holds no such names")
    with utf8_path(odd) as path:
        assert str(path).encode()
        assert path.read_bytes() == b"here"
    assert not path.is_symlink()
    assert odd.read_bytes() == b"here"
