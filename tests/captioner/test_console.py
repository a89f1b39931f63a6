"""The command line on consoles that lack letters, with names that are no text, and readers who go away."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import app
from builders import photo, tiny_checkpoint
from captioner.__main__ import main
from captioner.checkpoint import load_checkpoint, save_checkpoint
from captioner.description import Description

ROOT = Path(__file__).parents[2]
NAMES = ("사진", "😀", "né", "a\nb", os.fsdecode(b"caf\xe9"))
SHOWN = {  # as a console of Western Europe shows them, and one of ASCII
    "cp1252": ("\\uc0ac\\uc9c4", "\\U0001f600", "né", "a\\nb", "caf\\xe9"),
    "ascii": ("\\uc0ac\\uc9c4", "\\U0001f600", "n\\xe9", "a\\nb", "caf\\xe9"),
    "utf-8": ("사진", "😀", "né", "a\\nb", "caf\\xe9"),
}


@dataclass(frozen=True)
class Console:
    """Standard output and errors in one encoding, strict as Python opens them."""

    encoding: str
    output: io.BytesIO
    errors: io.BytesIO

    def text(self) -> str:
        return self.output.getvalue().decode(self.encoding)

    def problems(self) -> str:
        return self.errors.getvalue().decode(self.encoding)


Open = Callable[[str], Console]


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    with monkeypatch.context() as patch:

        def replace(encoding: str) -> Console:
            opened = Console(encoding, io.BytesIO(), io.BytesIO())
            for name, kept in (("stdout", opened.output), ("stderr", opened.errors)):
                patch.setattr(sys, name, io.TextIOWrapper(kept, encoding, "strict", newline="\n", write_through=True))
            return opened

        yield replace


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of all NAMES, and a file of each that is no photo."""
    place = tmp_path / "photos"
    place.mkdir()
    photo(60, 40).save(tmp_path / "one.png")
    try:
        for name in NAMES:
            shutil.copy(tmp_path / "one.png", place / f"{name}.png")
            (place / f"{name}.jpg").write_bytes(b"no photo")
    except OSError:
        pytest.skip("this file system holds no such names")
    return place


def files(folder: Path, ending: str) -> list[str]:
    return [str(folder / f"{name}{ending}") for name in NAMES]


@pytest.mark.parametrize("encoding", SHOWN)
def test_a_table_names_every_photo_on_any_console(console: Open, model: Path, folder: Path, encoding: str) -> None:
    seen = console(encoding)
    given = [*files(folder, ".png"), *files(folder, ".jpg")]
    assert main(["caption", *given, "--checkpoint", str(model), "--beam-width", "1"]) == 2
    lines = seen.text().splitlines()
    assert lines[::3] == [str(folder / f"{name}.png") for name in SHOWN[encoding]]
    assert [line.split()[0] for line in lines[2::3]] == ["1"] * 5
    assert seen.problems().count("cannot be recognised") == 5
    assert len(seen.problems().splitlines()) == 5


@pytest.mark.parametrize("encoding", SHOWN)
def test_json_stays_json_on_any_console(console: Open, model: Path, folder: Path, encoding: str) -> None:
    seen = console(encoding)
    assert main(["caption", *files(folder, ".png"), "--checkpoint", str(model), "--json", "--beam-width", "1"]) == 0
    told = [json.loads(line) for line in seen.output.getvalue().decode("ascii").splitlines()]
    assert [Path(line["photo"]).name for line in told] == [
        "사진.png",
        "😀.png",
        "né.png",
        "a\nb.png",
        "caf\\xe9.png",
    ]


@pytest.mark.parametrize("name", ["사진.jsonl", "사진.parquet", f"{NAMES[4]}.parquet"])
def test_a_collection_of_odd_names_goes_on(console: Open, model: Path, folder: Path, tmp_path: Path, name: str) -> None:
    seen = console("cp1252")
    arguments = ["caption", str(folder), "--checkpoint", str(model), "--batch", str(tmp_path / name)]
    assert main(arguments) == 0
    assert main([*arguments, "--retry"]) == 0
    written = f"{tmp_path / name}".encode("cp1252", errors="backslashreplace").decode("cp1252")
    assert seen.text().splitlines() == [
        f"5 captioned, 5 refused, 0 there already: {written}",
        f"0 captioned, 5 refused, 5 there already: {written}",
    ]


