"""The tree a search keeps: what holds for every branch."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from captioner.beam_search import Hypothesis, SearchOptions, SearchResult, beam_search
from captioner.errors import SearchError
from search_models import END, TABLE, TOKENS, A, B, C, D, LanguageStep, Prefixes, random_language, table_language


def test_hand_written_tree() -> None:
    options = SearchOptions(widths=(2,), length_normalisation=1)
    (results,) = beam_search(LanguageStep(table_language(TABLE)), Prefixes.start(), TOKENS, options)
    nodes = results[2].nodes
    assert [(n.step, n.parent, n.token, n.fate) for n in nodes] == [
        (0, -1, A, "kept"),
        (0, -1, B, "kept"),
        (1, 1, C, "kept"),
        (1, 0, C, "kept"),
        (1, 0, D, "pruned"),
        (1, 1, END, "pruned"),
        (2, 2, D, "kept"),
        (2, 3, D, "kept"),
        (2, 2, END, "pruned"),
        (2, 3, END, "pruned"),
        (3, 6, END, "finished"),
        (3, 7, END, "finished"),
        (3, 6, A, "pruned"),
        (3, 7, A, "pruned"),
    ]
    assert [math.exp(n.total) for n in nodes] == pytest.approx(
        [0.6, 0.4, 0.36, 0.3, 0.24, 0.024, 0.144, 0.12, 0.108, 0.09, 0.1152, 0.096, 0.0216, 0.018]
    )
    assert nodes[4].margin == pytest.approx(math.log(0.3 / 0.24))  # worst kept: A C
    assert nodes[13].margin == pytest.approx(math.log(0.096 / 0.018))  # worst taken: A C D <end>
    assert nodes[10].score == pytest.approx(math.log(0.1152) / 4)
    assert results[2].hypotheses[1].nodes == (0, 3, 7, 11)


def test_place_of_a_finished_hypothesis_is_not_filled_again() -> None:
    options = SearchOptions(widths=(3,), length_normalisation=0)
    (results,) = beam_search(LanguageStep(table_language(TABLE)), Prefixes.start(), TOKENS, options)
    taken = Counter(node.step for node in results[3].nodes if node.fate != "pruned")
    assert taken == {0: 2, 1: 3, 2: 3, 3: 2}  # A D <end> ends at step 2 and leaves two places
    assert len([node for node in results[3].nodes if node.step == 3]) == 4  # two best of two hypotheses


def check_tree(result: SearchResult, max_steps: int, length_normalisation: float) -> None:
    nodes = result.nodes
    for index, node in enumerate(nodes):
        assert -1 <= node.parent < index
        before = nodes[node.parent] if node.parent >= 0 else None
        assert node.step == (before.step + 1 if before else 0)
        assert before is None or before.fate in ("kept", "given")
        assert node.total == (before.total if before else 0.0) + node.log_prob
        assert node.score == pytest.approx(node.total / (node.step + 1) ** length_normalisation)
        assert (node.fate == "finished") <= (node.token == END)
        assert (node.fate == "cut") <= (node.step == max_steps - 1)
        assert node.margin >= 0
        if node.fate == "pruned":
            worst = min(n.total for n in nodes if n.step == node.step and n.fate != "pruned")
            assert node.margin == worst - node.total
        else:
            assert node.margin == 0


@pytest.mark.parametrize("prefix", [(), (4, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_what_holds_for_every_tree(seed: int, prefix: tuple[int, ...]) -> None:
    options = SearchOptions(widths=(1, 2, 5, 9), max_steps=6, length_normalisation=0.7)
    step = LanguageStep(random_language(seed, vocabulary=10, peak=2.0))
    (results,) = beam_search(step, Prefixes.start(), TOKENS, options, prefix=prefix)
    for width, result in results.items():
        check_tree(result, options.max_steps, options.length_normalisation)
        assert [node.token for node in result.nodes if node.fate == "given"] == list(prefix)
        ended = [index for index, node in enumerate(result.nodes) if node.fate in ("finished", "cut")]
        assert 1 <= len(ended) <= width
        assert sorted(hypothesis.nodes[-1] for hypothesis in result.hypotheses) == ended
        for hypothesis in result.hypotheses:
            branch = [result.nodes[index] for index in hypothesis.nodes]
            end = (END,) if hypothesis.finished else ()
            assert tuple(node.token for node in branch) == hypothesis.tokens + end
            assert [node.parent for node in branch] == [-1, *hypothesis.nodes[:-1]]
            assert (hypothesis.log_prob, hypothesis.score) == (branch[-1].total, branch[-1].score)


def hypothesis(words: int, finished: bool, nodes: int, end_log_prob: float | None) -> Hypothesis:
    return Hypothesis(
        tokens=(A, B, C),
        log_probs=np.full(words, -1.0, np.float32),
        end_log_prob=end_log_prob,
        attention=np.full((words, 6), 1 / 6, np.float32),
        gate=np.zeros(words, np.float32),
        alternatives=((),) * words,
        score=-1.0,
        finished=finished,
        nodes=tuple(range(nodes)),
    )


def test_hypothesis_whose_parts_do_not_fit_is_refused() -> None:
    assert hypothesis(3, True, 4, -0.5).log_prob == -3.5
    assert hypothesis(3, False, 3, None).log_prob == -3.0
    with pytest.raises(SearchError, match="alternatives and nodes of 3 words"):
        hypothesis(2, True, 4, -0.5)
    with pytest.raises(SearchError, match="alternatives and nodes of 3 words"):
        hypothesis(3, True, 3, -0.5)
    with pytest.raises(SearchError, match="exactly when finished"):
        hypothesis(3, False, 3, -0.5)
