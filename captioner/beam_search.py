"""Beam search over any step function; knows no photo and no word.

A prefix kept by several beam widths is one decoder row, so searching all widths at once costs hardly more than
searching the widest. G groups (photos) are searched together; at each step every group has R rows, the largest
number of distinct live prefixes that any of them has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from captioner.errors import SearchError
from captioner.search_steps import (
    SearchState,
    StateT,
    Step,
    StepRecord,
    StepResult,
    WordRecord,
    WordTracer,
    check_step,
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

MAX_WIDTH = 100
MAX_LENGTH_NORMALISATION = 10.0


@dataclass(frozen=True)
class SearchTokens:
    """The tokens the search has to know.

    Attributes:
        start: first input of every sequence.
        end: finishes a hypothesis.
        banned: never appear in one (<unk>, <pad>, <start>).

    Raises:
        SearchError: an id is negative, or `end` is banned.
    """

    start: int
    end: int
    banned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.start, self.end, *self.banned) < 0:
            raise SearchError(f"expected token ids of 0 or more, got {self}")
        if self.end in self.banned:
            raise SearchError(f"expected an end token that is allowed, got {self.end} among the banned ones")


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        widths: beam widths, each 1 to MAX_WIDTH, ascending.
        max_steps: the most tokens a hypothesis has, <end> counted; 1 or more.
        length_normalisation: a in score = log-probability / tokens ** a, <end> counted (Jean et al. 2015 divide by
            the length, a = 1); 0 to MAX_LENGTH_NORMALISATION, 0 is the tutorial's plain sum. It ranks what the beam
            ended with and does not steer the beam.
        min_words: <end> cannot come before this many words; below max_steps.
        top_words: best words reported per step; 1 or more.

    Raises:
        SearchError: a value lies outside its range.
    """

    widths: tuple[int, ...] = tuple(range(1, 11))
    max_steps: int = 30
    length_normalisation: float = 0.7
    min_words: int = 1
    top_words: int = 5

    def __post_init__(self) -> None:
        if not self.widths or not all(isinstance(width, int) and 1 <= width <= MAX_WIDTH for width in self.widths):
            raise SearchError(f"expected beam widths of 1 to {MAX_WIDTH}, got {self.widths}")
        if list(self.widths) != sorted(set(self.widths)):
            raise SearchError(f"expected ascending beam widths, none twice, got {self.widths}")
        if self.max_steps < 1:
            raise SearchError(f"expected a limit of 1 step or more, got {self.max_steps}")
        a = self.length_normalisation
        if not (math.isfinite(a) and 0 <= a <= MAX_LENGTH_NORMALISATION):
            raise SearchError(f"expected a length normalisation of 0 to {MAX_LENGTH_NORMALISATION:g}, got {a}")
        if not 0 <= self.min_words < self.max_steps:
            raise SearchError(f"expected a least number of words of 0 to {self.max_steps - 1}, got {self.min_words}")
        if self.top_words < 1:
            raise SearchError(f"expected 1 top word or more per step, got {self.top_words}")


def beam_search(
    step: Step[StateT], start_state: StateT, tokens: SearchTokens, options: SearchOptions, groups: int = 1
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

    Returns:
        For each group: width -> result.

    Raises:
        SearchError: `step` gave wrong shapes, a NaN, or left a width without any hypothesis.
    """
    if groups < 1:
        raise SearchError(f"expected 1 group or more, got {groups}")
    search = [[Beam(w, tokens.end, options.length_normalisation) for w in options.widths] for _ in range(groups)]
    records: list[StepRecord] = []
    state = start_state
    came_from = torch.zeros((groups, 1), dtype=torch.int64)  # (G, R)
    token_ids = torch.full((groups, 1), tokens.start)  # (G, R)
    with torch.no_grad():
        while True:
            result = step(token_ids, state)
            cells = records[0].attention.shape[-1] if records else None
            check_step(result, (groups, token_ids.shape[1]), cells, max(tokens.end, *tokens.banned, 0))
            forbidden = (*tokens.banned, tokens.end) if len(records) < options.min_words else tokens.banned
            places = max(beam.places for beams in search for beam in beams if beam.alive)
            records.append(read_step(result, forbidden, max(places, options.top_words), came_from))
            _grow(search, records, options.max_steps)
            if not any(beam.alive for beams in search for beam in beams):
                break
            came_from, token_ids = _share_rows(search, tokens.start)
            state = result.state.take(came_from.to(result.log_probs.device))
    return tuple(_results(beams, records, group, options.top_words) for group, beams in enumerate(search))


def _grow(search: list[list[Beam]], records: list[StepRecord], max_steps: int) -> None:
    """Let every live beam take what the last record offers."""
    record, step = records[-1], len(records) - 1
    for group, beams in enumerate(search):
        for beam in beams:
            if beam.alive:
                rows = beam.rows
                beam.grow(step, record.log_probs[group, rows], record.tokens[group, rows], last=step + 1 == max_steps)


def _share_rows(search: list[list[Beam]], start: int) -> tuple[Tensor, Tensor]:
    """One row per prefix that any beam of a group goes on with; tells the beams their rows.

    Returns:
        The rows they come from and their last words, both (G, R); a group with fewer than R prefixes repeats its
        first, one without any gets row 0 and `start`.
    """
    groups: list[list[tuple[int, int]]] = []
    for beams in search:
        rows: dict[tuple[int, int], int] = {}  # (old row, word) -> new row
        for beam in beams:
            beam.follow([rows.setdefault(continuation, len(rows)) for continuation in beam.continuations()])
        groups.append(list(rows) or [(0, start)])
    most = max(len(rows) for rows in groups)
    padded = torch.tensor([rows + rows[:1] * (most - len(rows)) for rows in groups])  # (G, R, 2)
    return padded[..., 0].contiguous(), padded[..., 1].contiguous()


def _results(beams: list[Beam], records: list[StepRecord], group: int, top_words: int) -> dict[int, SearchResult]:
    """Assemble what a group's beams ended with; hypotheses found by several widths share their arrays."""
    tracer = WordTracer(records, group, top_words)
    results = {}
    for beam in beams:
        nodes = beam.nodes()
        found = []
        for leaf in beam.leaves:
            finished = nodes[leaf.node].fate == "finished"
            if finished:  # <end> is no word: the last word came from the step before
                words = tracer.trace(leaf.step, tracer.row_before(leaf.step, leaf.row))
            else:
                words = tracer.trace(leaf.step + 1, leaf.row)
            found.append(_hypothesis(beam.node_path(leaf.node), nodes, words, finished))
        ranked = sorted(found, key=lambda hypothesis: (not hypothesis.finished, -hypothesis.score))
        results[beam.width] = SearchResult(beam.width, tuple(ranked), nodes)
    return results


def _hypothesis(path: tuple[int, ...], nodes: tuple[Node, ...], words: WordRecord, finished: bool) -> Hypothesis:
    """The hypothesis whose tokens are the nodes at `path`."""
    branch = [nodes[index] for index in path]
    spoken = branch[:-1] if finished else branch
    log_probs = np.array([node.log_prob for node in spoken], np.float32)  # (T,)
    log_probs.flags.writeable = False
    return Hypothesis(
        tokens=tuple(node.token for node in spoken),
        log_probs=log_probs,
        end_log_prob=branch[-1].log_prob if finished else None,
        attention=words.attention,
        gate=words.gate,
        alternatives=words.alternatives,
        score=branch[-1].score,
        finished=finished,
        nodes=path,
    )
