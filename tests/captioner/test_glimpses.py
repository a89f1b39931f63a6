"""Glimpses: one per prefix, true for every node, shared by all widths; and what they may hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from captioner.beam_search import SearchOptions, SearchResult, beam_search
from captioner.errors import RecordError
from captioner.glimpses import NO_GLIMPSES, Glimpses
from search_models import (
    CELLS,
    END,
    START,
    TABLE,
    TOKENS,
    A,
    B,
    C,
    LanguageStep,
    Prefixes,
    attention_after,
    gate_after,
    random_language,
    search,
    table_language,
)
from textbook import Language

OPTIONS = SearchOptions(widths=(1, 3, 8), max_steps=6, top_words=3, min_words=2)


def prefixes(result: SearchResult) -> list[tuple[int, ...]]:
    """The tokens before each node."""
    found: list[tuple[int, ...]] = []
    for node in result.nodes:
        found.append(() if node.parent < 0 else (*found[node.parent], result.nodes[node.parent].token))
    return found


def best_after(language: Language, words: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
    """The best three that may come next."""
    log_probs = language(words)
    allowed = [word for word in range(1, len(log_probs)) if word != END or len(words) >= OPTIONS.min_words]
    return tuple((word, log_probs[word]) for word in sorted(allowed, key=lambda word: -log_probs[word])[:3])


# --- what a search keeps ---


@pytest.mark.parametrize("prefix", [(), (4,), (3, 7, 2)])
def test_every_node_points_at_what_was_said_before_its_token(prefix: tuple[int, ...]) -> None:
    languages = [random_language(seed, vocabulary=9, peak=2.0) for seed in range(3)]
    groups = beam_search(LanguageStep(*languages), Prefixes.start(3), TOKENS, OPTIONS, 3, prefix)
    for language, results in zip(languages, groups, strict=True):
        for result in results.values():
            for node, before in zip(result.nodes, prefixes(result), strict=True):
                np.testing.assert_array_equal(result.glimpses.attention[node.glimpse], attention_after(before))
                assert result.glimpses.gate[node.glimpse] == gate_after(before)
                assert result.glimpses.alternatives[node.glimpse] == best_after(language, before)


def test_a_prefix_is_one_glimpse_at_all_widths_together() -> None:
    # The table's group soon has fewer prefixes than the other and is filled up with rows that mean nothing.
    step = LanguageStep(random_language(1, vocabulary=6, peak=1.0), table_language(TABLE))
    groups = beam_search(step, Prefixes.start(2), TOKENS, OPTIONS, groups=2)
    for group, results in enumerate(groups):
        (shared,) = {id(result.glimpses): result.glimpses for result in results.values()}.values()
        pointed = [
            {before: node.glimpse for node, before in zip(result.nodes, prefixes(result), strict=True)}
            for result in results.values()
        ]
        together = {before: place for one in pointed for before, place in one.items()}
        assert all(together[before] == place for one in pointed for before, place in one.items())
        assert len(set(together.values())) == len(together)
        assert sorted(together.values()) == list(range(len(shared)))
        # Nothing was asked twice, and nothing that was asked is lost.
        asked = {before for rows in step.asked for before in rows[group]}
        assert together.keys() == {before for before in asked if START not in before}  # a group that has ended gets it
        assert sum(map(len, pointed)) > len(shared)


def test_the_words_of_a_hypothesis_agree_with_the_glimpses_of_its_nodes() -> None:
    for result in search(random_language(3, vocabulary=9, peak=1.5), OPTIONS).values():
        for hypothesis in result.hypotheses:
            seen = [result.nodes[node].glimpse for node in hypothesis.nodes[: len(hypothesis.tokens)]]
            np.testing.assert_array_equal(hypothesis.attention, result.glimpses.attention[seen])
            np.testing.assert_array_equal(hypothesis.gate, result.glimpses.gate[seen])
            assert hypothesis.alternatives == tuple(result.glimpses.alternatives[place] for place in seen)


def test_a_dead_end_has_a_glimpse_without_words() -> None:
    allowed = {(): (A, B), (A,): (END,), (B,): ()}
    language: Language = lambda words: [-1.0 if t in allowed[words] else -math.inf for t in range(4)]  # noqa: E731
    result = search(language, SearchOptions(widths=(2,)))[2]
    assert result.glimpses.alternatives == (((A, -1.0), (B, -1.0)), ((END, -1.0),), ())
    assert [node.glimpse for node in result.nodes] == [0, 0, 1]


def test_glimpses_cannot_be_changed_by_one_of_those_who_share_them() -> None:
    glimpses = search(table_language(TABLE), OPTIONS)[3].glimpses
    assert glimpses.attention.dtype == glimpses.gate.dtype == np.float32
    assert glimpses.attention.shape == (len(glimpses), CELLS)
    with pytest.raises(ValueError, match="read-only"):
        glimpses.attention[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        glimpses.gate[0] = 0


# --- what they may hold ---


def glimpses_of(**changes: Any) -> Glimpses[int]:
    """Two plain glimpses of 2 x 3 cells."""
    plain = {
        "attention": np.full((2, 2, 3), 1 / 6, np.float32),
        "gate": np.full(2, 0.5, np.float32),
        "alternatives": (((C, -0.5), (A, -2.0)), ()),
    }
    return Glimpses(**{**plain, **changes})


def test_glimpses_are_counted() -> None:
    assert len(glimpses_of()) == 2
    assert len(glimpses_of(attention=np.full((2, 6), 1 / 6, np.float32))) == 2
    assert len(NO_GLIMPSES) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": np.ones(2, np.float32)}, r"attention \(glimpses, cells\) or .*, got \(2,\)"),
        ({"attention": np.full((3, 2, 3), 1 / 6, np.float32)}, r"gate for 3 glimpses, got shape \(2,\)"),
        ({"attention": np.full((2, 2, 3), 0.2, np.float32)}, "sums to 1 for every glimpse"),
        ({"attention": np.full((2, 2, 3), np.nan, np.float32)}, "sums to 1 for every glimpse"),
        ({"attention": np.array([[1.5, -0.5]] * 2, np.float32)}, "not negative"),
        ({"gate": np.full((2, 1), 0.5, np.float32)}, r"gate for 2 glimpses, got shape \(2, 1\)"),
        ({"gate": np.array([0.5, 1.5], np.float32)}, "gate of 0 to 1 for every glimpse"),
        ({"gate": np.array([0.5, np.nan], np.float32)}, "gate of 0 to 1 for every glimpse"),
        ({"alternatives": ((),)}, "alternatives for 2 glimpses, got 1"),
        ({"alternatives": ((), ((C, 0.5),))}, "finite and not above 0 for every glimpse"),
        ({"alternatives": ((), ((C, math.nan),))}, "finite and not above 0 for every glimpse"),
        ({"alternatives": ((), ((C, -math.inf),))}, "finite and not above 0 for every glimpse"),
    ],
)
def test_glimpses_that_do_not_hold_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        glimpses_of(**changes)
