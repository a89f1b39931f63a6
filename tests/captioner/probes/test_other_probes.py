from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr  # type: ignore[import-untyped]

from builders import caption, wide_captioner
from captioner.errors import RecordError, SearchError
from captioner.probes.box_check import BoxCheck, check_boxes
from captioner.probes.second import SecondOpinion, second_opinion
from captioner.probes.seen import Seen, seen_or_guessed
from captioner.probes.shuffling import shuffled_decoder, shuffled_maps

WORDS = ("two", "man", "in", "water")


def test_words_are_compared_with_those_of_a_blank_photo() -> None:
    captioner, grid = wide_captioner()
    seen = seen_or_guessed(captioner, grid, WORDS)
    np.testing.assert_allclose(seen.log_probs, captioner.replay(grid, WORDS).log_probs, rtol=1e-5)
    np.testing.assert_allclose(seen.blind, captioner.replay(captioner.blank, WORDS).log_probs, rtol=1e-5)
    np.testing.assert_allclose(seen.gains, np.subtract(seen.log_probs, seen.blind))


def test_a_blank_photo_adds_nothing_to_itself() -> None:
    captioner, _ = wide_captioner()
    np.testing.assert_allclose(seen_or_guessed(captioner, captioner.blank, WORDS).gains, 0.0, atol=1e-4)


def test_the_blank_photo_is_what_the_encoder_makes_of_pixels_of_the_mean_colour() -> None:
    from builders import tiny_captioner

    captioner = tiny_captioner()
    with torch.no_grad():
        expected = captioner.encoder(torch.zeros(1, 3, 64, 64)).annotations
    torch.testing.assert_close(captioner.blank.annotations, expected)
    assert captioner.blank is captioner.blank


@pytest.mark.parametrize("step", [0, 3])
def test_an_attribution_is_how_the_word_changes_when_a_cell_is_scaled(step: int) -> None:
    captioner, grid = wide_captioner()
    captioner.decoder.double()
    grid = replace(grid, annotations=grid.annotations.double())
    if captioner.decoder.options.normalise_annotations:  # scaling a cell that is normalised afterwards changes nothing
        captioner.decoder.normalise = torch.nn.Identity()
    opinion = second_opinion(captioner, grid, WORDS, step)
    assert opinion.attribution.shape == (3, 5)
    for cell in (0, 7, 14):
        said = []
        for scale in (0.999, 1.001):
            annotations = grid.annotations.clone()
            annotations[0, cell] *= scale
            said.append(float(captioner.replay(replace(grid, annotations=annotations), WORDS).log_probs[step]))
        slope = (said[1] - said[0]) / 0.002
        assert opinion.attribution.ravel()[cell] == pytest.approx(slope, rel=0.05, abs=2e-3)


def test_the_attention_beside_it_is_the_captions() -> None:
    captioner, grid = wide_captioner()
    opinion = second_opinion(captioner, grid, WORDS, 2)
    np.testing.assert_allclose(opinion.attention, captioner.replay(grid, WORDS).attention[2], atol=1e-6)


def test_the_correlation_is_spearmans_ties_included() -> None:
    random = np.random.default_rng(0)
    first = random.integers(0, 6, (4, 7)).astype(np.float32)
    second = (first + random.integers(0, 4, (4, 7))).astype(np.float32)
    expected = spearmanr(first.ravel(), second.ravel()).statistic
    assert SecondOpinion(first, second).correlation == pytest.approx(expected)
    assert SecondOpinion(first, -first).correlation == pytest.approx(-1)
    assert SecondOpinion(first, np.ones_like(first)).correlation == 0.0


def lit(*cells: tuple[int, int, float]) -> NDArray[np.float32]:
    """A map of 6 x 8 cells, dark but for these (row, column, weight)."""
    drawn = np.zeros((6, 8), np.float32)
    for row, column, weight in cells:
        drawn[row, column] = weight
    return drawn


