"""Beam search over any step function; knows no photo and no word.

A prefix kept by several beam widths is one decoder row, so searching all widths at once costs hardly more than
searching the widest. G groups (photos) are searched together; at each step every group has R rows, the largest
number of distinct live prefixes that any of them has.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from captioner.beams import Beams, Rows
from captioner.errors import SearchError
from captioner.glimpses import Glimpses
from captioner.interrupt import check_wanted
from captioner.search_options import MAX_LENGTH_NORMALISATION, MAX_WIDTH, SearchOptions, SearchTokens
from captioner.search_steps import (
    SearchState,
    StateT,
    Step,
    StepRecord,
    StepResult,
    check_numbers,
    check_step,
    collect_glimpses,
    read_step,
)
from captioner.search_tree import FATES, Hypothesis, Node, NodeColumns, SearchResult, node_path

__all__ = [
    "MAX_LENGTH_NORMALISATION",
    "MAX_WIDTH",
    "Hypothesis",
    "Node",
    "SearchOptions",
    "SearchResult",
    "SearchState",
    "SearchTokens",
    "Step",
    "StepResult",
    "beam_search",
]


def beam_search(
    step: Step[StateT],
    start_state: StateT,
    tokens: SearchTokens,
    options: SearchOptions,
    groups: int = 1,
    prefix: tuple[int, ...] = (),
) -> tuple[dict[int, SearchResult], ...]:
    """Search G groups with all widths in one batched run.

    Per width the rule is the PyTorch captioning tutorial's: at each step the best continuations fill the beam's
    places; one that is <end> is finished and takes its place with it. What a width finds does not depend on the
    other widths and groups; equal totals go to the earlier hypothesis of the beam, then to the lower token id.
    Banned tokens are left out and the others are not renormalised. No gradients are kept.

    Args:
        step: advances every row by one token; called first with one row per group.
        start_state: of G groups with one row each.
        tokens: <start>, <end> and what may not appear.
        options: widths, limits, normalisation.
        groups: G.
        prefix: what every hypothesis begins with. Its tokens carry what the steps say about them, like any others, and
            count towards totals, scores and limits; the beams choose from the first token after it.

    Returns:
        For each group: width -> result.

    Raises:
        SearchError: `step` gave wrong shapes, a NaN, or left a width without any hypothesis; or the prefix is too long
            or holds a token that may not or cannot come.
        InterruptedCaptioningError: see `interruptible`.
    """
    if groups < 1:
        raise SearchError(f"expected 1 group or more, got {groups}")
    _check_prefix(prefix, tokens, options.max_steps)
    beams = Beams(options.widths, groups, tokens.end, options.length_normalisation)
    records: list[StepRecord] = []
    seen = np.zeros(groups, np.int64)  # (G,) rows of all steps so far
    state = start_state
    start = np.full((groups, 1), tokens.start)
    rows = Rows(np.zeros_like(start), start, np.ones(groups, np.int64))
    with torch.no_grad():
        while beams.alive:
            check_wanted()
            result = step(torch.from_numpy(rows.token_ids), state)
            cells = records[0].attention.shape[-1] if records else None
            check_step(result, rows.token_ids.shape, cells, max(tokens.end, *tokens.banned, *prefix, 0))
            forbidden = (*tokens.banned, tokens.end) if len(records) < options.min_words else tokens.banned
            looked_at = max(options.top_words, beams.most_places)
            records.append(read_step(result, forbidden, looked_at, rows.live))
            seen += rows.live
            number = len(records) - 1
            check_numbers(records[-1], number)
            if number < len(prefix):
                _give(beams, result.log_probs, number, prefix)
            else:
                beams.grow(number, records[-1].log_probs, records[-1].tokens, last=len(records) == options.max_steps)
            if beams.alive:
                rows = beams.share_rows(tokens.start, seen)
                state = result.state.take(torch.from_numpy(rows.came_from).to(result.log_probs.device))
    return _results(beams, records, options, groups)


def _check_prefix(prefix: tuple[int, ...], tokens: SearchTokens, max_steps: int) -> None:
    if len(prefix) >= max_steps:
        raise SearchError(
            f"expected a beginning shorter than the limit of {max_steps} words, got {len(prefix)} of them: give fewer"
        )
    wrong = [token for token in prefix if token < 0 or token in (*tokens.banned, tokens.start, tokens.end)]
    if wrong:
        raise SearchError(f"expected a beginning of words, got token {wrong[0]}, which is none: choose another")


def _give(beams: Beams, log_probs: Tensor, step: int, prefix: tuple[int, ...]) -> None:
    """Let every beam take the token of the prefix; log_probs is the step's (G, R, V), whose row 0 all beams are on."""
    said = log_probs[:, 0, prefix[step]].float().cpu().numpy()  # (G,)
    if np.isneginf(said).any():
        raise SearchError(
            f"expected a beginning the model can say, got token {prefix[step]} with a log-probability of -inf "
            f"at step {step}: choose another"
        )
    beams.give(step, prefix[step], said)


def _results(
    beams: Beams, records: list[StepRecord], options: SearchOptions, groups: int
) -> tuple[dict[int, SearchResult], ...]:
    """What every beam of every group ended with."""
    seen = [collect_glimpses(records, group, options.top_words) for group in range(groups)]
    results: tuple[dict[int, SearchResult], ...] = tuple({} for _ in range(groups))
    for number, (tree, leaves) in enumerate(beams.trees()):
        group, width = number // len(options.widths), options.widths[number % len(options.widths)]
        parents = tree.parent.tolist()
        found = [_hypothesis(node_path(parents, leaf), tree, seen[group]) for leaf in leaves]
        ranked = sorted(found, key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
        results[group][width] = SearchResult(width, tuple(ranked), tree, seen[group])
    return results


def _hypothesis(path: tuple[int, ...], tree: NodeColumns, glimpses: Glimpses[int]) -> Hypothesis:
    """The hypothesis whose tokens are the nodes at `path`."""
    branch = tree.at(path)  # (T,), or (T + 1,) with <end>
    finished = FATES[branch.fate[-1]] == "finished"
    spoken = branch.at(tuple(range(len(path) - finished)))  # (T,)
    log_probs, seen = spoken.log_prob, spoken.glimpse
    attention, gate = glimpses.attention[seen], glimpses.gate[seen]  # (T, L), (T,)
    for array in (log_probs, attention, gate):
        array.flags.writeable = False
    return Hypothesis(
        tokens=tuple(spoken.token.tolist()),
        log_probs=log_probs,
        end_log_prob=float(branch.log_prob[-1]) if finished else None,
        attention=attention,
        gate=gate,
        alternatives=tuple(glimpses.alternatives[place] for place in seen.tolist()),
        score=float(branch.score[-1]),
        finished=finished,
        nodes=path,
    )
