from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from builders import tiny_grid, wide_captioner
from captioner.errors import RecordError, SearchError
from captioner.probes.map_test import BARELY, MATTERED, SHARES, SHUFFLES, Deletion, MapTest, map_test

WORDS = ("a", "red", "dog", "runs")


@pytest.mark.parametrize("step", [0, 2, 3])
def test_the_word_with_its_own_map_has_the_probability_of_its_caption(step: int) -> None:
    captioner, grid = wide_captioner()
    test = map_test(captioner, grid, WORDS, step)
    assert test.word == WORDS[step]
    assert test.log_prob == pytest.approx(float(captioner.replay(grid, WORDS).log_probs[step]), abs=1e-5)


def test_a_uniform_map_reads_the_mean_annotation() -> None:
    captioner, grid = wide_captioner()
    decoder, step = captioner.decoder, 2
    with torch.no_grad():
        state = decoder.start(grid)
        tokens = [captioner.vocabulary.start, *captioner.vocabulary.encode(WORDS)]
        for place in range(step):
            state = decoder.step(torch.tensor([[tokens[place]]]), state).state
        hidden, cell = state.hidden[0], state.cell[0]
        gated = torch.sigmoid(decoder.gate(hidden)) * state.annotations[0].mean(dim=0)
        embedding = decoder.embedding(torch.tensor([tokens[step]]))
        hidden, _ = decoder.lstm(torch.cat([embedding, gated], dim=1), (hidden, cell))
        said = decoder.read_out(hidden, gated, embedding).log_softmax(-1)[0, tokens[step + 1]]
    assert map_test(captioner, grid, WORDS, step).uniform == pytest.approx(float(said), abs=1e-5)


def test_a_shuffled_flat_map_changes_nothing_and_does_not_matter() -> None:
    captioner, grid = wide_captioner()
    with torch.no_grad():
        captioner.decoder.attention.score.weight.zero_()
    test = map_test(captioner, grid, WORDS, 1)
    assert len(test.shuffled) == SHUFFLES
    assert test.shuffled == pytest.approx([test.log_prob] * SHUFFLES, abs=1e-5)
    assert test.loss == pytest.approx(0, abs=1e-5)
    assert test.verdict == "not"


def test_deleting_cells_is_captioning_a_photo_whose_cells_are_those_of_a_blank_one() -> None:
    captioner, grid = wide_captioner()
    step = 2
    deletion = map_test(captioner, grid, WORDS, step).deletion
    order = np.argsort(-captioner.replay(grid, WORDS).attention[step].ravel(), kind="stable")
    centre = sorted(range(15), key=lambda i: (5 * (2 * (i // 5) - 2)) ** 2 + (3 * (2 * (i % 5) - 4)) ** 2)
    for place, share in enumerate(SHARES):
        for curve, cells in ((deletion.by_attention, order), (deletion.from_centre, centre)):
            annotations = grid.annotations.clone()
            for cell in cells[: max(1, round(share * 15))]:
                annotations[0, int(cell)] = captioner.blank.annotations[0, int(cell)]
            said = captioner.replay(replace(grid, annotations=annotations), WORDS).log_probs[step]
            assert curve[place] == pytest.approx(float(said), abs=1e-4)


def test_the_same_seed_gives_the_same_test() -> None:
    captioner, grid = wide_captioner()
    assert map_test(captioner, grid, WORDS, 1, seed=3) == map_test(captioner, grid, WORDS, 1, seed=3)
    assert map_test(captioner, grid, WORDS, 1, seed=3) != map_test(captioner, grid, WORDS, 1, seed=4)


@pytest.mark.parametrize(
    ("loss", "verdict"), [(MATTERED, "mattered"), (BARELY, "barely"), (BARELY / 2, "not"), (-1, "not")]
)
def test_verdicts(loss: float, verdict: str) -> None:
    deletion = Deletion((0.5,), (-1.5,), (-1.2,), (-1.1,))
    test = MapTest("dog", -1.0, -1.0, (-1.0 - loss + 0.25, -1.0 - loss - 0.25) if loss > -1 else (0.0,), deletion)
    assert test.verdict == verdict
    assert deletion.mean_loss(-1.0) == pytest.approx((0.5, 0.2, 0.1))


def test_impossible_questions_are_refused() -> None:
    captioner, grid = wide_captioner()
    with pytest.raises(SearchError, match="expected a word from 1 to 4 of the caption, got 5"):
        map_test(captioner, grid, WORDS, 4)
    with pytest.raises(SearchError, match="got 0"):
        map_test(captioner, grid, WORDS, -1)
    with pytest.raises(SearchError, match="at least one word"):
        map_test(captioner, grid, (), 0)
    with pytest.raises(SearchError, match="'zebra' is not a word"):
        map_test(captioner, grid, ("zebra",), 0)
    with pytest.raises(SearchError, match="features of one photo, got 2"):
        map_test(captioner, tiny_grid(2, 3, 5, captioner.encoder.channels), WORDS, 0)
    with pytest.raises(RecordError, match="a number per share"):
        Deletion((0.1, 0.2), (-1.0,), (-1.0,), (-1.0,))
    with pytest.raises(RecordError, match="log-probabilities"):
        MapTest("dog", 1.0, -1.0, (-1.0,), Deletion((0.5,), (-1.5,), (-1.2,), (-1.1,)))
