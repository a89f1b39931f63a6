"""Captions: what they may hold, and what they tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from builders import caption
from captioner.errors import RecordError
from descriptions import spoken


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a", "man", "'s", "dog"), "a man's dog"),
        (("it", "is", "n't", "red"), "it isn't red"),
        (("dog",), "dog"),
        ((), ""),
    ],
)
def test_text(words: tuple[str, ...], text: str) -> None:
    assert spoken(words).text == text


def test_log_prob_counts_the_end_of_a_finished_caption_only() -> None:
    assert spoken(("a", "dog")).log_prob == -1.25
    assert spoken(("a", "dog"), end_log_prob=None, finished=False).log_prob == -1.0
    assert spoken(()).log_prob == -0.25


def test_log_prob_of_a_long_caption_loses_no_digits() -> None:
    small = np.array([-20.0, *[-1e-6] * 99], np.float32)
    assert spoken(("a",) * 100, log_probs=small).log_prob == pytest.approx(-20.250099, abs=1e-9)


def test_probabilities() -> None:
    log_probs = np.log(np.array([0.5, 1.0, 0.125], np.float32))
    np.testing.assert_allclose(spoken(("a", "red", "dog"), log_probs=log_probs).probabilities, [0.5, 1.0, 0.125])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([[1 / 6, 1 / 6, 1 / 6], [1 / 6, 1 / 6, 1 / 6]], 6.0),
        ([[0, 0, 0], [0, 1, 0]], 1.0),
        ([[0.5, 0, 0], [0, 0, 0.5]], 2.0),
        ([[0.5, 0.25, 0.25], [0, 0, 0]], 2.828427),  # 2 ** 1.5
    ],
)
def test_effective_cells(cells: list[list[float]], expected: float) -> None:
    attention = np.array([cells, [[0, 0, 1], [0, 0, 0]]], np.float32)
    result = spoken(("a", "dog"), attention=attention).effective_cells
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [expected, 1.0], rtol=1e-6)


def test_a_caption_of_no_words_has_no_effective_cells() -> None:
    assert spoken(()).effective_cells.shape == (0,)
    assert spoken(()).probabilities.shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": np.full((3, 2, 3), 1 / 6, np.float32)}, r"attention \(2, height, width\), got \(3, 2, 3\)"),
        ({"attention": np.full((2, 6), 1 / 6, np.float32)}, r"attention \(2, height, width\), got \(2, 6\)"),
        ({"attention": np.full((2, 2, 3), 0.2, np.float32)}, "sums to 1 for every word"),
        ({"attention": np.full((2, 2, 3), np.nan, np.float32)}, "sums to 1 for every word"),
        ({"attention": np.array([[[1.5, -0.5]]] * 2, np.float32)}, "not negative"),
        ({"attention": np.zeros((2, 0, 3), np.float32)}, "sums to 1"),
        ({"log_probs": np.full(3, -0.5, np.float32)}, r"log_probs for 2 words, got shape \(3,\)"),
        ({"log_probs": np.array([-0.5, np.nan], np.float32)}, "finite and not above 0"),
        ({"log_probs": np.array([-0.5, -np.inf], np.float32)}, "finite and not above 0"),
        ({"log_probs": np.array([-0.5, 0.5], np.float32)}, "finite and not above 0"),
        ({"end_log_prob": 0.5}, "finite and not above 0"),
        ({"end_log_prob": float("nan")}, "finite and not above 0"),
        ({"score": float("-inf")}, "finite and not above 0"),
        ({"gate": np.full(1, 0.5, np.float32)}, r"gate for 2 words, got shape \(1,\)"),
        ({"gate": np.full((2, 1), 0.5, np.float32)}, r"gate for 2 words, got shape \(2, 1\)"),
        ({"gate": np.array([0.5, 1.5], np.float32)}, "gate of 0 to 1"),
        ({"gate": np.array([0.5, -0.1], np.float32)}, "gate of 0 to 1"),
        ({"gate": np.array([0.5, np.nan], np.float32)}, "gate of 0 to 1"),
        ({"alternatives": ((),)}, "alternatives for 2 words, got 1"),
        ({"end_log_prob": None}, "end_log_prob for a finished caption"),
        ({"finished": False}, "none for an unfinished one"),
    ],
)
def test_captions_that_do_not_hold_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        spoken(("a", "dog"), **changes)


def test_captions_can_be_told_apart_and_kept_in_sets() -> None:
    first, second = caption(), caption()
    assert first != second
    assert len({first, second, first}) == 2
