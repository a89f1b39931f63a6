"""A search from a given beginning: nothing but the freedom to choose its words differs from any other search."""

from __future__ import annotations

import math

import numpy as np
import pytest

from captioner.beam_search import SearchOptions, beam_search
from captioner.errors import SearchError
from search_models import (
    END,
    START,
    TABLE,
    TOKENS,
    A,
    B,
    C,
    D,
    LanguageStep,
    Prefixes,
    attention_after,
    brute_force,
    gate_after,
    outcome,
    random_language,
    search,
    table_language,
)
from textbook import Language, textbook_beam_search

OPTIONS = SearchOptions(widths=(1, 2, 5, 9), max_steps=7, top_words=3)


@pytest.mark.parametrize("prefix", [(2,), (3, 3), (5, 2, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_textbook_loop_from_there(seed: int, prefix: tuple[int, ...]) -> None:
    language = random_language(seed, vocabulary=12, peak=1.5)
    for width, result in search(language, OPTIONS, prefix=prefix).items():
        oracle = textbook_beam_search(language, width, END, (0,), OPTIONS.max_steps, 1, prefix)
        assert outcome(result) == oracle.ranked(OPTIONS.length_normalisation)


@pytest.mark.parametrize("prefix", [(2,), (3, 2), (2, 2, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_width_that_covers_everything_equals_brute_force(seed: int, prefix: tuple[int, ...]) -> None:
    language = random_language(seed, vocabulary=4, peak=2.0)
    everything = brute_force(language, range(2, 4), max_steps=4)
    expected = {words: total for words, total in everything.items() if words[: len(prefix)] == prefix}
    options = SearchOptions(widths=(31,), max_steps=4, length_normalisation=0)
    found = search(language, options, prefix=prefix)[31].hypotheses
    assert {hypothesis.tokens: hypothesis.log_prob for hypothesis in found} == pytest.approx(expected)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_beginning_of_the_greedy_words_changes_nothing(length: int) -> None:
    step = LanguageStep(table_language(TABLE))
    options = SearchOptions(widths=(1,))
    (free,) = search(table_language(TABLE), options)[1].hypotheses
    (results,) = beam_search(step, Prefixes.start(), TOKENS, options, prefix=free.tokens[:length])
    (led,) = results[1].hypotheses
    assert free.tokens == (A, C, D)
    for name in ("tokens", "end_log_prob", "score", "log_prob", "finished", "alternatives"):
        assert getattr(led, name) == getattr(free, name)
    for name in ("log_probs", "attention", "gate"):
        np.testing.assert_array_equal(getattr(led, name), getattr(free, name))
    assert [rows for (rows,) in step.asked] == [[()], [(A,)], [(A, C)], [(A, C, D)]]


def test_no_beginning_changes_nothing() -> None:
    language = random_language(5, vocabulary=12, peak=1.5)
    free, led = search(language, OPTIONS), search(language, OPTIONS, prefix=())
    assert {width: result.nodes for width, result in led.items()} == {w: result.nodes for w, result in free.items()}


def test_given_words_carry_what_the_steps_said_of_them() -> None:
    prefix = (D, B)
    language = random_language(7, vocabulary=20, peak=2.0)
    for result in search(language, OPTIONS, prefix=prefix).values():
        assert [(node.token, node.parent, node.fate, node.margin) for node in result.nodes[:2]] == [
            (D, -1, "given", 0.0),
            (B, 0, "given", 0.0),
        ]
        assert {node.step for node in result.nodes[2:]} == set(range(2, max(node.step for node in result.nodes) + 1))
        total = 0.0
        for place, node in enumerate(result.nodes[:2]):
            total += language(prefix[:place])[node.token]
            assert node.total == total
            assert node.score == pytest.approx(total / (place + 1) ** 0.7)
        for hypothesis in result.hypotheses:
            assert hypothesis.tokens[:2] == prefix
            assert hypothesis.nodes[:2] == (0, 1)
            for place, token in enumerate(hypothesis.tokens):
                before = hypothesis.tokens[:place]
                log_probs = language(before)
                assert hypothesis.log_probs[place] == log_probs[token]
                np.testing.assert_array_equal(hypothesis.attention[place], attention_after(before))
                assert hypothesis.gate[place] == gate_after(before)
                allowed = [word for word in range(1, 20) if place > 0 or word != END]
                best = sorted(allowed, key=lambda word: -log_probs[word])[:3]
                assert hypothesis.alternatives[place] == tuple((word, log_probs[word]) for word in best)


def test_a_pruned_branch_is_made_to_live() -> None:
    language = random_language(2, vocabulary=12, peak=1.5)
    free = search(language, OPTIONS)[2]
    for node in free.nodes:
        if node.fate != "pruned" or node.token == END or node.step > 4:
            continue
        prefix = [node.token]
        parent = node.parent
        while parent >= 0:
            prefix.insert(0, free.nodes[parent].token)
            parent = free.nodes[parent].parent
        led = search(language, OPTIONS, prefix=tuple(prefix))[2]
        revived = led.nodes[node.step]
        assert revived.fate == "given"
        assert revived._replace(fate="pruned", margin=node.margin, parent=node.parent, glimpse=node.glimpse) == node
        np.testing.assert_array_equal(led.glimpses.attention[revived.glimpse], free.glimpses.attention[node.glimpse])
        assert all(hypothesis.tokens[: node.step + 1] == tuple(prefix) for hypothesis in led.hypotheses)


def test_groups_begin_together_and_find_what_they_find_alone() -> None:
    languages = [random_language(seed, vocabulary=8, peak=peak) for seed, peak in ((1, 0.5), (2, 4.0), (3, 1.5))]
    prefix = (C, A)
    together = beam_search(LanguageStep(*languages), Prefixes.start(3), TOKENS, OPTIONS, 3, prefix)
    for language, results in zip(languages, together, strict=True):
        for width, result in search(language, OPTIONS, prefix=prefix).items():
            assert outcome(results[width]) == outcome(result)
            assert results[width].nodes == result.nodes


def test_an_end_that_is_best_finishes_the_beginning() -> None:
    result = search(table_language(TABLE), SearchOptions(widths=(1,), length_normalisation=1), prefix=(B, D))[1]
    (found,) = result.hypotheses
    assert (found.tokens, found.finished) == ((B, D), True)
    assert found.score == pytest.approx(math.log(0.4 * 0.04 * 0.8) / 3)
    assert [node.fate for node in result.nodes] == ["given", "given", "finished"]


def test_one_step_is_left_after_the_longest_beginning() -> None:
    options = SearchOptions(widths=(3,), max_steps=3)
    result = search(table_language(TABLE), options, prefix=(B, C))[3]
    assert [(h.tokens, h.finished) for h in result.hypotheses] == [
        ((B, C), True),
        ((B, C, D), False),
        ((B, C, B), False),
    ]
    with pytest.raises(SearchError, match="beginning shorter than the limit of 3 words, got 3 of them: give fewer"):
        search(table_language(TABLE), options, prefix=(B, C, D))


@pytest.mark.parametrize("token", [START, END, -1])
def test_tokens_that_are_no_words_are_refused(token: int) -> None:
    with pytest.raises(SearchError, match=f"beginning of words, got token {token}, which is none: choose another"):
        search(table_language(TABLE), OPTIONS, prefix=(A, token))


def test_token_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(SearchError, match="tokens below the step's vocabulary of 6, got 6"):
        search(table_language(TABLE), OPTIONS, prefix=(A, 6))


def test_beginning_that_cannot_be_said_is_refused() -> None:
    with pytest.raises(
        SearchError, match="can say, got token 3 with a log-probability of -inf at step 1: choose another"
    ):
        search(table_language(TABLE), OPTIONS, prefix=(A, B))


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
@pytest.mark.parametrize("place", [A, B])
def test_number_that_is_none_is_refused_among_given_words(wrong: float, place: int) -> None:
    def breaks(words: tuple[int, ...]) -> list[float]:
        return [wrong if token == place and len(words) == 1 else -1.0 for token in range(6)]

    language: Language = breaks
    with pytest.raises(SearchError, match="NaN or \\+inf at step 1"):
        search(language, OPTIONS, prefix=(B, A, A))