def test_sheets_and_records_are_saved_under_odd_names(console: Open, model: Path, folder: Path, tmp_path: Path) -> None:
    console("ascii")
    out = tmp_path / NAMES[4]
    assert main(["caption", *files(folder, ".png"), "--checkpoint", str(model), "--save", str(out)]) == 0
    made = {f"{name}{ending}" for name in NAMES for ending in (".png", ".json")}
    assert {path.name for path in out.iterdir()} == made
    assert Description.load(out / f"{NAMES[4]}.json").model == "tiny"


@pytest.mark.parametrize("letter", ["x", "한"])
def test_a_name_as_long_as_the_file_system_takes_can_be_saved(
    console: Open, model: Path, tmp_path: Path, letter: str
) -> None:
    console("utf-8")
    stem = letter * (251 // len(letter.encode()))
    photo(60, 40).save(tmp_path / f"{stem}.jpg")
    out = tmp_path / "out"
    given = [str(tmp_path / f"{stem}.jpg")] * 2
    assert main(["caption", *given, "--checkpoint", str(model), "--save", str(out), "--beam-width", "1"]) == 0
    assert len(list(out.glob("*.png"))) == 2
    for path in out.glob("*.png"):
        assert path.with_suffix(".json").is_file()


def test_other_commands_name_odd_files(console: Open, model: Path, folder: Path, tmp_path: Path) -> None:
    """Written, read, averaged and packed where names are Korean or no text."""
    seen = console("cp1252")
    odd, korean = tmp_path / NAMES[4], tmp_path / "모델"
    for place in (odd, korean):
        place.mkdir()
        shutil.copy(model, place / f"{place.name}.safetensors")
        (place / "메모.txt").touch()
    first, second = (str(place / f"{place.name}.safetensors") for place in (odd, korean))
    assert main(["average", first, second, "--out", str(odd / "평균.safetensors"), "--name", NAMES[4]]) == 0
    assert load_checkpoint(odd / "평균.safetensors").card.name == "caf\\xe9"
    assert main(["push", str(korean), "me/tiny", "--dry-run"]) == 0
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    shutil.copy(folder / "사진.png", data / "images")
    listed = [{"filename": "사진.png", "split": "val", "captions": ["A dog ."]}]
    (data / "captions.json").write_text(json.dumps(listed), encoding="utf-8")
    arguments = ["--tokenizer", "simple", "--beam-width", "1", "--json", str(odd / "점수.json"), "--captions"]
    assert main(["evaluate", "--data", str(data), "--checkpoint", first, *arguments]) == 0
    assert list(json.loads((odd / "점수.json").read_bytes())["captions"]) == ["사진.png"]
    assert seen.text().count("\\ud3c9\\uade0.safetensors") == 1
    assert "\\ubaa8\\ub378.safetensors and a card written from it" in seen.text()
    assert "not sent: \\uba54\\ubaa8.txt" in seen.text()
    assert "caf\\udce9/\\uc810\\uc218.json" in seen.text()


def run(arguments: list[str], folder: Path, **surroundings: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **surroundings}
    command = [sys.executable, "-m", "captioner", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


def test_a_process_in_an_ascii_locale_reads_and_writes_korean(model: Path, folder: Path) -> None:
    done = run(
        ["caption", "사진.png", "a\nb.png", "--checkpoint", str(model), "--beam-width", "1", "--save", "결과"],
        folder,
        LC_ALL="C",
        PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("ascii").splitlines()[::3] == ["\\uc0ac\\uc9c4.png", "a\\nb.png"]
    assert {path.name for path in (folder / "결과").iterdir()} == {"사진.png", "사진.json", "a\nb.png", "a\nb.json"}


def test_a_pipe_is_refused_and_not_waited_for(console: Open, model: Path, tmp_path: Path) -> None:
    seen = console("utf-8")
    os.mkfifo(tmp_path / "a.jpg")
    assert main(["caption", str(tmp_path / "a.jpg"), "--checkpoint", str(model)]) == 2
    assert "is not a file: give the path of a photo you may read" in seen.problems()


@pytest.mark.parametrize("way", [[], ["--json"], ["--batch", "out.jsonl"], ["--ray", "out"]])
def test_places_without_photos_end_with_a_sentence_and_code_2(
    console: Open, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = console("ascii")
    (tmp_path / "leer").mkdir()
    arguments = ["--checkpoint", str(model), *way]
    for place, said in (
        ("leer", "leer holds no photo: it has no files"),
        ("*.jpg", "*.jpg matches no file: check the pattern, or name the files"),
        ("gone.jpg", "gone.jpg was not found: check the path"),
    ):
        assert main(["caption", place, *arguments]) == 2
        assert seen.problems().splitlines()[-1] == f"captioner: {said}"
    with pytest.raises(SystemExit) as refused:
        main(["caption", "", *arguments])
    assert refused.value.code == 2
    assert "expected the path of a photo, got an empty one" in seen.problems()
    assert seen.text() == ""


def test_folders_and_patterns_are_captioned_and_what_is_skipped_is_said(
    console: Open, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seen = console("ascii")
    Path("album").mkdir()
    for name in ("a.jfif", "b.JPE"):
        photo(60, 40).save(Path("album", name), "JPEG")
    for name in ("._a.jfif", "한.txt"):
        Path("album", name).write_bytes(b"\0\5\x16\7")
    arguments = ["--checkpoint", str(model), "--beam-width", "1"]
    assert main(["caption", "alb*", *arguments]) == 0
    assert seen.text().splitlines()[::3] == ["album/a.jfif", "album/b.JPE"]
    skipped = "captioner: skipped 2 files not named like photos, such as album/\\ud55c.txt\n"
    assert seen.problems() == skipped
    assert main(["caption", "album/*.jf*", "album", *arguments, "--batch", "out.jsonl"]) == 0
    assert seen.text().splitlines()[-1] == "2 captioned, 0 refused, 1 there already: out.jsonl"
    assert seen.problems() == 2 * skipped
    assert main(["average", "tin*.safetensors", "--out", "mean.safetensors"]) == 2
    assert "expected two checkpoints or more" in seen.problems()
    for name in ("tiny-1", "tiny-2"):
        shutil.copy(model, f"{name}.safetensors")
    assert main(["average", "tin*.safetensors", "--out", "mean.safetensors"]) == 0


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("flush", [True, False])
def test_an_output_that_is_full_is_a_sentence(flush: bool) -> None:
    code = "import sys; from captioner.commands import caption; from captioner.__main__ import main\n"
    code += f"caption.run = lambda options: print('x', flush={flush}) or 0\n"
    code += "sys.exit(main(['caption', 'a.jpg']))"
    with FULL.open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    said = "captioner: the disk is full: make room, then give the same command again\n"
    assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.parametrize("errors", [subprocess.PIPE, subprocess.STDOUT])
@pytest.mark.parametrize("arguments", [["--help"], ["convert", "a", "--word-map", "b", "--out", "c"]])
def test_a_reader_who_has_gone_hears_nothing(arguments: list[str], errors: int) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "captioner", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=write, stderr=errors, check=False)
    os.close(write)
    said = b"" if errors == subprocess.STDOUT or arguments == ["--help"] else b"captioner: b is no readable word map"
    assert (done.stderr or b"").startswith(said)
    assert b"Exception" not in (done.stderr or b"")
    assert done.returncode == (2 if said else 0)


def test_no_output_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as `>&-` and pythonw have it
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0


def test_the_page_settles_its_streams_too(console: Open) -> None:
    seen = console("ascii")
    with pytest.raises(SystemExit):
        app.main(["--help"])
    sys.stdout.write("사진")
    sys.stderr.write(NAMES[4])
    assert seen.text().endswith("\\uc0ac\\uc9c4")
    assert seen.problems().endswith("caf\\udce9")
