"""Both ways of drawing smooth alike, and a reference that does not is noticed."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from builders import photo
from captioner.bench.harness import Comparison, Comparisons
from captioner.bench.options import BenchOptions
from captioner.bench.overlays import SIDES, Overlays, measure_overlays, overlay_pair, tutorial_overlays
from captioner.bench.shares import Share, measure_shares
from captioner.bench.task import Task
from captioner.errors import DataError
from captioner.overlay import Floats


def maps(words: int = 7) -> Floats:
    found: Floats = np.random.default_rng(0).random((words, 3, 5)).astype(np.float32)
    found /= found.sum(axis=(1, 2), keepdims=True)
    return found


def test_both_ways_smooth_alike_and_draw_as_many_pictures_of_one_size() -> None:
    pair = overlay_pair(photo(), maps())
    assert pair.same is not None
    ours, theirs = pair.ours(), pair.reference()
    assert pair.same(ours, theirs)
    assert not pair.same(ours, replace(theirs, smoothed=theirs.smoothed + 1e-3))
    assert not pair.same(ours[:-1], theirs)
    assert not pair.same(ours, replace(theirs, panels=theirs.panels[:-1]))


def test_the_reference_draws_each_word_in_its_own_panel() -> None:
    """One lit cell at another place for each word: the panel is white there over a black photo, and dark elsewhere."""
    lit = np.zeros((7, 3, 5), np.float32)
    for word in range(7):
        lit[word, word % 3, word % 5] = 1
    panels = tutorial_overlays(photo().point(lambda _: 0), lit).panels
    for word, panel in enumerate(panels):
        assert panel.shape == (72, 120, 4)
        bright = panel[12::24, 12::24, 0]  # the middle of every cell
        assert int(bright.argmax()) == word % 3 * 5 + word % 5
        assert bright.max() == pytest.approx(0.8 * 255, abs=6)  # half a pixel beside the very middle
        assert np.sort(bright.ravel())[-2] < 100  # its neighbours, into which it is smoothed


def test_the_shipped_models_overlays_are_measured() -> None:
    told: list[str] = []
    task = Task(BenchOptions(("overlays",), 3, "cpu"), torch.device("cpu"), photo(), told.append)
    found = measure_overlays(task)
    assert found.same
    assert len(told) == 1 + len(SIDES)
    assert [share.goal for share in found.shares] == [0.15, 0.15]
    assert all(0 < share.quartiles[0] <= share.quartiles[1] <= share.quartiles[2] for share in found.shares)


def test_a_share_is_the_part_of_every_round() -> None:
    share = Share(Comparison("drawing", (1.0, 1.0, 3.0), (10.0, 4.0, 6.0)), 0.15)
    assert share.quartiles == pytest.approx((1 / 7, 0.25, 1 / 3))  # shares 10 %, 25 %, 50 %; ratios 10, 4, 2
    record = share.record()
    assert json.loads(json.dumps(record)) == record
    assert (record["share"], record["goal"], record["part"]) == (0.25, 0.15, [1.0, 1.0, 3.0])
    assert "25.0 % of  6.000 s (14.3 to 33.3 %)  goal: under 15 %" in share.line()
    assert "goal" not in replace(share, goal=None).line()
    with pytest.raises(DataError, match="expected a goal above 0, got 0"):
        replace(share, goal=0)


def test_parts_take_turns_with_their_whole() -> None:
    turns: list[str] = []
    told: list[str] = []
    parts = [(name, lambda name=name: turns.append(name), None) for name in ("a", "b")]
    shares = measure_shares(parts, lambda: turns.append("whole"), 2, told.append)
    assert turns == ["a", "whole"] * 3 + ["b", "whole"] * 3
    assert told == [share.comparison.name for share in shares] == ["a", "b"]


def test_overlays_are_lines_and_plain_json() -> None:
    pair = Comparison("overlays of 7 words", (1.0, 1.0), (50.0, 60.0), False)
    found = Overlays(Comparisons((pair,)), (Share(replace(pair, name="drawing")),))
    assert not found.same
    assert json.loads(json.dumps(found.record())) == found.record()
    assert [line.split("  ")[0] for line in found.lines()] == ["overlays of 7 words", "drawing"]
