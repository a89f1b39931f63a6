"""Many photos: what is written, in which order, how it goes on after a stop, and how little is held meanwhile."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet
import pytest

from builders import photo, tiny_captioner, tiny_checkpoint
from captioner.__main__ import main
from captioner.captioner import Captioner
from captioner.checkpoint import save_checkpoint
from captioner.collection import reading, run
from captioner.collection.lines import LineFile
from captioner.collection.options import CollectionOptions, Tally
from captioner.collection.run import caption_collection
from captioner.collection.writing import Line, Writer
from captioner.encoder import FeatureGrid
from captioner.errors import RecordError, SearchError
from captioner.finding import find_photos
from captioner.photo import open_photo
from captioner.search_options import SearchOptions

SEARCH = SearchOptions(widths=(2,))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Seven photos in two folders, and one that is none."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for number in range(7):
        place = folder / "more" if number % 2 else folder
        photo(60 + 10 * number, 50, seed=number).save(place / f"{number}.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    (folder / "notes.txt").write_text("no photo either")
    return list(find_photos([folder]).photos)


def lines_of(out: Path) -> list[Line]:
    """What lies in either kind of store."""
    if out.is_dir():
        rows: list[Line] = pyarrow.parquet.read_table(out).to_pylist()
        return rows
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def many_names(path: Path, folder: Path, count: int) -> list[Path]:
    """One photo under many names, with little on the disk."""
    (folder / "many").mkdir()
    names = [folder / "many" / f"{number:04d}{path.suffix}" for number in range(count)]
    for name in names:
        name.hardlink_to(path)
    return names


def test_photos_are_found_in_folders_within_folders_and_by_name(photos: list[Path], tmp_path: Path) -> None:
    names = [str(path.relative_to(tmp_path / "photos")) for path in photos]
    assert names == ["0.png", "2.png", "4.png", "6.png", "broken.jpg", "more/1.png", "more/3.png", "more/5.png"]


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_photo_has_the_line_it_would_have_alone(photos: list[Path], tmp_path: Path, batch: int) -> None:
    out, captioner = tmp_path / "out.jsonl", tiny_captioner()
    tally = caption_collection(captioner, photos, out, CollectionOptions(SEARCH, batch, maps=True))
    assert tally == Tally(captioned=7, refused=1, kept=0)
    lines = lines_of(out)
    assert [line["photo"] for line in lines] == list(map(str, photos))
    for path, line in zip(photos, lines, strict=True):
        if path.name == "broken.jpg":
            assert line.keys() == {"photo", "error"}
            assert "broken.jpg" in line["error"]
            continue
        alone = captioner.describe(open_photo(path), SEARCH)
        best = alone.at_width(2)
        assert line["caption"] == best[0].text
        assert [caption["text"] for caption in line["captions"]] == [caption.text for caption in best]
        np.testing.assert_allclose(
            [caption["score"] for caption in line["captions"]], [c.score for c in best], atol=1e-4
        )
        np.testing.assert_allclose(line["captions"][0]["probabilities"], best[0].probabilities, atol=1e-4)
        np.testing.assert_allclose(line["attention"], best[0].attention, atol=1e-4)
        assert line["grid"] == list(alone.grid)
        assert line["strangeness"] == alone.strangeness


def test_a_stopped_run_goes_on_and_repeats_nothing(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken, captioner = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl", tiny_captioner()
    options = CollectionOptions(SEARCH, batch=2)
    caption_collection(captioner, photos, whole, options)
    encode, batches = Captioner.encode_pixels, 0

    def stop_at_third(self: Captioner, pixels: Any) -> FeatureGrid:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise KeyboardInterrupt
        return encode(self, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(Captioner, "encode_pixels", stop_at_third)
        with pytest.raises(KeyboardInterrupt):
            caption_collection(captioner, photos, broken, options)
    assert len(lines_of(broken)) == 4  # what was captioned is written
    with broken.open("a") as file:
        file.write('{"photo": "cut sho')  # the machine went off in the middle of a line
    assert caption_collection(captioner, photos, broken, options) == Tally(captioned=3, refused=1, kept=4)
    assert broken.read_bytes() == whole.read_bytes()
    assert caption_collection(captioner, photos, broken, options) == Tally(captioned=0, refused=0, kept=8)


def test_no_more_photos_are_open_than_the_window_holds(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    ahead: list[int] = []
    read, lines, lock = reading._read, run.batch_lines, threading.Lock()
    done = 0

    def counted(path: Path, settings: Any) -> Any:
        with lock:
            opened.append(path)
            ahead.append(len(opened) - done)
        return read(path, settings)

    def counting(captioner: Captioner, batch: Any, options: CollectionOptions) -> list[Line]:
        nonlocal done
        told = lines(captioner, batch, options)
        done += len(batch)
        return told

    monkeypatch.setattr(reading, "_read", counted)
    monkeypatch.setattr(run, "batch_lines", counting)
    many = many_names(photos[0], tmp_path, 40)
    caption_collection(tiny_captioner(), many, tmp_path / "out.jsonl", CollectionOptions(SEARCH, batch=2))
    assert len(opened) == 40
    assert max(ahead) <= 3 * 2


def test_a_file_of_something_else_is_left_alone(photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    for content in ("a diary\n", "[1]\n", '{"other": 1}\n'):
        out.write_text(content)
        with pytest.raises(RecordError, match="choose another file"):
            caption_collection(tiny_captioner(), photos, out, CollectionOptions(SEARCH))
        assert out.read_text() == content
    with pytest.raises(RecordError, match="choose a folder that exists"):
        caption_collection(tiny_captioner(), photos, tmp_path / "none" / "out.jsonl", CollectionOptions(SEARCH))


def write_many(path: Path, count: int) -> None:
    store = LineFile(path)
    store._file = path.open("ab", buffering=0)  # reading /dev/full, as resuming does, would never end
    with Writer(store) as writer:
        for _ in range(count):
            writer.put({"photo": "a"})


def test_a_full_disk_ends_the_run_with_a_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(RecordError, match="make room, then give the same command"):
        write_many(full, 2000)  # more than the queue holds
    with pytest.raises(RecordError, match="make room"):
        write_many(full, 1)


@pytest.fixture
def small_files() -> Any:
    """No file can grow beyond 1,000 bytes; gives a function that ends that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_a_run_goes_on_once_there_is_room(photos: list[Path], tmp_path: Path, small_files: Any, name: str) -> None:
    out, options = tmp_path / name, CollectionOptions(SEARCH, batch=2, part=3)
    with pytest.raises(RecordError, match="make room, then give the same command"):
        caption_collection(tiny_captioner(), photos, out, options)
    small_files()
    assert caption_collection(tiny_captioner(), photos, out, options).kept < 8
    assert sorted(line["photo"] for line in lines_of(out)) == sorted(map(str, photos))


