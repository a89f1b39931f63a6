"""Calibration on tiny photos: what counts as new, the area under the curve, and the limit that is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from builders import photo, tiny_checkpoint, tiny_vocabulary
from captioner.__main__ import main
from captioner.captioner import Captioner
from captioner.checkpoint import save_checkpoint
from captioner.errors import DataError
from captioner.training.calibrate import CalibrateOptions, area_under_roc, calibrate, is_new
from captioner.training.data import Example
from captioner.training.phrases import Label


def test_area_under_roc_counts_pairs() -> None:
    low, high = torch.tensor([1.0, 2.0, 2.0, 5.0]), torch.tensor([2.0, 9.0, 0.0])
    pairs = [1.0 if h > w else 0.5 if h == w else 0.0 for w in low.tolist() for h in high.tolist()]
    assert area_under_roc(low, high) == pytest.approx(sum(pairs) / len(pairs))


@pytest.mark.parametrize(
    ("labels", "captions", "new"),
    [
        (("wombat",), (), True),
        (("wombat", "red ball"), (), False),
        (("red wombat",), (), True),
        (("person",), (), False),
        (("person", "wombat"), (), True),
        (("wombat",), ("a dog",), False),
        ((), (), False),
    ],
)
def test_a_photo_is_new_when_the_model_has_no_word_for_it(
    labels: tuple[str, ...], captions: tuple[str, ...], new: bool
) -> None:
    example = Example("p", Path("p"), "train", captions, tuple(map(Label, labels)))
    assert is_new(example, tiny_vocabulary()) is new


def write_folder(folder: Path, new: bool) -> Path:
    (folder / "images").mkdir(parents=True)
    records = []
    for number in range(24):
        split = "val" if number % 3 == 0 else "train"
        record = {"filename": f"{folder.name}{number}.png", "split": split, "captions": ["a dog"]}
        if new and number % 3 == 1:
            record |= {"kind": "labels", "captions": [], "labels": ["wombat"]}
        photo(64, 64, seed=number).save(folder / "images" / f"{folder.name}{number}.png")
        records.append(record)
    (folder / "captions.json").write_text(json.dumps(records))
    return folder


def test_the_checkpoint_is_written_again_with_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    before = Captioner.load(path, "cpu")
    folders = (write_folder(tmp_path / "one", False), write_folder(tmp_path / "two", True))
    done = calibrate(CalibrateOptions(folders, path, photos=12, components=4, device="cpu"))
    after = Captioner.load(path, "cpu")
    assert after.familiarity is not None
    assert after.familiarity.basis.shape == (4, before.encoder.channels)
    assert after.card == before.card
    assert set(done.auroc) == set(done.false_alarms) == {"one", "two"}
    assert done.new_photos == 8
    assert all(0 <= share <= 1 for share in (*done.auroc.values(), *done.false_alarms.values(), done.found))
    arguments = ["calibrate", "--data", str(folders[0]), str(folders[1]), "--checkpoint", str(path), "--photos", "8"]
    assert main(arguments) == 2  # 64 components need more photos
    assert "components" in capsys.readouterr().err
    assert Captioner.load(path, "cpu").familiarity is not None  # nothing was lost


def test_without_photos_of_new_things_it_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    with pytest.raises(DataError, match="add a folder with labels"):
        calibrate(CalibrateOptions((write_folder(tmp_path / "one", False),), path, device="cpu"))
