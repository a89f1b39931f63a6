"""Verdicts of the second opinion held against the distance of the brightest cells, by hand; and the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from builders import photo, tiny_captioner, tiny_checkpoint
from captioner.__main__ import main
from captioner.checkpoint import save_checkpoint
from captioner.errors import DataError
from captioner.probes.second import AGREES, DIFFERS, SecondOpinion
from captioner.training.data import load_data
from captioner.training.second_opinions import ask_twice, judge_opinions, second_table


def opinion(column: int, elsewhere: float = 0.0) -> SecondOpinion:
    """Attention in the first of 9 columns; what speaks for the word in another, and somewhat less in the first."""
    attention, attribution = np.zeros((2, 4, 9), np.float32)
    attention[0, 0], attribution[0, 0], attribution[0, column] = 1 - elsewhere, 0.9, 1.0
    attention[0, 8] = elsewhere
    return SecondOpinion(attention, attribution)


def test_verdicts_are_held_against_distance() -> None:
    opinions = [opinion(0), opinion(1), opinion(8, 0.45), opinion(8, 0.3), opinion(8), opinion(4), opinion(2)]
    report = judge_opinions(opinions, 3)
    assert (report.photos, report.words, report.agrees, report.differs) == (3, 7, AGREES, DIFFERS)
    agree, partly, differ = (report.verdicts[name] for name in ("agree", "partly", "differ"))
    assert [row.words for row in (agree, partly, differ)] == [3, 1, 3]
    assert [agree.near, agree.far] == pytest.approx([2 / 3, 1 / 3])  # 0, 1 and 8 cells apart
    assert (partly.near, partly.far, partly.distance) == (0, 1, 8)
    assert [differ.near, differ.far, differ.distance] == pytest.approx([0, 2 / 3, 4])
    assert partly.shared == pytest.approx(0.9 / 1.9 + 0.3)
    assert not report.holds
    assert report.least_agrees == 0.85  # 0.45 / 0.55 is left out
    assert report.most_differs is None
    assert (
        "change them (90 % near where they agree, far where they differ: 0.85 or more, none or less)"
        in second_table(report)
    )


def test_thresholds_that_hold_may_stay() -> None:
    report = judge_opinions([opinion(0), opinion(8)], 1)
    assert report.holds
    assert (report.least_agrees, report.most_differs) == (0.05, 0.95)
    assert "keep them" in second_table(report)
    assert judge_opinions([opinion(0)], 1).holds  # a verdict that is never told cannot be wrong


def test_nothing_to_judge_is_refused() -> None:
    with pytest.raises(DataError, match="captions with words, got none"):
        judge_opinions([], 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    names = [f"{number}.jpg" for number in range(3)]
    for number, name in enumerate(names):
        photo(seed=number).save(tmp_path / "images" / name)
    records = [{"filename": name, "split": "val", "captions": ["A dog in the water ."]} for name in names]
    (tmp_path / "captions.json").write_text(json.dumps(records))
    save_checkpoint(tiny_checkpoint(), tmp_path / "tiny.safetensors")
    return tmp_path


def test_every_word_of_every_photo_is_asked_about_twice(folder: Path) -> None:
    examples = load_data(folder).split("val")
    report = ask_twice(tiny_captioner(), examples)
    assert report.photos == 3
    assert report.words == sum(row.words for row in report.verdicts.values()) >= 3
    assert ask_twice(tiny_captioner(), examples) == report
    assert ask_twice(tiny_captioner(), examples, limit=1).photos == 1


def test_the_command_needs_no_boxes_for_it_and_keeps_the_rest_of_a_report(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "report.json"
    arguments = ["probe", "--data", str(folder), "--checkpoint", str(folder / "tiny.safetensors"), "--only", "second"]
    assert main([*arguments, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert set(report) == {"model", "second"}
    assert (report["model"], report["second"]["agrees"]) == ("tiny", AGREES)
    said = capsys.readouterr().out
    for name in ("agree", "partly", "differ", "AGREES = "):
        assert name in said
    file.write_text(json.dumps({"model": "tiny", "brush": {"always": 1}, "second": None}))
    assert main([*arguments, "--json", str(file)]) == 0
    assert json.loads(file.read_text()) == {**report, "brush": {"always": 1}}


@pytest.mark.parametrize(("content", "sentence"), [('{"model": "other"}', "of the model 'other'"), ("[", "no report")])
def test_another_report_is_not_overwritten(
    folder: Path, content: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "report.json"
    file.write_text(content)
    arguments = ["probe", "--data", str(folder), "--checkpoint", str(folder / "tiny.safetensors"), "--only", "second"]
    assert main([*arguments, "--json", str(file)]) == 2
    assert sentence in capsys.readouterr().err
    assert file.read_text() == content
