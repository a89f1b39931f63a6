from __future__ import annotations

import numpy as np
import pytest
import torch

from builders import tiny_decoder, tiny_grid, wide_captioner
from captioner.errors import SearchError
from captioner.gaze import Gaze
from captioner.search_options import SearchOptions


def one_hot(row: int, column: int, height: int = 3, width: int = 5) -> np.ndarray:
    weights = np.zeros((height, width), np.float32)
    weights[row, column] = 4.0
    return weights


def test_a_row_with_a_gaze_looks_there_and_one_without_looks_for_itself() -> None:
    decoder, grid = tiny_decoder(), tiny_grid()
    state = decoder.start(grid, rows=2)
    gaze = torch.zeros(1, 2, 15)
    gaze[0, 1, 7] = 1
    tokens = torch.full((1, 2), 1)
    own, steered = decoder.advance(tokens, state), decoder.advance(tokens, state, gaze)
    torch.testing.assert_close(steered.attention[0, 0], own.attention[0, 0])
    torch.testing.assert_close(steered.hidden[0, 0], own.hidden[0, 0])
    torch.testing.assert_close(steered.attention[0, 1], gaze[0, 1])
    torch.testing.assert_close(steered.gated[0, 1], steered.gate[0, 1] * state.annotations[0, 7])
    assert not torch.equal(steered.hidden[0, 1], own.hidden[0, 1])


def test_a_search_looks_there_at_every_step() -> None:
    captioner, grid = wide_captioner()
    described = captioner.search(grid, SearchOptions(widths=(1, 3)), gaze=Gaze(one_hot(1, 2)))[0]
    expected = one_hot(1, 2) / 4
    for caption in described.captions:
        np.testing.assert_array_equal(caption.attention, np.broadcast_to(expected, caption.attention.shape))


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_search_looks_there_at_one_step_only(step: int) -> None:
    captioner, grid = wide_captioner()
    options = SearchOptions(widths=(2,), min_words=4)
    described = captioner.search(grid, options, gaze=Gaze(one_hot(2, 4), step))[0]
    for caption in described.captions:
        for place, attention in enumerate(caption.attention):
            assert (attention.max() == 1.0) == (place == step)


def test_words_before_the_step_stay_and_two_searches_do_not_share_their_steps() -> None:
    captioner, grid = wide_captioner()
    gaze = Gaze(one_hot(0, 0), 2)
    first, second = (captioner.search(grid, prefix=("a", "dog"), gaze=gaze)[0] for _ in range(2))
    assert all(caption.words[:2] == ("a", "dog") for caption in first.captions)
    assert [caption.text for caption in first.captions] == [caption.text for caption in second.captions]
    assert first.captions[0].attention[2].max() == 1.0


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (np.zeros((3, 5)), "expected a place to look at, got none"),
        (np.full((3, 5), -1.0), "weights of 0 or more"),
        (np.full((3, 5), np.nan), "weights of 0 or more"),
        (np.ones(15), "rows and columns"),
    ],
)
def test_weights_that_are_no_map_are_refused(weights: np.ndarray, sentence: str) -> None:
    with pytest.raises(SearchError, match=sentence):
        Gaze(weights.astype(np.float32))


def test_another_grid_and_a_negative_step_are_refused() -> None:
    captioner, grid = wide_captioner()
    with pytest.raises(SearchError, match=r"expected a gaze on 3 x 5 cells, got \(5, 3\)"):
        captioner.search(grid, gaze=Gaze(np.ones((5, 3), np.float32)))
    with pytest.raises(SearchError, match="a step of 0 or more"):
        Gaze(np.ones((3, 5), np.float32), -1)
