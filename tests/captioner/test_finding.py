"""Which photos are found in what people name: files, folders and patterns; what is skipped, and that it is said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import photo, photo_bytes
from captioner.errors import PhotoError
from captioner.finding import FoundPhotos, expand, find_photos, is_photo_name
from captioner.photo import PhotoSettings
from captioner.serving.dataset import open_rows


def names(found: FoundPhotos, folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in found.photos]


def make(folder: Path, *files: str) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"whatever")
    return folder


ENDINGS = (
    *("jpg", "jpeg", "jpe", "jfif", "jif", "jfi", "pjpeg", "pjp", "mpo", "png", "apng", "webp", "gif", "bmp", "dib"),
    *("tif", "tiff", "dng", "heic", "heics", "heif", "heifs", "hif", "avif", "avifs"),
)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_kind_of_photo_is_found_in_small_and_capital_letters(tmp_path: Path, ending: str) -> None:
    folder = make(tmp_path, f"a.{ending}", f"b.{ending.upper()}", f"c.{ending.title()}", f"{ending}", f"d.{ending}.txt")
    found = find_photos([folder])
    assert names(found, folder) == [f"a.{ending}", f"b.{ending.upper()}", f"c.{ending.title()}"]
    assert {path.name for path in found.others} == {ending, f"d.{ending}.txt"}


def test_folders_are_searched_by_name_and_files_taken_as_given(tmp_path: Path) -> None:
    folder = make(tmp_path, "b.jpg", "a.png", "c/2.JPG", "c/1.jpg", "c.jpg/x.gif", "notes.txt")
    found = find_photos([folder])
    assert names(found, folder) == ["a.png", "b.jpg", "c/1.jpg", "c/2.JPG", "c.jpg/x.gif"]
    given = [folder / "notes.txt", folder / "b.jpg", folder / "b.jpg"]
    assert find_photos(given) == FoundPhotos(tuple(given))


def test_what_a_mac_leaves_beside_photos_is_skipped(tmp_path: Path) -> None:
    folder = make(tmp_path, "a.jpg", "._a.jpg", "__MACOSX/._b.HEIC", ".DS_Store", ".hidden.jpg")
    found = find_photos([folder])
    assert names(found, folder) == [".hidden.jpg", "a.jpg"]
    assert found.told_skipped() == f"skipped 3 files not named like photos, such as {folder / '.DS_Store'}"
    assert not is_photo_name(Path("._a.jpg"))
    assert find_photos([folder / "._a.jpg"]).photos == (folder / "._a.jpg",)  # whoever names it means it


def test_what_is_skipped_is_said_with_an_example(tmp_path: Path) -> None:
    folder = make(tmp_path, "a.jpg", "Thumbs.db", ".nomedia", "a\nb.txt")
    assert find_photos([folder]).told_skipped() == (
        f"skipped 3 files not named like photos, such as {folder / 'Thumbs.db'}"
    )
    (folder / "Thumbs.db").unlink()
    (folder / ".nomedia").unlink()
    assert (
        find_photos([folder])
        .told_skipped()
        .endswith("skipped 1 file not named like photos, such as " + str(folder / "a\\nb.txt"))
    )
    (folder / "a\nb.txt").unlink()
    assert find_photos([folder]).told_skipped() == ""


def test_links_to_folders_are_not_followed_but_said_and_those_to_files_are_photos(tmp_path: Path) -> None:
    folder = make(tmp_path / "album", "a.jpg")
    (folder / "round").symlink_to(folder)
    (folder / "gone.jpg").symlink_to(tmp_path / "nowhere")
    found = find_photos([folder])
    assert names(found, folder) == ["a.jpg", "gone.jpg"]  # opening it says what is wrong with it
    assert found.told_skipped() == f"skipped 1 folder behind a link or not readable, such as {folder / 'round'}"
    assert find_photos([folder / "gone.jpg"]).photos == (folder / "gone.jpg",)


def refusing(refused: Path) -> Callable[[Any], Any]:
    """`os.scandir` for somebody who may not look into one folder."""
    scan = os.scandir

    def scandir(place: Any) -> Any:
        if Path(place) == refused:
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    return scandir


def test_folders_that_may_not_be_read_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path, "a.jpg", "private/b.jpg")
    monkeypatch.setattr(os, "scandir", refusing(folder / "private"))
    found = find_photos([folder])
    assert names(found, folder) == ["a.jpg"]
    assert found.told_skipped() == f"skipped 1 folder behind a link or not readable, such as {folder / 'private'}"
    with pytest.raises(PhotoError, match="private cannot be read: choose a folder whose files you may list"):
        find_photos([folder / "private"])


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ((), "holds no photo: it has no files$"),
        (("a/b/c/d.txt",), r"holds no photo: of 1 file, such as d\.txt, none is named like one \(\.apng, \.avif, "),
        (("._a.jpg", "b", "c"), "holds no photo: of 3 files, such as b, none is named like one"),
    ],
)
def test_a_folder_without_photos_is_refused(tmp_path: Path, files: tuple[str, ...], reason: str) -> None:
    empty, full = make(tmp_path / "empty", *files), make(tmp_path / "full", "a.jpg")
    empty.mkdir(exist_ok=True)
    with pytest.raises(PhotoError, match=f"empty {reason}"):
        find_photos([full, empty])


def test_patterns_match_as_a_shell_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "b.jpg", "a.jpg", ".hidden.jpg", "._a.jpg", "c.png", "sub/d.jpg", "sub/deep/e.jpg", "10.jpg")
    monkeypatch.chdir(tmp_path)

    def matched(pattern: str) -> list[str]:
        return [path.as_posix() for path in find_photos([Path(pattern)]).photos]

    assert matched("*.jpg") == ["10.jpg", "a.jpg", "b.jpg"]
    assert matched("?.jpg") == ["a.jpg", "b.jpg"]
    assert matched("[bc].*") == ["b.jpg", "c.png"]
    assert matched("*/d.jpg") == ["sub/d.jpg"]
    assert matched("**/*.jpg") == ["10.jpg", "a.jpg", "b.jpg", "sub/d.jpg", "sub/deep/e.jpg"]
    assert matched("su*") == ["sub/d.jpg", "sub/deep/e.jpg"]  # a folder is searched
    assert matched(str(tmp_path / "*.png")) == [(tmp_path / "c.png").as_posix()]
    assert expand([Path("c.png"), Path("?.jpg")]) == [Path("c.png"), Path("a.jpg"), Path("b.jpg")]


def test_names_that_exist_are_no_patterns(tmp_path: Path) -> None:
    folder = make(tmp_path / "trip [2024]", "photo[1].jpg", "photo1.jpg", "*.jpg")
    assert find_photos([folder / "photo[1].jpg"]).photos == (folder / "photo[1].jpg",)
    assert find_photos([folder / "*.jpg"]).photos == (folder / "*.jpg",)
    (folder / "*.jpg").unlink()
    assert names(find_photos([folder / "*.jpg"]), folder) == ["photo1.jpg", "photo[1].jpg"]


@pytest.mark.parametrize("pattern", ["*.jpg", "nowhere/*.jpg", "file.txt/*.jpg", "[", "*"])
def test_a_pattern_that_matches_nothing_is_said(tmp_path: Path, pattern: str) -> None:
    place = tmp_path / "x" / pattern
    make(tmp_path / "x", *(("file.txt",) if "file" in pattern else ()))
    with pytest.raises(PhotoError, match=r"matches no file: check the pattern, or name the files"):
        find_photos([place])
    assert expand([place]) == [place]


def test_what_is_missing_is_said_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match=r"a\\nb\.jpg was not found: check the path$"):
        find_photos([tmp_path / "a\nb.jpg"])
    longer = tmp_path / ("x" * 300 + ".jpg")
    assert find_photos([longer]).photos == (longer,)  # opening it says that it cannot be read


def test_what_a_mac_left_in_a_bucket_is_no_row_of_a_cluster() -> None:
    paths, content = ["b/._a.png", "b/a.png"], photo_bytes(photo(40, 30))
    rows = {"path": paths, "bytes": [b"\0\5\x16\7", content]}
    opened = open_rows(rows, PhotoSettings(size=64, detail=None), "s3://")
    assert opened == {"photo": ["s3://b/a.png"], "side": [64], "square": opened["square"], "error": [None]}
    assert [error is None for error in open_rows(rows, PhotoSettings(), "")["error"]] == [False, True]  # as named