def test_what_else_goes_wrong_in_the_writer_is_told(tmp_path: Path) -> None:
    store = LineFile(tmp_path / "out.jsonl")
    store.resume(retry=False)
    with pytest.raises(TypeError, match="not JSON serializable"), Writer(store) as writer:
        writer.put({"photo": object()})


@pytest.mark.parametrize("maps", [False, True])
def test_parquet_holds_what_json_lines_hold(photos: list[Path], tmp_path: Path, maps: bool) -> None:
    options = CollectionOptions(SEARCH, batch=3, maps=maps, part=3)
    plain, table = tmp_path / "out.jsonl", tmp_path / "out.parquet"
    for out in (plain, table):
        assert caption_collection(tiny_captioner(), photos, out, options) == Tally(captioned=7, refused=1, kept=0)
    assert [part.name for part in sorted(table.iterdir())] == [f"00000{number}.parquet" for number in range(3)]
    rows = lines_of(table)
    nothing = dict.fromkeys(rows[0])
    for row, line in zip(rows, lines_of(plain), strict=True):
        assert rounded(row) == rounded({**nothing, **line})
    assert rows[0]["captions"][0]["probabilities"]
    assert (rows[0]["attention"] is not None) == maps


def rounded(value: Any) -> Any:
    """Numbers as float32 keeps them."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(np.float32(value)) if isinstance(value, float) else value


def test_parquet_goes_on_after_a_stop_and_clears_what_was_half_written(photos: list[Path], tmp_path: Path) -> None:
    out, captioner, options = tmp_path / "out.parquet", tiny_captioner(), CollectionOptions(SEARCH, batch=2, part=3)
    caption_collection(captioner, photos[:4], out, options)
    (out / ".unfinished").write_bytes(b"PAR1 and no more")
    assert caption_collection(captioner, photos, out, options) == Tally(captioned=3, refused=1, kept=4)
    assert caption_collection(captioner, photos, out, options) == Tally(captioned=0, refused=0, kept=8)
    assert [line["photo"] for line in lines_of(out)] == list(map(str, photos))
    assert not (out / ".unfinished").exists()


def test_a_folder_of_something_else_is_left_alone(photos: list[Path], tmp_path: Path) -> None:
    out, options = tmp_path / "out.parquet", CollectionOptions(SEARCH)
    out.mkdir()
    for name, content in (("notes.txt", b"a diary"), ("000000.parquet", b"no table")):
        (out / name).write_bytes(content)
        with pytest.raises(RecordError, match="choose another place"):
            caption_collection(tiny_captioner(), photos, out, options)
        assert (out / name).read_bytes() == content
        (out / name).unlink()
    pyarrow.parquet.write_table(arrow.table({"photo": ["a"]}), out / "000000.parquet")
    with pytest.raises(RecordError, match="choose another place"):
        caption_collection(tiny_captioner(), photos, out, options)


def test_parquet_without_its_package(photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordError, match=r"pip install -r captioner/collection/requirements\.txt"):
        caption_collection(tiny_captioner(), photos, tmp_path / "out.parquet", CollectionOptions(SEARCH))
    assert not (tmp_path / "out.parquet").exists()
    root = Path(__file__).parents[2]
    assert "pyarrow" in (root / "captioner" / "collection" / "requirements.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_refused_photos_are_tried_again_when_asked(photos: list[Path], tmp_path: Path, name: str) -> None:
    out, captioner = tmp_path / name, tiny_captioner()
    alone = CollectionOptions(SEARCH, batch=2, part=1)  # the refused photo has a part of its own, which goes
    caption_collection(captioner, photos, out, alone)
    photo().save(photos[4])
    assert caption_collection(captioner, photos, out, alone) == Tally(captioned=0, refused=0, kept=8)
    again = CollectionOptions(SEARCH, batch=2, part=4, retry=True)
    assert caption_collection(captioner, photos, out, again) == Tally(captioned=1, refused=0, kept=7)
    lines = lines_of(out)
    assert [line["photo"] for line in lines] == list(map(str, [*photos[:4], *photos[5:], photos[4]]))
    assert not any(line.get("error") for line in lines)
    photos[4].write_bytes(b"no photo")
    other = tmp_path / f"other-{name}"
    caption_collection(captioner, photos, other, again)  # here the refused photo is one of a part
    assert caption_collection(captioner, photos, other, again) == Tally(captioned=0, refused=1, kept=7)
    assert sorted(line["photo"] for line in lines_of(other)) == sorted(map(str, photos))


RUN = """
import sys
from pathlib import Path
from builders import tiny_captioner
from captioner.collection.options import CollectionOptions
from captioner.collection.run import caption_collection
from captioner.finding import find_photos
from captioner.search_options import SearchOptions
options = CollectionOptions(SearchOptions(widths=(2,)), batch=2, part=4)
caption_collection(tiny_captioner(), find_photos([Path(sys.argv[1])]).photos, Path(sys.argv[2]), options)
"""


def written(out: Path) -> int:
    """Photos whose lines are safe."""
    if out.is_dir():
        return 4 * len(list(out.glob("0*.parquet")))
    return out.read_bytes().count(b"\n") if out.exists() else 0


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_after_a_kill_every_photo_has_one_line(tmp_path: Path, photos: list[Path], name: str) -> None:
    many, out, root = many_names(photos[0], tmp_path, 1000), tmp_path / name, Path(__file__).parents[2]
    command = [sys.executable, "-c", RUN, str(tmp_path / "many"), str(out)]
    surroundings = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")]),
    }
    process = subprocess.Popen(command, env=surroundings)
    deadline = time.monotonic() + 100
    while written(out) < 20 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    safe = written(out)
    assert 20 <= safe < 1000
    rest = CollectionOptions(SEARCH, batch=16)
    assert caption_collection(tiny_captioner(), many[:safe], out, rest) == Tally(captioned=0, refused=0, kept=safe)
    tally = caption_collection(tiny_captioner(), many[: safe + 40], out, rest)
    assert tally == Tally(captioned=40, refused=0, kept=safe)
    assert [line["photo"] for line in lines_of(out)] == list(map(str, many[: safe + 40]))


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_names_that_are_no_text_and_names_given_twice(tmp_path: Path, photos: list[Path], name: str) -> None:
    strange = tmp_path / os.fsdecode(b"caf\xe9.png")
    broken = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    try:
        strange.hardlink_to(photos[0])
    except OSError:
        pytest.skip("this file system holds no such names")
    broken.write_bytes(b"no photo")
    out, given = tmp_path / name, [strange, broken, strange]
    options = CollectionOptions(SEARCH)
    assert caption_collection(tiny_captioner(), given, out, options) == Tally(captioned=1, refused=1, kept=1)
    assert caption_collection(tiny_captioner(), given, out, options) == Tally(captioned=0, refused=0, kept=3)
    lines = lines_of(out)
    assert [line["photo"] for line in lines] == [f"{tmp_path}/caf\\xe9.png", f"{tmp_path}/caf\\xe9.jpg"]
    assert "caf" in lines[1]["error"]


def test_options_out_of_range_are_refused() -> None:
    for batch, readers, part in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(SearchError, match="1 reader and parts of 1 photo or more"):
            CollectionOptions(SEARCH, batch, readers, part=part)
    with pytest.raises(SearchError, match="one beam width"):
        CollectionOptions(SearchOptions(widths=(1, 2)))


def test_the_command_captions_a_folder(photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = tmp_path / "tiny.safetensors", tmp_path / "out.jsonl"
    save_checkpoint(tiny_checkpoint(), model)
    arguments = ["caption", str(tmp_path / "photos"), "--batch", str(out), "--checkpoint", str(model)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"7 captioned, 1 refused, 0 there already: {out}\n"
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"0 captioned, 0 refused, 8 there already: {out}\n"
    assert main([*arguments, "--retry"]) == 0
    assert capsys.readouterr().out == f"0 captioned, 1 refused, 7 there already: {out}\n"
    assert "attention" not in lines_of(out)[0]
    assert main([*arguments, "--json"]) == 2
    assert "--batch without" in capsys.readouterr().err
