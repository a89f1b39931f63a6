"""From what the steps of a search left behind to its results: glimpses, trees, ranked hypotheses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.beams import Grown
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
    fates = _fates(turns, options.max_steps, end, given)
    trees = _trees(turns, live.cumsum(0) - live, fates, options.length_normalisation)
    groups = []
    for seen in _glimpses(turns, live, options.top_words):
        results = {}
        for width in options.widths:
            tree = next(trees)
            parents = tree.parent.tolist()
            leaves = np.flatnonzero((tree.fate == FINISHED) | (tree.fate == CUT)).tolist()
            if not leaves:
                raise SearchError(
                    f"expected a possible next token, got only log-probabilities of -inf at step "
                    f"{int(tree.step.max(initial=-1)) + 1}: check the model, and that not every word is banned"
                )
            found = [_hypothesis(node_path(parents, leaf), tree, seen) for leaf in leaves]
            ranked = sorted(found, key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
            results[width] = SearchResult(width, tuple(ranked), tree, seen)
        groups.append(results)
    return tuple(groups)


def _fates(turns: Sequence[Turn], max_steps: int, end: int, given: int) -> tuple[Arrays, Arrays]:
    """Fate and margin (G, W, N) of all that the beams were offered."""
    fates, margins = [], []
    for step, turn in enumerate(turns):
        total, places, word = (part.cpu().numpy() for part in (turn.grown.total, turn.grown.places, turn.grown.word))
        taken = np.arange(total.shape[-1]) < places[..., None]  # (G, W, C)
        going = GIVEN if step < given else CUT if step + 1 == max_steps else KEPT
        fates.append(np.where(taken, np.where(word == end, FINISHED, going), PRUNED))
        worst = np.take_along_axis(total, np.clip(places - 1, 0, total.shape[-1] - 1)[..., None], axis=-1)
        pruned = ~taken & (total > -np.inf)
        margins.append(np.subtract(worst, total, where=pruned, out=np.zeros_like(total)))
    return np.concatenate(fates, axis=-1), np.concatenate(margins, axis=-1)


def _trees(
    turns: Sequence[Turn], seen: Arrays, fates: tuple[Arrays, Arrays], length_normalisation: float
) -> Iterator[NodeColumns]:
    """The tree of every beam, group after group; seen (T, G) counts the glimpses of each group before each step."""

    def all_turns(part: Callable[[Grown], Tensor]) -> Arrays:
        return torch.cat([part(turn.grown) for turn in turns], dim=-1).cpu().numpy()  # (G, W, N), N of all steps

    total = all_turns(lambda grown: grown.total)
    possible = total > -np.inf
    step = np.repeat(np.arange(len(turns)), [turn.grown.word.shape[-1] for turn in turns])  # (N,)
    node = np.concatenate([possible.cumsum(-1) - 1, np.full_like(possible[..., :1], -1, np.int64)], axis=-1)
    parent = all_turns(lambda grown: grown.parent)  # -1, before the first, is the last place of `node`
    fate, margin = fates
    fields = (
        np.broadcast_to(step, total.shape),
        np.take_along_axis(node, parent, axis=-1),
        all_turns(lambda grown: grown.word),
        all_turns(lambda grown: grown.log_prob),
        total,
        total / np.array([(place + 1) ** length_normalisation for place in range(len(turns))])[step],
        fate,
        margin,
        all_turns(lambda grown: grown.row) + seen.T[:, None, step],
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


def _hypothesis(path: tuple[int, ...], tree: NodeColumns, glimpses: Glimpses[int]) -> Hypothesis:
    """The hypothesis whose tokens are the nodes at `path`."""
    leaf = path[-1]
    finished = bool(tree.fate[leaf] == FINISHED)
    spoken = list(path[: len(path) - finished])  # T of them; the last node of a finished one is <end>
    log_probs, seen = tree.log_prob[spoken], tree.glimpse[spoken]  # (T,)
    attention, gate = glimpses.attention[seen], glimpses.gate[seen]  # (T, L), (T,)
    for array in (log_probs, attention, gate):
        array.flags.writeable = False
    return Hypothesis(
        tokens=tuple(tree.token[spoken].tolist()),
        log_probs=log_probs,
        end_log_prob=float(tree.log_prob[leaf]) if finished else None,
        attention=attention,
        gate=gate,
        alternatives=tuple(glimpses.alternatives[place] for place in seen.tolist()),
        score=float(tree.score[leaf]),
        finished=finished,
        nodes=path,
    )
