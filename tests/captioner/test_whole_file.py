"""Files are seen whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioner.errors import RecordError
from captioner.whole_file import write_whole


@pytest.mark.parametrize(("content", "written"), [("café", b"caf\xc3\xa9"), (b"\x00\xff", b"\x00\xff"), ("", b"")])
def test_text_and_bytes_take_the_place_of_what_was_there(content: str | bytes, written: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write_whole(path, content)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(RecordError, match="could not be written"):
        write_whole(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("problem", [OSError("no room"), KeyboardInterrupt()])
def test_a_stopped_write_leaves_the_old_file(
    problem: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, "old")
    before = path.read_bytes()

    def refuse(_self: Path, _mode: int) -> None:
        raise problem

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(RecordError if isinstance(problem, OSError) else KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
