"""Beam search against a hand-written transition table, brute force and a plain textbook loop."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.beam_search import MAX_WIDTH, SearchOptions, SearchResult, SearchTokens, beam_search
from captioner.errors import SearchError
from search_models import (
    CELLS,
    END,
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


def assert_same(one: SearchResult, other: SearchResult) -> None:
    assert one.width == other.width
    for node, twin in zip(one.nodes, other.nodes, strict=True):
        assert node._replace(glimpse=0) == twin._replace(glimpse=0)  # other widths' glimpses lie between
        for name in ("alternatives", "gate", "attention"):
            seen, twice = getattr(one.glimpses, name)[node.glimpse], getattr(other.glimpses, name)[twin.glimpse]
            np.testing.assert_array_equal(seen, twice)
    for mine, theirs in zip(one.hypotheses, other.hypotheses, strict=True):
        assert (mine.tokens, mine.score, mine.nodes) == (theirs.tokens, theirs.score, theirs.nodes)
        assert mine.alternatives == theirs.alternatives
        assert (mine.finished, mine.end_log_prob) == (theirs.finished, theirs.end_log_prob)
        np.testing.assert_array_equal(mine.log_probs, theirs.log_probs)
        np.testing.assert_allclose(mine.attention, theirs.attention)
        np.testing.assert_allclose(mine.gate, theirs.gate)


def test_hand_written_table() -> None:
    step = LanguageStep(table_language(TABLE))
    options = SearchOptions(widths=(1, 2, 3), length_normalisation=0)
    (results,) = beam_search(step, Prefixes.start(), TOKENS, options)

    # Width 1 is greedy: 0.6 * 0.5 * 0.4 * 0.8.
    expected: dict[int, list[tuple[tuple[int, ...], float]]] = {
        1: [((A, C, D), 0.096)],
        2: [((B, C, D), 0.1152), ((A, C, D), 0.096)],
        3: [((A, D), 0.192), ((B, C, D), 0.1152), ((A, C, D), 0.096)],
    }
    for width, sequences in expected.items():
        found = results[width].hypotheses
        assert [hypothesis.tokens for hypothesis in found] == [tokens for tokens, _ in sequences]
        assert [math.exp(hypothesis.score) for hypothesis in found] == pytest.approx([p for _, p in sequences])
        assert [hypothesis.log_prob for hypothesis in found] == [hypothesis.score for hypothesis in found]
        assert all(hypothesis.finished for hypothesis in found)
    # A prefix kept by several widths is one row, in the order in which the widths keep them.
    assert [rows for (rows,) in step.asked] == [
        [()],
        [(A,), (B,)],
        [(A, C), (B, C), (A, D)],
        [(A, C, D), (B, C, D)],
    ]


def test_hypothesis_carries_every_number_of_its_steps() -> None:
    best = search(table_language(TABLE), SearchOptions(widths=(3,), length_normalisation=0, top_words=2))[3].hypotheses[
        0
    ]
    np.testing.assert_allclose(best.log_probs, np.log([0.6, 0.4]), rtol=1e-6)
    assert best.log_probs.dtype == best.attention.dtype == best.gate.dtype == np.float32
    assert best.end_log_prob == pytest.approx(math.log(0.8))
    assert [[token for token, _ in best_words] for best_words in best.alternatives] == [[A, B], [C, D]]
    assert [p for _, p in best.alternatives[1]] == pytest.approx([math.log(0.5), math.log(0.4)])
    assert not best.attention.flags.writeable  # shared between widths


def test_length_normalisation_divides_by_a_power_of_the_tokens() -> None:
    language = table_language(TABLE)
    plain = search(language, SearchOptions(widths=(3,), length_normalisation=0))[3]
    assert [h.tokens for h in plain.hypotheses] == [(A, D), (B, C, D), (A, C, D)]
    # ln 0.192, ln 0.1152, ln 0.096
    assert [h.score for h in plain.hypotheses] == pytest.approx([-1.650260, -2.161086, -2.343407], abs=1e-6)
    mean = search(language, SearchOptions(widths=(3,), length_normalisation=1))[3]
    assert [h.tokens for h in mean.hypotheses] == [(B, C, D), (A, D), (A, C, D)]
    # The same divided by 4, 3 and 4 tokens: the words and <end>.
    assert [h.score for h in mean.hypotheses] == pytest.approx([-0.540271, -0.550087, -0.585852], abs=1e-6)
    root = search(language, SearchOptions(widths=(3,), length_normalisation=0.5))[3]
    assert root.hypotheses[0].score == pytest.approx(-0.952778, abs=1e-6)  # ln 0.192 / sqrt 3
    assert mean.hypotheses[1].log_prob == pytest.approx(-1.650260)


@pytest.mark.parametrize("seed", range(4))
def test_width_that_covers_everything_equals_brute_force(seed: int) -> None:
    language = random_language(seed, vocabulary=4, peak=2.0)
    expected = brute_force(language, range(2, 4), max_steps=4)
    assert len(expected) == 1 + 2 + 4 + 8 + 16
    options = SearchOptions(widths=(31, 40), max_steps=4, min_words=0, length_normalisation=0)
    for result in search(language, options).values():
        assert {h.tokens: h.log_prob for h in result.hypotheses} == pytest.approx(expected)
        assert [h.finished for h in result.hypotheses] == [True] * 15 + [False] * 16
        for part in (result.hypotheses[:15], result.hypotheses[15:]):
            assert [h.score for h in part] == sorted((h.score for h in part), reverse=True)


@pytest.mark.parametrize("peak", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("seed", range(3))
def test_equals_the_textbook_loop(seed: int, peak: float) -> None:
    widths, max_steps, banned = (1, 2, 3, 5, 8, 20), 7, (0, 4)
    language = random_language(seed, vocabulary=12, peak=peak)
    options = SearchOptions(widths=widths, max_steps=max_steps)
    results = search(language, options, SearchTokens(0, END, banned))
    assert tuple(results) == widths
    for width, result in results.items():
        oracle = textbook_beam_search(language, width, END, banned, max_steps, min_words=1)
        assert outcome(result) == oracle.ranked(options.length_normalisation)


def test_words_carry_what_the_step_that_made_them_saw() -> None:
    languages = [random_language(seed, vocabulary=9, peak=1.5) for seed in range(3)]
    options = SearchOptions(widths=(1, 4, 7), max_steps=6, top_words=3)
    groups = beam_search(LanguageStep(*languages), Prefixes.start(3), TOKENS, options, groups=3)
    found = 0
    for language, results in zip(languages, groups, strict=True):
        for hypothesis in itertools.chain.from_iterable(result.hypotheses for result in results.values()):
            assert hypothesis.attention.shape == (len(hypothesis.tokens), CELLS)
            for place, token in enumerate(hypothesis.tokens):
                before = hypothesis.tokens[:place]
                log_probs = language(before)
                assert hypothesis.log_probs[place] == log_probs[token]
                np.testing.assert_array_equal(hypothesis.attention[place], attention_after(before))
                assert hypothesis.gate[place] == gate_after(before)
                allowed = [word for word in range(9) if word != 0 and (place > 0 or word != END)]
                best = sorted(allowed, key=lambda word: -log_probs[word])[:3]
                assert hypothesis.alternatives[place] == tuple((word, log_probs[word]) for word in best)
            if hypothesis.finished:
                assert hypothesis.end_log_prob == language(hypothesis.tokens)[END]
            found += 1
    assert found == 3 * (1 + 4 + 7)


def test_result_of_a_width_does_not_depend_on_other_widths() -> None:
    language = random_language(5, vocabulary=15, peak=1.5)
    together = search(language, SearchOptions(widths=(1, 2, 3, 6, 10), max_steps=8))
    for width, result in together.items():
        assert_same(result, search(language, SearchOptions(widths=(width,), max_steps=8))[width])


def test_result_of_a_group_does_not_depend_on_other_groups() -> None:
    # The table's group ends early and has fewer prefixes than the others.
    languages = [random_language(1, 6, 1.0), table_language(TABLE), random_language(2, 6, 3.0)]
    options = SearchOptions(widths=(2, 3, 9), max_steps=8)
    together = beam_search(LanguageStep(*languages), Prefixes.start(3), TOKENS, options, groups=3)
    for language, results in zip(languages, together, strict=True):
        for width, result in search(language, options).items():
            assert_same(results[width], result)


def test_group_with_fewer_prefixes_repeats_its_first() -> None:
    step = LanguageStep(random_language(1, 6, 1.0), table_language(TABLE))
    beam_search(step, Prefixes.start(2), TOKENS, SearchOptions(widths=(5,), max_steps=4), groups=2)
    # Width 5 keeps A and B, then BC AC AD, while A and B also end; the other group has four prefixes.
    assert [groups[1] for groups in step.asked[:3]] == [
        [()],
        [(A,), (B,), (A,), (A,)],
        [(B, C), (A, C), (A, D), (B, C)],
    ]


def test_nothing_finished_still_gives_hypotheses() -> None:
    never_ends = [[0.0, 0.0, 0.7, 0.3]] * 4
    results = search(table_language(never_ends), SearchOptions(widths=(1, 2), max_steps=3, length_normalisation=1))
    assert [h.tokens for h in results[2].hypotheses] == [(A, A, A), (A, A, B)]
    assert [h.finished for h in results[2].hypotheses] == [False, False]
    assert results[2].hypotheses[0].end_log_prob is None
    assert results[2].hypotheses[0].score == pytest.approx(math.log(0.7))  # 3 ln 0.7 / 3 tokens
    assert results[2].hypotheses[1].log_prob == pytest.approx(math.log(0.7 * 0.7 * 0.3))
    assert [node.fate for node in results[1].nodes] == ["kept", "kept", "cut"]


def test_finished_come_before_unfinished_with_better_scores() -> None:
    rambling = [[0.0, 0.1, 0.9]] * 3
    result = search(table_language(rambling), SearchOptions(widths=(2,), max_steps=3))[2]
    assert [(h.tokens, h.finished) for h in result.hypotheses] == [((A,), True), ((A, A, A), False)]
    assert result.hypotheses[0].score < result.hypotheses[1].score


def test_banned_tokens_never_appear() -> None:
    loves_banned = [[0.3, 0.1, 0.3, 0.05, 0.2, 0.05]] * 6
    tokens = SearchTokens(start=0, end=END, banned=(0, A, C))
    results = search(table_language(loves_banned), SearchOptions(widths=(1, 4), max_steps=5), tokens)
    for result in results.values():
        assert {node.token for node in result.nodes} <= {END, B, D}
        for hypothesis in result.hypotheses:
            assert {word for words in hypothesis.alternatives for word, _ in words} <= {END, B, D}
            np.testing.assert_allclose(hypothesis.log_probs, math.log(0.05), rtol=1e-6)  # not renormalised


def test_end_waits_for_the_least_number_of_words() -> None:
    eager = [[0.0, 0.8, 0.15, 0.05]] * 4
    for least in range(4):
        result = search(table_language(eager), SearchOptions(widths=(3,), max_steps=6, min_words=least))[3]
        assert min(len(h.tokens) for h in result.hypotheses) == least
        first_words = result.hypotheses[0].alternatives[:least]
        assert all(END not in dict(words) for words in first_words)


def test_hypothesis_without_words_has_empty_maps() -> None:
    eager = [[0.0, 0.8, 0.2]] * 3
    (empty,) = search(table_language(eager), SearchOptions(widths=(1,), min_words=0))[1].hypotheses
    assert (empty.tokens, empty.alternatives, empty.finished) == ((), (), True)
    assert empty.attention.shape == (0, CELLS)
    assert empty.log_prob == pytest.approx(math.log(0.8))


def test_equal_totals_go_to_the_earlier_hypothesis_then_to_the_lower_token() -> None:
    flat: Language = lambda words: [math.log(1 / 1000)] * 1000  # noqa: E731
    result = search(flat, SearchOptions(widths=(3,), max_steps=2, min_words=0, length_normalisation=0))[3]
    # Step 0 takes <end>, 2 and 3; of the two places left, both go to continuations of 2.
    assert [(h.tokens, h.finished) for h in result.hypotheses] == [((), True), ((2,), True), ((2, 2), False)]
    assert [node.token for node in result.nodes] == [END, 2, 3, END, 2, END, 2]
    assert [node.fate for node in result.nodes][3:] == ["finished", "cut", "pruned", "pruned"]


@settings(max_examples=60, deadline=None, database=None)
@given(
    seed=st.integers(0, 10_000),
    vocabulary=st.integers(3, 8),
    peak=st.floats(0, 6),
    widths=st.sets(st.integers(1, 12), min_size=1, max_size=3),
    max_steps=st.integers(2, 5),
    data=st.data(),
)
def test_any_search_equals_the_textbook(
    seed: int, vocabulary: int, peak: float, widths: set[int], max_steps: int, data: st.DataObject
) -> None:
    min_words = data.draw(st.integers(0, max_steps - 1))
    prefix = tuple(data.draw(st.lists(st.integers(2, vocabulary - 1), max_size=max_steps - 1)))
    options = SearchOptions(tuple(sorted(widths)), max_steps, min_words=min_words)
    language = random_language(seed, vocabulary, peak)
    for width, result in search(language, options, prefix=prefix).items():
        oracle = textbook_beam_search(language, width, END, (0,), max_steps, min_words, prefix)
        assert outcome(result) == oracle.ranked(0.7)
        assert len({h.tokens for h in result.hypotheses}) == len(result.hypotheses) <= width


def test_no_gradients_are_kept() -> None:
    step = LanguageStep(table_language(TABLE))
    tracking: list[bool] = []

    def watched(token_ids: torch.Tensor, state: Prefixes) -> object:
        tracking.append(torch.is_grad_enabled())
        return step(token_ids, state)

    beam_search(watched, Prefixes.start(), TOKENS, SearchOptions(widths=(1,)))  # type: ignore[arg-type]
    assert tracking == [False] * 4
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": ()}, "beam widths of 1 to 100, got \\(\\)"),
        ({"widths": (0, 1)}, "beam widths of 1 to 100"),
        ({"widths": (1, MAX_WIDTH + 1)}, "got \\(1, 101\\)"),
        ({"widths": (1.5,)}, "beam widths of 1 to 100"),
        ({"widths": (3, 1)}, "ascending"),
        ({"widths": (2, 2)}, "none twice"),
        ({"max_steps": 0, "min_words": 0}, "1 step or more, got 0"),
        ({"length_normalisation": -0.1}, "length normalisation of 0 to 10, got -0.1"),
        ({"length_normalisation": math.nan}, "length normalisation"),
        ({"length_normalisation": math.inf}, "length normalisation"),
        ({"length_normalisation": 10.1}, "length normalisation"),
        ({"min_words": -1}, "words of 0 to 29, got -1"),
        ({"min_words": 4, "max_steps": 4}, "words of 0 to 3, got 4"),
        ({"top_words": 0}, "1 top word or more"),
    ],
)
def test_impossible_options_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        SearchOptions(**changes)  # type: ignore[arg-type]


def test_impossible_tokens_and_groups_are_refused() -> None:
    with pytest.raises(SearchError, match="ids of 0 or more"):
        SearchTokens(start=0, end=-1)
    with pytest.raises(SearchError, match="end token that is allowed, got 1"):
        SearchTokens(start=0, end=1, banned=(0, 1))
    with pytest.raises(SearchError, match="1 group or more, got 0"):
        beam_search(LanguageStep(), Prefixes.start(0), TOKENS, SearchOptions(), groups=0)


def test_widest_and_narrowest_options_are_accepted() -> None:
    options = SearchOptions(widths=(1, MAX_WIDTH), max_steps=1, min_words=0, length_normalisation=10, top_words=1)
    assert [len(r.hypotheses) for r in search(table_language(TABLE), options).values()] == [1, 2]
