"""When a model that learns is looked at, what is written, what is refused. A whole run stands in test_train.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import photo, tiny_captioner, tiny_checkpoint
from captioner.__main__ import main
from captioner.beam_search import SearchOptions
from captioner.checkpoint import save_checkpoint
from captioner.errors import DataError, PhotoError, RecordError
from captioner.learning import Learning
from captioner.photo import open_photo
from captioner.training.watching import DEFAULT_AT, Watcher, WatchOptions, add_finished, read_steps


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    photo(90, 60).save(tmp_path / "photos" / "b.png")
    photo(60, 90, seed=1).save(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    return tmp_path / "photos"


def before(photos: tuple[str, ...] = ("a.jpg", "b.png")) -> Learning:
    captioner = tiny_captioner()
    grid = captioner.encode([photo()])
    return Learning(photos, (grid.height, grid.width), 8, "nothing")


def test_the_photos_are_captioned_when_it_is_time(folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "learning.json"
    watcher = Watcher(WatchOptions(folder, (0, 10)), record, before())
    assert watcher.due(0, False)
    assert not watcher.due(9, False)
    assert watcher.due(9, True)
    captioner = tiny_captioner()
    watcher.look(captioner, 0, None)
    watcher.look(captioner, 10, 2.5)
    assert not watcher.due(10, True)  # it is in the record
    kept = Learning.load(record)
    assert kept.steps == (0, 10)
    for name, telling in zip(kept.photos, kept.moments[1].tellings, strict=True):
        said = captioner.describe(open_photo(folder / name), SearchOptions(widths=(3,))).at_width(3)[0]
        assert telling.words == said.words


def test_a_run_that_goes_on_keeps_its_moments_but_not_those_of_other_photos(folder: Path, tmp_path: Path) -> None:
    record = tmp_path / "learning.json"
    Watcher(WatchOptions(folder), record, before()).look(tiny_captioner(), 0, None)
    again = Watcher(WatchOptions(folder), record, before())
    assert again.learning.steps == (0,)
    with pytest.raises(RecordError, match="choose another --run-dir"):
        Watcher(WatchOptions(folder), record, before(("c.jpg",)))


def test_a_record_that_is_full_does_not_end_the_training(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "learning.json"
    watcher = Watcher(WatchOptions(folder), record, before())
    watcher.look(tiny_captioner(), 0, None)
    kept = record.read_bytes()
    monkeypatch.setattr("captioner.learning.LARGEST", len(kept))
    watcher.look(tiny_captioner(), 1, None)
    assert "not recorded: expected learning.json to stay below" in capsys.readouterr().out
    assert not watcher.due(2, True)
    assert record.read_bytes() == kept


@pytest.mark.parametrize("at", [(), (-1,), (3, 3), (5, 2)])
def test_steps_that_do_not_rise_are_refused(folder: Path, at: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="--watch-at with rising steps"):
        WatchOptions(folder, at)


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(DataError, match="expected photos"):
            WatchOptions(folder)


def test_steps_are_read_from_the_command_line() -> None:
    assert read_steps("0,10,30") == (0, 10, 30)
    for text in ("", "1,", "a", "1.5"):
        with pytest.raises(DataError, match="whole numbers"):
            read_steps(text)
    assert DEFAULT_AT[:9] == (0, 1, 2, 3, 5, 7, 10, 15, 20)


def test_the_command_adds_a_finished_model(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, model = tmp_path / "learning.json", tmp_path / "tiny.safetensors"
    save_checkpoint(tiny_checkpoint(), model)
    Watcher(WatchOptions(folder), record, before()).look(tiny_captioner(), 0, None)
    arguments = ["watch", str(record), "--photos", str(folder), "--checkpoint", str(model)]
    assert main(arguments) == main(arguments) == 0
    kept = Learning.load(record)
    assert [moment.step for moment in kept.moments] == [0, None]
    assert kept.moments[1].model == tiny_checkpoint().card.name
    assert " ".join(kept.moments[1].tellings[1].words) in capsys.readouterr().out
    with pytest.raises(PhotoError):
        add_finished(kept, tiny_captioner(), tmp_path)


def test_when_to_watch_without_what_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "m.safetensors"), "--watch-at", "1"]
    assert main(arguments) == 2
    assert "--watch DIR" in capsys.readouterr().err
