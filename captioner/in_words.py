"""From tokens to words: what a search found, as everything said of a photo."""

from __future__ import annotations

from collections.abc import Mapping

from captioner.branches import SearchedTree
from captioner.caption import Caption
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.glimpses import Glimpses
from captioner.search_tree import SearchResult
from captioner.vocabulary import Vocabulary


def in_words(
    by_width: Mapping[int, SearchResult],
    grid: FeatureGrid,
    vocabulary: Vocabulary,
    model: str,
    strangeness: float | None,
) -> Description:
    """Everything said of one photo.

    Args:
        by_width: what each beam width found; all share their glimpses.
        grid: that was searched over; of it the sides count.
        vocabulary: of the model.
        model: its name.
        strangeness: of the photo, None when the model cannot tell.
    """
    captions: dict[tuple[tuple[int, ...], bool], int] = {}
    distinct: list[Caption] = []
    ranking: dict[int, tuple[int, ...]] = {}
    glimpses = _glimpses(next(iter(by_width.values())), grid, vocabulary)
    for width, result in by_width.items():
        places = []
        for rank, hypothesis in enumerate(result.hypotheses):
            key = (hypothesis.tokens, hypothesis.finished)
            if key not in captions:
                captions[key] = len(distinct)
                distinct.append(_caption(result, rank, glimpses, vocabulary))
            places.append(captions[key])
        ranking[width] = tuple(places)
    trees = {width: SearchedTree(result.columns, vocabulary.tokens) for width, result in by_width.items()}
    cells = (grid.height, grid.width)
    return Description(tuple(distinct), ranking, trees, cells, grid.native, model, strangeness, glimpses)


def _glimpses(result: SearchResult, grid: FeatureGrid, vocabulary: Vocabulary) -> Glimpses[str]:
    seen, words = result.glimpses, vocabulary.tokens
    return Glimpses(
        seen.attention.reshape(-1, grid.height, grid.width),
        seen.gate,
        tuple(tuple((words[token], log_prob) for token, log_prob in best) for best in seen.alternatives),
    )


def _caption(result: SearchResult, rank: int, glimpses: Glimpses[str], vocabulary: Vocabulary) -> Caption:
    hypothesis = result.hypotheses[rank]
    count = len(hypothesis.tokens)
    seen = result.columns.glimpse[list(hypothesis.nodes[:count])].tolist()
    return Caption(
        words=tuple(vocabulary.decode(hypothesis.tokens)),
        log_probs=hypothesis.log_probs,
        end_log_prob=hypothesis.end_log_prob,
        attention=hypothesis.attention.reshape(count, *glimpses.attention.shape[1:]),
        gate=hypothesis.gate,
        alternatives=tuple(glimpses.alternatives[place] for place in seen),
        score=hypothesis.score,
        finished=hypothesis.finished,
    )