@pytest.mark.parametrize(
    ("attribution", "agreement", "verdict", "distance", "shared"),
    [
        (lit((2, 2, 3.0)), 1.0, "agree", 0, 0.8),
        (lit((3, 3, 0.1)), 1.0, "agree", 1, 0.0),  # the cell beside it, across the corner
        (lit((2, 2, 0.8), (5, 7, 1.0)), 0.25, "partly", 5, 4 / 9 + 0.2),  # attention has a quarter of its peak there
        (lit((2, 2, 0.1), (5, 7, 1.0)), 0.1, "differ", 5, 0.1 / 1.1 + 0.2),
        (lit((2, 6, 1.0)), 0.0, "differ", 4, 0.0),
        (lit((2, 2, 1.0), (0, 0, -9.0)), 1.0, "agree", 0, 0.8),  # what speaks against the word is not drawn
        (lit((0, 0, -9.0)), 0.0, "differ", None, 0.0),
        (lit(), 0.0, "differ", None, 0.0),
    ],
)
def test_the_verdict_is_about_what_is_drawn(
    attribution: NDArray[np.float32], agreement: float, verdict: str, distance: int | None, shared: float
) -> None:
    opinion = SecondOpinion(lit((2, 2, 0.8), (5, 7, 0.2)), attribution)
    assert opinion.agreement == pytest.approx(agreement)
    assert (opinion.verdict, opinion.distance) == (verdict, distance)
    assert opinion.shared == pytest.approx(shared)


def test_a_flat_map_points_nowhere() -> None:
    """All its cells are the brightest, and of 48 only 4 lie beside the cell that speaks for the word, or are it."""
    flat, corner = np.full((6, 8), 1 / 48, np.float32), lit((0, 0, 1.0))
    assert SecondOpinion(flat, corner).agreement == pytest.approx(4 / 48)
    assert SecondOpinion(corner, flat).agreement == pytest.approx(4 / 48)
    assert SecondOpinion(flat, corner).verdict == "differ"


def test_agreement_is_the_same_either_way_round_and_on_any_scale() -> None:
    first, second = np.random.default_rng(1).random((2, 5, 9), np.float32)
    agreement = SecondOpinion(first, second).agreement
    assert 0 < agreement <= 1
    assert SecondOpinion(second, first).agreement == pytest.approx(agreement)
    assert SecondOpinion(first, 100 * second).agreement == pytest.approx(agreement)
    assert SecondOpinion(first[:, ::-1], second[:, ::-1]).agreement == pytest.approx(agreement)


def test_shuffled_weights_are_the_same_numbers_elsewhere_and_the_model_stays_as_it_was() -> None:
    captioner, grid = wide_captioner()
    before = {name: weight.clone() for name, weight in captioner.decoder.state_dict().items()}
    shuffled = shuffled_decoder(captioner.decoder, seed=1).state_dict()
    for name, weight in before.items():
        torch.testing.assert_close(shuffled[name].flatten().sort().values, weight.flatten().sort().values)
        assert torch.equal(captioner.decoder.state_dict()[name], weight)
    assert torch.equal(shuffled["embedding.weight"], before["embedding.weight"])
    assert not torch.equal(shuffled["attention.hidden_projection.weight"], before["attention.hidden_projection.weight"])
    maps = shuffled_maps(captioner, grid, WORDS, seed=1)
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1.0, rtol=1e-5)
    assert maps.shape == (4, 3, 5)
    assert np.abs(maps - captioner.replay(grid, WORDS).attention).max() > 1e-3


def test_boxes_are_checked_for_the_words_that_have_some() -> None:
    maps = np.zeros((3, 4, 6), np.float32)
    maps[0, 0, 0], maps[1, 0, 0], maps[2, 3, 5] = 1, 1, 1
    told = replace(caption(("two", "dogs", "ball"), 4, 6), attention=maps)
    upper_left, lower_right = (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)
    checks = check_boxes(told, {"dog": [upper_left], "ball": [upper_left, lower_right], "cat": [upper_left]})
    assert [(check.word, check.step, check.mass, check.hit) for check in checks] == [
        ("dogs", 1, 1, 1),
        ("ball", 2, 1, 1),
    ]
    assert checks[0].centre_mass == pytest.approx(0.25)  # one of the four cells in the middle
    assert checks[1].centre_mass == pytest.approx(0.5)
    assert check_boxes(told, {}) == ()


def test_impossible_questions_are_refused() -> None:
    captioner, grid = wide_captioner()
    for probe in (seen_or_guessed, shuffled_maps):
        with pytest.raises(SearchError, match="at least one word"):
            probe(captioner, grid, ())
    with pytest.raises(SearchError, match="from 1 to 4 of the caption, got 9"):
        second_opinion(captioner, grid, WORDS, 8)
    with pytest.raises(RecordError, match="as many words"):
        Seen((-1.0,), ())
    with pytest.raises(RecordError, match="two maps of one grid"):
        SecondOpinion(np.ones((2, 3), np.float32), np.ones((3, 2), np.float32))
    with pytest.raises(RecordError, match="shares of 0 to 1"):
        BoxCheck("dog", 0, 1.5, 0, 0, 0)
