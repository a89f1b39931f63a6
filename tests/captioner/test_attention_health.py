"""Attention health: distances by hand, healthy and collapsed models, the edges of what can be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from builders import caption
from captioner.attention_health import AttentionHealth, attention_health, mean_pairwise_difference
from captioner.caption import Caption
from captioner.errors import DataError

# Three maps of 2 x 3 cells, flattened. A and B share half their weight, C shares none with either.
A = (0.5, 0.5, 0.0, 0.0, 0.0, 0.0)
B = (0.5, 0.0, 0.5, 0.0, 0.0, 0.0)
C = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
FLAT = (1 / 6,) * 6


def looking(*maps: tuple[float, ...], height: int = 2, width: int = 3) -> Caption:
    """A caption whose words have the given maps."""
    attention = np.array(maps, dtype=np.float32).reshape(len(maps), height, width)
    return replace(caption(("dog",) * len(maps), height, width), attention=attention)


def peaked(cell: int, share: float) -> tuple[float, ...]:
    """A map of 6 cells with `share` moved from all cells to one."""
    return tuple((1 - share) / 6 + (share if place == cell else 0.0) for place in range(6))


def test_one_caption_by_hand() -> None:
    health = attention_health([looking(A, B, C)])
    assert (health.captions, health.words, health.cells) == (1, 3, 6)
    assert health.effective_cells == pytest.approx((2 + 2 + 1) / 3)
    assert health.peak == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert health.next_word_difference == pytest.approx((0.5 + 1) / 2)
    assert health.word_difference == pytest.approx((0.5 + 1 + 1) / 3)
    assert health.photo_difference is None
    assert not health.collapsed


def test_every_caption_counts_once_for_differences_and_every_word_for_cells() -> None:
    health = attention_health([looking(A, B, C), looking(A, B), looking(C)])
    assert health.word_difference == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert health.next_word_difference == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert health.effective_cells == pytest.approx((2 + 2 + 1 + 2 + 2 + 1) / 6)
    assert (health.captions, health.words) == (3, 6)


def test_difference_between_photos_by_hand() -> None:
    # The mean maps are (A + B) / 2 = (.5 .25 .25 0 0 0), A and C.
    health = attention_health([looking(A, B), looking(A), looking(C)])
    assert health.photo_difference == pytest.approx((0.25 + 1 + 1) / 3)


def test_flat_maps_have_all_cells_and_one_hot_maps_one() -> None:
    flat = attention_health([looking(FLAT, height=3, width=2)])
    assert (flat.effective_cells, flat.peak) == pytest.approx((6.0, 1 / 6))
    sharp = attention_health([looking(C, height=1, width=6)])
    assert (sharp.effective_cells, sharp.peak) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(("count", "cells"), [(2, 1), (2, 6), (3, 5), (8, 196), (25, 12)])
def test_pairwise_difference_equals_the_slow_way(count: int, cells: int) -> None:
    maps: NDArray[np.float64] = np.random.default_rng(count).dirichlet(np.full(cells, 0.3), size=count)
    slow = [sum(abs(a - b) for a, b in zip(one, other, strict=True)) / 2 for one, other in combinations(maps, 2)]
    assert mean_pairwise_difference(maps) == pytest.approx(sum(slow) / len(slow), abs=1e-12)


def test_pairwise_difference_needs_two_maps() -> None:
    with pytest.raises(DataError, match="expected two maps or more"):
        mean_pairwise_difference(np.ones((1, 4)))
    assert mean_pairwise_difference(np.array([A, A, A])) == 0.0


def test_a_healthy_model_is_not_collapsed() -> None:
    health = attention_health([looking(A, B, C), looking(C, A), looking(B, C)])
    assert not health.collapsed
    assert health.findings == ()
    assert health.reason == "The maps are not flat, and they differ from each other."


def test_the_same_map_at_every_word_is_a_collapse() -> None:
    health = attention_health([looking(A, A, A), looking(C, C), looking(B, B)])
    assert health.collapsed
    assert health.word_difference == 0.0
    assert health.reason == "The maps of a caption's words are the same (they differ by 0.000)."


def test_the_same_maps_for_every_photo_are_a_collapse() -> None:
    health = attention_health([looking(A, B, C), looking(A, B, C)])
    assert health.collapsed
    assert health.reason == "The maps of different photos are the same (they differ by 0.000)."


def test_flat_maps_are_a_collapse_in_every_respect() -> None:
    health = attention_health([looking(FLAT, FLAT), looking(FLAT, FLAT)])
    assert health.collapsed
    assert len(health.findings) == 3
    assert health.reason.startswith("The maps are flat (6.0 of 6 cells in effect); the maps of a caption's words")


@pytest.mark.parametrize(("share", "collapsed"), [(0.015, True), (0.025, False)])
def test_the_edge_of_the_word_difference(share: float, collapsed: bool) -> None:
    """Maps that differ by exactly `share`, sharp enough and different enough between photos."""
    moved = (0.5 - share, 0.5 + share, 0.0, 0.0, 0.0, 0.0)
    health = attention_health([looking(A, moved), looking(C, B)])
    assert health.next_word_difference == pytest.approx((share + 1) / 2)
    alone = attention_health([looking(A, moved)])
    assert alone.word_difference == pytest.approx(share, abs=1e-6)
    assert alone.collapsed is collapsed


@pytest.mark.parametrize(("share", "flat"), [(0.05, True), (0.2, False)])
def test_the_edge_of_flatness(share: float, flat: bool) -> None:
    health = attention_health([looking(peaked(0, share), peaked(3, share))])
    assert any("flat" in finding for finding in health.findings) is flat
    assert health.word_difference == pytest.approx(share, abs=1e-6)


def test_one_word_alone_has_nothing_to_be_compared_with() -> None:
    health = attention_health([looking(A)])
    assert (health.next_word_difference, health.word_difference, health.photo_difference) == (None, None, None)
    assert not health.collapsed
    assert health.reason == "The maps are not flat; a single word has no other map to be compared with."


def test_captions_without_words_are_passed_over() -> None:
    silent = replace(
        caption(("dog",)), words=(), log_probs=np.zeros(0, np.float32), gate=np.zeros(0, np.float32),
        attention=np.zeros((0, 2, 3), np.float32), alternatives=(),
    )  # fmt: skip
    assert attention_health([silent, looking(A, B)]).captions == 1
    with pytest.raises(DataError, match="at least one word"):
        attention_health([silent])
    with pytest.raises(DataError, match="at least one word"):
        attention_health([])


def test_maps_of_two_grids_do_not_mix() -> None:
    with pytest.raises(DataError, match=r"expected maps on one grid, got \[\(2, 3\), \(3, 2\)\]"):
        attention_health([looking(A, height=2, width=3), looking(A, height=3, width=2)])


def test_the_dict_is_json_with_the_verdict() -> None:
    record = json.loads(json.dumps(attention_health([looking(A, A), looking(C)]).as_dict(), allow_nan=False))
    assert record["collapsed"] is True
    assert record["reason"].startswith("The maps of a caption's words are the same")
    assert record["photo_difference"] == pytest.approx(1.0)
    assert record["cells"] == 6


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="expected 1 to 6 effective cells, got 9"):
        AttentionHealth(1, 2, 6, 9.0, 0.5, 0.5, 0.5, None)
    with pytest.raises(DataError, match="expected a peak and differences of 0 to 1, got 2"):
        AttentionHealth(1, 2, 6, 3.0, 0.5, 2.0, 0.5, None)
    with pytest.raises(DataError, match="expected captions with words"):
        AttentionHealth(3, 2, 6, 3.0, 0.5, 0.5, 0.5, None)
