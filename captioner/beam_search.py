"""Beam search over any step function; knows no photo and no word.

A prefix kept by several beam widths is one decoder row, so searching all widths at once costs hardly more than
searching the widest. G groups (photos) are searched together; at each step every group has R rows, the largest
number of distinct live prefixes that any of them has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from captioner.errors import SearchError
from captioner.glimpses import Glimpses
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
from captioner.search_tree import Beam, Hypothesis, Node, SearchResult

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


class SharedRows(NamedTuple):
    """What the next step is asked: R rows in each of G groups, one per prefix that a beam goes on with.

    Attributes:
        came_from: (G, R) int64, the rows of the step before that they continue.
        token_ids: (G, R) int64, their last words.
        live: how many rows of each group are such prefixes; the others fill it up and mean nothing.
    """

    came_from: Tensor
    token_ids: Tensor
    live: tuple[int, ...]


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
    """
    if groups < 1:
        raise SearchError(f"expected 1 group or more, got {groups}")
    _check_prefix(prefix, tokens, options.max_steps)
    search = [[Beam(w, tokens.end, options.length_normalisation) for w in options.widths] for _ in range(groups)]
    alive = [beam for beams in search for beam in beams]
    records: list[StepRecord] = []
    state = start_state
    rows = SharedRows(torch.zeros(groups, 1).long(), torch.full((groups, 1), tokens.start), (1,) * groups)
    with torch.no_grad():
        while alive:
            result = step(rows.token_ids, state)
            cells = records[0].attention.shape[-1] if records else None
            check_step(result, (groups, rows.token_ids.shape[1]), cells, max(tokens.end, *tokens.banned, *prefix, 0))
            forbidden = (*tokens.banned, tokens.end) if len(records) < options.min_words else tokens.banned
            looked_at = max(options.top_words, *(beam.places for beam in alive))
            records.append(read_step(result, forbidden, looked_at, rows.live))
            check_numbers(records[-1], len(records) - 1)
            if len(records) <= len(prefix):
                _give(search, result.log_probs, len(records) - 1, prefix)
            else:
                _grow(search, records, options.max_steps)
            alive = [beam for beam in alive if beam.alive]
            if alive:
                rows = _share_rows(search, records, tokens.start)
                state = result.state.take(rows.came_from.to(result.log_probs.device))
    return tuple(
        _results(beams, collect_glimpses(records, group, options.top_words)) for group, beams in enumerate(search)
    )


def _check_prefix(prefix: tuple[int, ...], tokens: SearchTokens, max_steps: int) -> None:
    if len(prefix) >= max_steps:
        raise SearchError(
            f"expected a beginning shorter than the limit of {max_steps} words, got {len(prefix)} of them: give fewer"
        )
    wrong = [token for token in prefix if token < 0 or token in (*tokens.banned, tokens.start, tokens.end)]
    if wrong:
        raise SearchError(f"expected a beginning of words, got token {wrong[0]}, which is none: choose another")


def _give(search: list[list[Beam]], log_probs: Tensor, step: int, prefix: tuple[int, ...]) -> None:
    """Let every beam take the token of the prefix; log_probs is the step's (G, R, V), whose row 0 all beams are on."""
    said = log_probs[:, 0, prefix[step]].float().tolist()  # (G,)
    if -math.inf in said:
        raise SearchError(
            f"expected a beginning the model can say, got token {prefix[step]} with a log-probability of -inf "
            f"at step {step}: choose another"
        )
    for beams, log_prob in zip(search, said, strict=True):
        for beam in beams:
            beam.give(step, prefix[step], log_prob)


def _grow(search: list[list[Beam]], records: list[StepRecord], max_steps: int) -> None:
    """Let every live beam take what the last record offers."""
    record, step = records[-1], len(records) - 1
    for group, beams in enumerate(search):
        for beam in beams:
            if beam.alive:
                rows = beam.rows
                beam.grow(step, record.log_probs[group, rows], record.tokens[group, rows], last=step + 1 == max_steps)


def _share_rows(search: list[list[Beam]], records: list[StepRecord], start: int) -> SharedRows:
    """One row per prefix that any beam of a group goes on with; tells the beams their rows.

    A group with fewer than R prefixes repeats its first, one without any gets row 0 and `start`.
    """
    groups: list[list[tuple[int, int]]] = []
    for group, beams in enumerate(search):
        rows: dict[tuple[int, int], int] = {}  # (old row, word) -> new row
        first_glimpse = sum(record.live[group] for record in records)
        for beam in beams:
            new_rows = [rows.setdefault(continuation, len(rows)) for continuation in beam.continuations()]
            beam.follow(new_rows, first_glimpse)
        groups.append(list(rows))
    most = max(len(rows) for rows in groups)
    padded = torch.tensor([rows + (rows or [(0, start)])[:1] * (most - len(rows)) for rows in groups])  # (G, R, 2)
    live = tuple(len(rows) for rows in groups)
    return SharedRows(padded[..., 0].contiguous(), padded[..., 1].contiguous(), live)


def _results(beams: list[Beam], glimpses: Glimpses[int]) -> dict[int, SearchResult]:
    """Assemble what a group's beams ended with."""
    results = {}
    for beam in beams:
        nodes = beam.nodes()
        found = [_hypothesis(beam.node_path(leaf), nodes, glimpses) for leaf in beam.leaves]
        ranked = sorted(found, key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
        results[beam.width] = SearchResult(beam.width, tuple(ranked), nodes, glimpses)
    return results


def _hypothesis(path: tuple[int, ...], nodes: tuple[Node, ...], glimpses: Glimpses[int]) -> Hypothesis:
    """The hypothesis whose tokens are the nodes at `path`."""
    branch = [nodes[index] for index in path]
    finished = branch[-1].fate == "finished"
    spoken = branch[:-1] if finished else branch
    seen = np.array([node.glimpse for node in spoken], np.int64)  # (T,)
    log_probs = np.array([node.log_prob for node in spoken], np.float32)  # (T,)
    attention, gate = glimpses.attention[seen], glimpses.gate[seen]  # (T, L), (T,)
    for array in (log_probs, attention, gate):
        array.flags.writeable = False
    return Hypothesis(
        tokens=tuple(node.token for node in spoken),
        log_probs=log_probs,
        end_log_prob=branch[-1].log_prob if finished else None,
        attention=attention,
        gate=gate,
        alternatives=tuple(glimpses.alternatives[node.glimpse] for node in spoken),
        score=branch[-1].score,
        finished=finished,
        nodes=path,
    )
