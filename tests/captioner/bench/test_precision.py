"""A captioner agrees with itself; one whose weights were changed does not; what differs is counted as by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from builders import caption, description, photo, tiny_captioner
from captioner.__main__ import main
from captioner.bench import run
from captioner.bench.agreement import Agreement, Spread, Tally
from captioner.bench.options import BenchOptions
from captioner.bench.precision import compare_precisions
from captioner.bench.report import Report, describe_machine
from captioner.captioner import Captioner
from captioner.errors import DataError

SPREAD = Spread(0.01, 0.02)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        photo(seed=seed).save(path)
    return paths


def perturbed(amount: float, seed: int = 1) -> Captioner:
    captioner = tiny_captioner()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in captioner.decoder.parameters():
            parameter.add_(amount * torch.randn_like(parameter))
    return captioner


def test_an_identical_model_agrees_wholly(photos: list[Path]) -> None:
    (found,) = compare_precisions(tiny_captioner(), {"the same": tiny_captioner()}, photos, 2).reports
    nothing = Spread(0.0, 0.0)
    assert found.agreement == Agreement(3, {1: 1.0, 3: 1.0, 5: 1.0}, 1.0, nothing, nothing, nothing)
    assert found.agreement.kept
    assert len(found.time.ours) == len(found.time.reference) == 3


def test_changed_weights_are_noticed(photos: list[Path]) -> None:
    others = {"slightly": perturbed(1e-6), "much": perturbed(1.0)}
    slightly, much = (report.agreement for report in compare_precisions(tiny_captioner(), others, photos, 2).reports)
    assert slightly.best == {1: 1.0, 3: 1.0, 5: 1.0}
    for spread in (slightly.cells, slightly.maps, slightly.log_probs):
        assert spread is not None
        assert 0 < spread.most <= spread.largest < 0.01
    assert not much.kept
    assert max(much.best.values()) < 1
    assert much.all < 1


def test_fewer_photos_than_rounds_are_counted_once(photos: list[Path]) -> None:
    told: list[str] = []
    (found,) = compare_precisions(tiny_captioner(), {"it": tiny_captioner()}, photos[:1], 4, told.append).reports
    assert found.agreement.photos == 1
    assert len(found.time.ours) == 4
    assert told == ["it beside float32, photo 1 of 4"]


def test_two_photos_counted_by_hand() -> None:
    """On the first photo all is the same; on the second 0.02 of a map moves and the other caption has another word."""
    one = description(widths=(1, 2))
    first, second = one.captions
    attention, log_probs = first.attention.copy(), first.log_probs.copy()
    attention[1, 0, 0] += 0.02
    attention[1, 1, 1] -= 0.012
    attention[1, 1, 2] -= 0.008
    log_probs[0] -= 0.25
    moved = replace(first, attention=attention, log_probs=log_probs)
    tally = Tally()
    tally.add(one, one)
    tally.add(one, replace(one, captions=(moved, replace(second, words=("a", "red", "ball")))))
    found = tally.agreement()
    assert (found.photos, found.best, found.all) == (2, {1: 1.0, 2: 1.0}, 0.5)
    for spread, largest in ((found.cells, 0.02), (found.maps, 0.02), (found.log_probs, 0.25)):
        assert spread is not None
        assert spread.largest == pytest.approx(largest, abs=1e-6)
        words = [0.0] * 6 + [largest]  # 5 on the first photo, 2 on the second
        assert spread.most == pytest.approx(np.quantile(words, 0.99), abs=1e-6)


def test_another_order_is_another_answer() -> None:
    one, tally = description(widths=(1, 2)), Tally()
    tally.add(one, replace(one, captions=one.captions[::-1]))
    found = tally.agreement()
    assert (found.best, found.all, found.kept) == ({1: 0.0, 2: 0.0}, 0.0, False)
    assert found.cells == Spread(0.0, 0.0)


def test_nothing_said_by_both() -> None:
    one, tally = description(widths=(1,)), Tally()
    tally.add(one, replace(one, captions=(caption(("a", "man")), caption(("two", "man")))))
    found = tally.agreement()
    assert found.cells is found.maps is found.log_probs is None
    assert "none said by both" in found.line()
    assert json.loads(json.dumps(found.record())) == found.record()


@pytest.mark.parametrize(("share", "kept"), [(0.99, True), (0.9899, False)])
def test_kept_is_ninety_nine_percent_at_every_width(share: float, kept: bool) -> None:
    agreement = Agreement(1000, {1: 1.0, 3: share}, 0.5, SPREAD, SPREAD, None)
    assert agreement.kept is kept
    assert f"{100 * share:.1f} % at width 3; all captions on 50.0 % of 1000 photos" in agreement.line()
    assert "cell 1.0e-02 (largest 2.0e-02)" in agreement.line()


def test_what_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="expected photos to compare two captioners on, got none"):
        Tally().agreement()
    with pytest.raises(DataError, match=r"expected descriptions alike, got widths \(1, 2\) .* and \(1,\) on"):
        Tally().add(description(widths=(1, 2)), description(widths=(1,)))
    with pytest.raises(DataError, match="expected photos to compare precisions on, got none"):
        compare_precisions(tiny_captioner(), {"it": tiny_captioner()}, [], 2)


def test_the_section_is_lines_and_plain_json(photos: list[Path]) -> None:
    found = compare_precisions(tiny_captioner(), {"changed": perturbed(1.0)}, photos, 2)
    assert json.loads(json.dumps(found.record())) == found.record()
    assert found.same
    text = "\n".join(found.lines())
    assert "changed, widths 1, 3, 5" in text
    assert "it DOES NOT KEEP the words of 99 % of these 3 photos at every width" in text


def test_the_command_takes_a_data_set(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = [{"filename": path.name, "split": "val", "captions": ["a dog"]} for path in photos]
    (tmp_path / "captions.json").write_text(json.dumps(records))
    asked: list[Sequence[Path]] = []

    def measured(options: BenchOptions, *_: object) -> Report:
        asked.append(options.photos)
        return Report(describe_machine(torch.device("cpu")), {})

    monkeypatch.setattr(run, "bench", measured)
    command = ["bench", "--entries", "precision", "--data", str(tmp_path)]
    assert main([*command, "--limit", "2"]) == 0
    assert asked == [tuple(photos[:2])]
    assert main([*command, "--limit", "0"]) == 2
    assert "expected a limit of 1 photo or more, got 0" in capsys.readouterr().err
    assert main([*command, "--split", "test"]) == 2
    assert "no photo of this data set is in the split 'test'" in capsys.readouterr().err
