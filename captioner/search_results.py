"""From what the steps of a search left behind to its results: glimpses, trees, ranked hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.errors import SearchError
from captioner.glimpses import Glimpses
from captioner.search_options import SearchOptions
from captioner.search_steps import Reading
from captioner.search_tree import FATES, Hypothesis, NodeColumns, SearchResult, node_path
from captioner.search_turns import Turn

Arrays: TypeAlias = NDArray[Any]
CUT, FINISHED, GIVEN, KEPT, PRUNED = map(FATES.index, ("cut", "finished", "given", "kept", "pruned"))


def search_results(
    turns: Sequence[Turn], options: SearchOptions, end: int, given: int
) -> tuple[dict[int, SearchResult], ...]:
    """What every width of every group ended with.

    Args:
        turns: all steps, one or more.
        options: of the search.
        end: the token that finishes a hypothesis.
        given: how many steps took the token that they were told to.

    Raises:
        SearchError: a width found nothing, for no continuation was possible.
    """
    live = torch.stack([turn.live for turn in turns]).cpu().numpy()  # (T, G)
    trees = _trees(turns, live.cumsum(0) - live, (options, end, given))
    groups = []
    for seen in _glimpses(turns, live, options.top_words):
        results = {}
        for width in options.widths:
            tree = next(trees)
            found = _hypotheses(tree, seen)
            if not found:
                raise SearchError(
                    f"expected a possible next token, got only log-probabilities of -inf at step "
                    f"{int(tree.step.max(initial=-1)) + 1}: check the model, and that not every word is banned"
                )
            found.sort(key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
            results[width] = SearchResult(width, tuple(found), tree, seen)
        groups.append(results)
    return tuple(groups)


def _trees(turns: Sequence[Turn], seen: Arrays, asked: tuple[SearchOptions, int, int]) -> Iterator[NodeColumns]:
    """The tree of every beam, group after group.

    Args:
        turns: all steps.
        seen: (T, G), the glimpses of each group before each step.
        asked: the options, the end token and how many steps were given.
    """
    options, end, given = asked
    parent, row, word, log_prob, total = (
        torch.cat(parts, dim=-1).cpu().numpy()  # (G, W, N), N of all steps
        for parts in zip(*(turn.grown[:-1] for turn in turns), strict=True)
    )
    counts = np.array([turn.grown.word.shape[-1] for turn in turns])  # (T,)
    step = np.repeat(np.arange(len(turns)), counts)  # (N,)
    first = (counts.cumsum() - counts)[step]  # (N,) of the same step
    places = torch.stack([turn.grown.places for turn in turns], dim=-1).cpu().numpy()[..., step]  # (G, W, N)
    possible, taken = total > -np.inf, np.arange(len(step)) - first < places  # (G, W, N)

    going = np.where(step < given, GIVEN, np.where(step + 1 == options.max_steps, CUT, KEPT))  # (N,)
    fate = np.where(taken, np.where(word == end, FINISHED, going), PRUNED)
    worst = np.take_along_axis(total, first + np.clip(places, 1, counts[step]) - 1, axis=-1)  # that was taken
    margin = np.subtract(worst, total, where=~taken & possible, out=np.zeros_like(total))

    node = np.concatenate([possible.cumsum(-1) - 1, np.full_like(possible[..., :1], -1, np.int64)], axis=-1)
    fields = (
        np.broadcast_to(step, total.shape),
        np.take_along_axis(node, parent, axis=-1),  # -1, before the first, is the last place of `node`
        word,
        log_prob,
        total,
        total / np.array([(place + 1) ** options.length_normalisation for place in range(len(turns))])[step],
        fate,
        margin,
        row + seen.T[:, None, step],
    )
    borders = possible.sum(-1).ravel().cumsum()[:-1]
    columns = (np.split(field[possible], borders) for field in fields)
    return map(NodeColumns._make, zip(*columns, strict=True))


def _glimpses(turns: Sequence[Turn], live: Arrays, top_words: int) -> Iterator[Glimpses[int]]:
    """Everything the decoder said about each group, its live rows step after step; the arrays are read-only."""

    def all_turns(part: Callable[[Reading], Tensor]) -> Arrays:
        return torch.cat([part(turn.reading) for turn in turns], dim=1).cpu().numpy()  # (G, M, ...)

    attention, gate = all_turns(lambda reading: reading.attention), all_turns(lambda reading: reading.gate)
    log_probs = all_turns(lambda reading: reading.offer.log_probs[..., :top_words])  # (G, M, at most top_words)
    tokens = all_turns(lambda reading: reading.offer.tokens[..., :top_words])
    rows = [turn.reading.gate.shape[1] for turn in turns]
    place = np.concatenate([np.arange(count) for count in rows])  # (M,) of each row in its step
    asked = place < np.repeat(live.T, rows, axis=1)  # (G, M)
    for group, kept in enumerate(asked):
        maps, gates = attention[group, kept], gate[group, kept]
        maps.flags.writeable = gates.flags.writeable = False  # results share them
        said = log_probs[group, kept]
        possible = (said > -np.inf).sum(axis=1).tolist()  # forbidden words come last
        best = zip(tokens[group, kept].tolist(), said.tolist(), possible, strict=True)
        yield Glimpses(maps, gates, tuple(tuple(zip(t[:n], p[:n], strict=True)) for t, p, n in best))


def _hypotheses(tree: NodeColumns, glimpses: Glimpses[int]) -> list[Hypothesis]:
    """All that a beam ended with, as they came; their arrays are parts of common ones."""
    parents = tree.parent.tolist()
    ends = tree.fate == FINISHED
    leaves = np.flatnonzero(ends | (tree.fate == CUT))
    paths = [node_path(parents, leaf) for leaf in leaves.tolist()]
    finished, scores = ends[leaves].tolist(), tree.score[leaves].tolist()
    words = [path[: len(path) - done] for path, done in zip(paths, finished, strict=True)]  # without <end>
    spoken = np.array(list(chain.from_iterable(words)), dtype=np.int64)  # (S,) words of all
    seen = tree.glimpse[spoken]
    log_probs, attention, gate = tree.log_prob[spoken], glimpses.attention[seen], glimpses.gate[seen]
    for array in (log_probs, attention, gate):
        array.flags.writeable = False
    tokens, alternatives = tree.token[spoken].tolist(), [glimpses.alternatives[place] for place in seen.tolist()]
    found, start = [], 0
    for path, done, score in zip(paths, finished, scores, strict=True):
        part = slice(start, start + len(path) - done)
        start = part.stop
        found.append(
            Hypothesis(
                tokens=tuple(tokens[part]),
                log_probs=log_probs[part],
                end_log_prob=float(tree.log_prob[path[-1]]) if done else None,
                attention=attention[part],
                gate=gate[part],
                alternatives=tuple(alternatives[part]),
                score=score,
                finished=done,
                nodes=path,
            )
        )
    return found
