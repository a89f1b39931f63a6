"""Many photos: what is written, in which order, how it goes on after a stop, and how little is held meanwhile."""

from __future__ import annotations

import json
import threading
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import photo, tiny_captioner, tiny_checkpoint
from captioner import collection
from captioner.__main__ import main
from captioner.captioner import Captioner
from captioner.checkpoint import save_checkpoint
from captioner.collection import CollectionOptions, Tally, caption_collection, find_photos
from captioner.encoder import FeatureGrid
from captioner.errors import PhotoError, RecordError, SearchError
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
    return list(find_photos([folder]))


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_photos_are_found_in_folders_within_folders_and_by_name(photos: list[Path], tmp_path: Path) -> None:
    names = [str(path.relative_to(tmp_path / "photos")) for path in photos]
    assert names == ["0.png", "2.png", "4.png", "6.png", "broken.jpg", "more/1.png", "more/3.png", "more/5.png"]
    assert list(find_photos([photos[3], photos[0]])) == [photos[3], photos[0]]  # as they were given
    with pytest.raises(PhotoError, match=r"nothing was not found"):
        list(find_photos([tmp_path / "nothing"]))


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
    read, lines, lock = collection._read, collection._batch_lines, threading.Lock()
    done = 0

    def counted(path: Path, settings: Any) -> Any:
        with lock:
            opened.append(path)
            ahead.append(len(opened) - done)
        return read(path, settings)

    def counting(captioner: Captioner, batch: Any, options: CollectionOptions) -> list[dict[str, Any]]:
        nonlocal done
        told = lines(captioner, batch, options)
        done += len(batch)
        return told

    monkeypatch.setattr(collection, "_read", counted)
    monkeypatch.setattr(collection, "_batch_lines", counting)
    many = [photos[0]] * 40
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


def write_many(file: RawIOBase, count: int) -> None:
    with collection._Writer(file) as writer:
        for _ in range(count):
            writer.put({"photo": "a"})


def test_a_full_disk_ends_the_run_with_a_sentence(photos: list[Path]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with (
        full.open("ab", buffering=0) as file,
        pytest.raises(RecordError, match="make room, then give the same command"),
    ):
        write_many(file, 2000)  # more than the queue holds
    with full.open("ab", buffering=0) as file, pytest.raises(RecordError, match="make room"):
        write_many(file, 1)


def test_options_out_of_range_are_refused() -> None:
    for batch, readers in ((0, 1), (1, 0)):
        with pytest.raises(SearchError, match="1 reader or more"):
            CollectionOptions(SEARCH, batch, readers)
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
    assert "attention" not in lines_of(out)[0]
    assert main([*arguments, "--json"]) == 2
    assert "--batch without" in capsys.readouterr().err
