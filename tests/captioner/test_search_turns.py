"""What a search is asked, and what its turns may not say."""

from __future__ import annotations

import math

import pytest
import torch

from captioner.beam_search import SearchOptions, SearchTokens
from captioner.errors import SearchError
from captioner.search_turns import Asked, start_search
from search_models import Prefixes

TOKENS = SearchTokens(start=0, end=1, banned=(0, 4))
CPU = torch.device("cpu")


def test_banned_tokens_cost_everything_and_the_end_only_at_first() -> None:
    asked = Asked(TOKENS, SearchOptions(min_words=2))
    for step, end in enumerate((math.inf, math.inf, 0.0, 0.0)):
        assert asked.penalty(6, step, CPU).tolist() == [math.inf, end, 0, 0, math.inf, 0]
    free = Asked(SearchTokens(0, 1), SearchOptions(min_words=0))
    assert free.penalty(3, 0, CPU).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ((2, 3, 2), "shorter than the limit of 3 words, got 3"),
        ((2, 4), "a beginning of words, got token 4"),
        ((0,), "got token 0, which is none"),
        ((1,), "got token 1, which is none"),
        ((-1,), "got token -1, which is none"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused(prefix: tuple[int, ...], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        Asked(TOKENS, SearchOptions(max_steps=3), prefix)


def test_a_padded_search_has_all_rows_and_slots_from_the_start() -> None:
    options = SearchOptions(widths=(1, 3))
    plain = start_search(Prefixes.start(2), Asked(TOKENS, options), 2, CPU)
    assert (tuple(plain.token_ids.shape), tuple(plain.beams.alive.shape), plain.nodes) == ((2, 1), (2, 2, 1), 0)
    padded = start_search(Prefixes.start(2), Asked(TOKENS, options, rows=4), 2, CPU)
    assert tuple(padded.token_ids.shape) == tuple(padded.state.tokens.shape[:2]) == (2, 4)
    assert tuple(padded.beams.alive.shape) == (2, 2, 3)
    assert int(padded.beams.alive.sum()) == 4  # one hypothesis a beam
    assert isinstance(padded.nodes, torch.Tensor)
    assert set(padded.token_ids.flatten().tolist()) == {0}
