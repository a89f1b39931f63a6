"""What the search accepts from a step function, and what it makes of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from captioner.beam_search import SearchOptions, SearchTokens, Step, StepResult, beam_search
from captioner.errors import SearchError
from captioner.search_steps import read_step
from search_models import END, TABLE, TOKENS, A, B, LanguageStep, Prefixes, table_language
from textbook import Language


def fixed_step(log_probs: Tensor, attention: Tensor, gate: Tensor) -> Step[Prefixes]:
    return lambda token_ids, state: StepResult(log_probs, attention, gate, state)


@pytest.mark.parametrize(
    ("log_probs", "attention", "gate", "message"),
    [
        ((1, 6), (1, 1, 4), (1, 1), r"log-probabilities \(1, 1, V\), got \(1, 6\)"),
        ((1, 2, 6), (1, 1, 4), (1, 1), r"log-probabilities \(1, 1, V\), got \(1, 2, 6\)"),
        ((1, 1, 0), (1, 1, 4), (1, 1), r"log-probabilities \(1, 1, V\), got \(1, 1, 0\)"),
        ((1, 1, 6), (1, 1, 2, 2), (1, 1), r"attention \(1, 1, L\), got \(1, 1, 2, 2\)"),
        ((1, 1, 6), (2, 1, 4), (1, 1), r"attention \(1, 1, L\), got \(2, 1, 4\)"),
        ((1, 1, 6), (1, 1, 4), (1, 1, 1), r"gate \(1, 1\), got \(1, 1, 1\)"),
        ((1, 1, 6), (1, 1, 4), (1, 2), r"gate \(1, 1\), got \(1, 2\)"),
        ((1, 1, 1), (1, 1, 4), (1, 1), "tokens below the step's vocabulary of 1, got 1"),
    ],
)
def test_wrong_shapes_are_refused(
    log_probs: tuple[int, ...], attention: tuple[int, ...], gate: tuple[int, ...], message: str
) -> None:
    step = fixed_step(torch.zeros(log_probs), torch.zeros(attention), torch.zeros(gate))
    with pytest.raises(SearchError, match=message):
        beam_search(step, Prefixes.start(), TOKENS, SearchOptions(widths=(1,)))


def test_grid_that_changes_between_steps_is_refused() -> None:
    def step(token_ids: Tensor, state: Prefixes) -> StepResult:
        cells = 4 + state.tokens.shape[-1]
        log_probs = torch.zeros(1, 1, 6)
        return StepResult(
            log_probs, torch.zeros(1, 1, cells), torch.zeros(1, 1), Prefixes(torch.zeros(1, 1, 1, dtype=torch.int64))
        )

    with pytest.raises(SearchError, match=r"attention \(1, 1, 4\), got \(1, 1, 5\)"):
        beam_search(step, Prefixes.start(), SearchTokens(0, END, (0,)), SearchOptions(widths=(1,)))


@pytest.mark.parametrize(("wrong", "name"), [(math.nan, "NaN"), (math.inf, "NaN or \\+inf")])
@pytest.mark.parametrize("place", [END, A, 5])
def test_log_probability_that_is_no_number_is_refused(wrong: float, name: str, place: int) -> None:
    sound = table_language(TABLE)

    def breaks(words: tuple[int, ...]) -> list[float]:
        log_probs = list(sound(words))
        if len(words) == 2:
            log_probs[place] = wrong
        return log_probs

    options = SearchOptions(widths=(1, 3))
    with pytest.raises(SearchError, match=f"{name}.* at step 2"):
        beam_search(LanguageStep(sound, breaks), Prefixes.start(2), TOKENS, options, groups=2)


def test_padding_of_a_finished_group_is_not_looked_at() -> None:
    def short(words: tuple[int, ...]) -> list[float]:
        return [[-math.inf, -1.0, 0.0], [-math.inf, 0.0, -1.0]][len(words)] if len(words) < 2 else [math.nan] * 3

    long: Language = lambda words: [-math.inf, -0.5 if len(words) == 5 else -9.0, -1.0]  # noqa: E731
    step = LanguageStep(short, long)
    first, second = beam_search(step, Prefixes.start(2), TOKENS, SearchOptions(widths=(1,)), groups=2)
    assert first[1].hypotheses[0].tokens == (A,)
    assert second[1].hypotheses[0].tokens == (A,) * 5


@pytest.mark.parametrize("dead_step", [0, 1])
def test_step_that_allows_nothing_is_refused(dead_step: int) -> None:
    def dead_end(words: tuple[int, ...]) -> list[float]:
        return [-math.inf] * 4 if len(words) == dead_step else [-math.inf, -5.0, -1.0, -2.0]

    with pytest.raises(SearchError, match=f"-inf at step {dead_step}"):
        beam_search(LanguageStep(dead_end), Prefixes.start(), TOKENS, SearchOptions(widths=(1, 2)))


def test_dead_end_of_one_hypothesis_leaves_the_others() -> None:
    def trap(words: tuple[int, ...]) -> list[float]:
        if words[:1] == (A,):
            return [-math.inf] * 4
        return [-math.inf, -0.1, -1.0, -2.0]

    (results,) = beam_search(LanguageStep(trap), Prefixes.start(), TOKENS, SearchOptions(widths=(2,), max_steps=2))
    assert [(h.tokens, h.finished) for h in results[2].hypotheses] == [((B,), True), ((B, A), False)]
    assert all(math.isfinite(node.total) for node in results[2].nodes)


def test_dead_end_after_something_finished_ends_the_search() -> None:
    allowed = {(): (A, B), (A,): (END,), (B,): (A,), (B, A): ()}
    language: Language = lambda words: [-1.0 if t in allowed[words] else -math.inf for t in range(4)]  # noqa: E731
    (results,) = beam_search(LanguageStep(language), Prefixes.start(), TOKENS, SearchOptions(widths=(2,)))
    assert [(h.tokens, h.finished) for h in results[2].hypotheses] == [((A,), True)]


def test_more_asked_than_the_vocabulary_has() -> None:
    options = SearchOptions(widths=(50,), max_steps=2, top_words=20)
    (results,) = beam_search(LanguageStep(table_language(TABLE)), Prefixes.start(), TOKENS, options)
    best = results[50].hypotheses[0]
    assert best.tokens == (A,)
    assert [len(words) for words in best.alternatives] == [2]  # A and B are all the table allows first


def read(log_probs: list[float], best: int) -> tuple[list[int], list[float]]:
    result = StepResult(torch.tensor([[log_probs]]), torch.zeros(1, 1, 4), torch.zeros(1, 1), None)
    record = read_step(result, torch.tensor([math.inf] + [0.0] * (len(log_probs) - 1)), best).offer
    return record.tokens[0, 0].tolist(), record.log_probs[0, 0].tolist()


def test_equal_log_probabilities_are_ordered_by_token() -> None:
    assert read([-1, -3, -2, -3, -2, -3, -9], best=4) == ([2, 4, 1, 3], [-2, -2, -3, -3])  # a tie across the border
    assert read([-1, -3, -2, -4, -2.5, -5, -9], best=3) == ([2, 4, 1], [-2, -2.5, -3])
    for vocabulary in (5, 8, 12, 3000):  # the only tie goes across the border
        assert read([-1, -2, *[-9] * (vocabulary - 3), -1.5], best=3)[0] == [vocabulary - 1, 1, 2]
    flat = [-math.log(3000)] * 3000
    assert read(flat, best=10)[0] == list(range(1, 11))


def test_step_is_kept_in_single_precision_and_its_tensors_untouched() -> None:
    log_probs = torch.tensor([[[-1.0, -2.0, -3.0]]], dtype=torch.float64)
    attention, gate = torch.full((1, 1, 2), 0.5, dtype=torch.bfloat16), torch.ones(1, 1)
    result = StepResult(log_probs, attention, gate, None)
    record = read_step(result, torch.tensor([math.inf, 0.0, 0.0]), 3)
    assert record.offer.log_probs.dtype == record.attention.dtype == record.gate.dtype == torch.float32
    assert record.offer.tokens[0, 0, :2].tolist() == [1, 2]
    gate.zero_()
    log_probs_given = log_probs[0, 0].tolist()
    assert log_probs_given == [-1.0, -2.0, -3.0]
    assert record.gate.tolist() == [[1.0]]
    assert record.attention.tolist() == [[[0.5, 0.5]]]
