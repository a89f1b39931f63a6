from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from builders import caption, photo, tiny_captioner
from captioner.__main__ import main
from captioner.checkpoint import save_checkpoint
from captioner.errors import DataError
from captioner.probes.map_test import Deletion, MapTest
from captioner.training.data import Example, load_data
from captioner.training.phrases import Phrase, Sentence
from captioner.training.probing import area_under_curve, judge_verdicts, probe, unnamed_thing


def word_of(loss: float, by_attention: float, by_chance: float = 0.5, from_centre: float = 0.5) -> MapTest:
    """A word of log-probability -1 that loses so many nats in each experiment."""
    deletion = Deletion((0.5,), (-1 - by_attention,), (-1 - by_chance,), (-1 - from_centre,))
    return MapTest("dog", -1.0, -1.0, (-1 - loss,), deletion)


def test_verdicts_are_held_against_deletion() -> None:
    tests = [
        (word_of(1.0, 3.0), True),
        (word_of(0.6, 1.0, by_chance=2.0), True),
        (word_of(0.3, 0.2), True),
        (word_of(0.0, 2.0, from_centre=3.0), False),
    ]
    report = judge_verdicts(tests)
    assert (report.words, report.nouns) == (4, 3)
    assert (report.mattered, report.barely) == (0.5, 0.25)
    assert report.flagged_loss == pytest.approx(2.0)
    assert report.other_loss == pytest.approx(1.1)
    assert report.auc == pytest.approx(0.75)  # 3 beats both others, 1 beats one of them
    assert report.beats_chance == pytest.approx(1 / 3)
    assert report.beats_centre == pytest.approx(2 / 3)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order() -> None:
    random = np.random.default_rng(0)
    positive, negative = random.integers(0, 8, 30) + 1.0, random.integers(0, 8, 40) + 0.0
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative]
    assert area_under_curve(positive, negative) == pytest.approx(np.mean(pairs))
    assert np.isnan(area_under_curve(positive, np.array([])))


def example(*phrases: tuple[str, tuple[float, float, float, float], str]) -> Example:
    sentences = tuple(
        Sentence(words, (Phrase(0, len(words.split()), (kind,), (box,)),)) for words, box, kind in phrases
    )
    return Example("one.jpg", Path("one.jpg"), "val", tuple(one.caption for one in sentences), (), sentences)


def test_a_thing_to_brush_is_boxed_not_named_not_small_no_scene_and_known_to_the_model() -> None:
    big, small = (0.1, 0.1, 0.6, 0.6), (0.1, 0.1, 0.15, 0.15)
    given = example(
        ("A red ball", big, "other"),
        ("Two dogs", big, "animals"),
        ("The man", small, "people"),
        ("The grass", big, "scene"),
        ("A zebra", big, "animals"),
    )
    nouns = frozenset({"ball", "dog", "man", "grass", "zebra"})
    captioner, random = tiny_captioner(), np.random.default_rng(0)
    assert unnamed_thing(given, caption(("a", "dog")), nouns, random, captioner) == ("ball", (big,))
    assert unnamed_thing(given, caption(("a", "dog", "ball")), nouns, random, captioner) is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    records, boxes = [], []
    for number in range(6):
        name = f"{number}.jpg"
        photo(seed=number).save(tmp_path / "images" / name)
        records.append({"filename": name, "split": "val", "captions": ["A dog in the water ."]})
        boxes.append(name)
    (tmp_path / "captions.json").write_text(json.dumps(records))
    return tmp_path


def with_phrases(folder: Path) -> tuple[Example, ...]:
    things = ("A ball", "A dog", "The man", "The water")
    phrases = tuple((thing, (0.1, 0.1, 0.7, 0.7), "other") for thing in things)
    return tuple(
        Example(one.filename, one.path, "val", one.captions, (), example(*phrases * 20).sentences)
        for one in load_data(folder).split("val")
    )


def test_a_report_counts_every_word_and_is_the_same_again(folder: Path) -> None:
    captioner, examples = tiny_captioner(), with_phrases(folder)
    report = probe(captioner, examples, 4, seed=1)
    assert report.photos == 4
    assert report.verdicts.words > 0
    assert 0 < report.brush.photos <= 4
    shares = (report.brush.always, report.brush.once, report.brush.elsewhere, report.brush.changed)
    assert all(0 <= share <= 1 for share in shares)
    assert report.second.words == report.verdicts.words
    assert json.dumps(probe(captioner, examples, 4, seed=1).as_dict()) == json.dumps(report.as_dict())


def test_photos_without_boxes_are_refused_by_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="expected photos with boxed phrases"):
        probe(tiny_captioner(), load_data(folder).split("val"))
    from builders import tiny_checkpoint

    save_checkpoint(tiny_checkpoint(), tmp_path / "tiny.safetensors")
    arguments = ["probe", "--data", str(folder), "--checkpoint", str(tmp_path / "tiny.safetensors")]
    assert main(arguments) == 2
    assert "phrase_boxes.json" in capsys.readouterr().err
    assert main([*arguments, "--limit", "0"]) == 2
    assert "a limit of 1 photo or more, got 0" in capsys.readouterr().err
