"""What a beam search keeps: every branch it looked at, and the hypotheses that came out.

`captioner.beams` grows the trees of all beam widths; `captioner.beam_search` drives it over shared steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SearchError
from captioner.glimpses import Alternatives, Glimpses

FATES = ("kept", "finished", "pruned", "cut", "given")


class Node(NamedTuple):
    """One branch the search looked at (a named tuple: a search makes thousands, and these are the cheapest to make).

    Attributes:
        step: 0-based place of the token in its sequence.
        parent: index in `SearchResult.nodes` of the token before it, -1 for the first.
        token: its id.
        log_prob: of this token given the ones before it, at most 0.
        total: sum of the log-probabilities along the branch.
        score: the total after length normalisation (see `SearchOptions`).
        fate: "kept" (went on), "finished" (the token is <end>; it left the beam), "pruned" (others were better),
            "cut" (still alive at the step limit) or "given" (the search was told to begin with it; nothing else was
            looked at).
        margin: for a pruned node, how far its total lay below the worst one taken at that step; 0 for all others.
        glimpse: the place in `SearchResult.glimpses` of what the decoder said at the prefix before this token; nodes
            of one parent share it.
    """

    step: int
    parent: int
    token: int
    log_prob: float
    total: float
    score: float
    fate: str
    margin: float
    glimpse: int


class NodeColumns(NamedTuple):
    """N nodes of a tree, an array (N,) for each field of `Node`: filling and reading them does no work per node.

    Attributes:
        fate: places in `FATES`.
    """

    step: NDArray[np.int64]
    parent: NDArray[np.int64]
    token: NDArray[np.int64]
    log_prob: NDArray[np.float32]
    total: NDArray[np.float64]
    score: NDArray[np.float64]
    fate: NDArray[np.int64]
    margin: NDArray[np.float64]
    glimpse: NDArray[np.int64]

    def lists(self) -> tuple[list[Any], ...]:
        """The fields as plain numbers, fates as words."""
        worded = self._replace(fate=np.array(FATES, object)[self.fate])
        return tuple(column.tolist() for column in worded)

    def nodes(self) -> tuple[Node, ...]:
        """All of them."""
        return tuple(map(Node._make, zip(*self.lists(), strict=True)))

    def at(self, places: tuple[int, ...]) -> NodeColumns:
        """Some of them."""
        return NodeColumns._make(column[list(places)] for column in self)


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One sequence of T words the search ended with; its arrays are read-only.

    Attributes:
        tokens: T ids, words only: no <start>, no <end>.
        log_probs: (T,) float32, natural logarithms, one per word.
        end_log_prob: of the <end> after the last word; None when unfinished.
        attention: (T, L) float32, at the step which produced the word.
        gate: (T,) float32, 0 to 1, at the step which produced the word.
        alternatives: per word the best (token, log-probability) of its step, best first; <end> and the chosen word
            may be among them, banned tokens never are.
        score: what the ranking goes by (see `SearchOptions`).
        finished: False when it was still alive at the step limit.
        nodes: index in `SearchResult.nodes` of each token, <end> included when finished.
    """

    tokens: tuple[int, ...]
    log_probs: NDArray[np.float32]
    end_log_prob: float | None
    attention: NDArray[np.float32]
    gate: NDArray[np.float32]
    alternatives: tuple[Alternatives[int], ...]
    score: float
    finished: bool
    nodes: tuple[int, ...]

    def __post_init__(self) -> None:
        words = len(self.tokens)
        lengths = (*self.log_probs.shape, self.attention.shape[0], *self.gate.shape, len(self.alternatives))
        if lengths != (words,) * 4 or self.attention.ndim != 2 or len(self.nodes) != words + self.finished:
            raise SearchError(
                f"expected log-probabilities, attention, gate, alternatives and nodes of {words} words, "
                f"got {(*lengths, len(self.nodes))}"
            )
        if self.finished != (self.end_log_prob is not None):
            raise SearchError(f"expected an end log-probability exactly when finished, got {self.end_log_prob}")

    @property
    def log_prob(self) -> float:
        """Sum of the log-probabilities of all words and of <end> when finished."""
        total = 0.0
        for log_prob in self.log_probs.tolist():  # in the order in which the search added them: the same float
            total += log_prob
        return total if self.end_log_prob is None else total + self.end_log_prob


@dataclass(frozen=True)
class SearchResult:
    """What one beam width found in one group.

    Attributes:
        width: the beam's places at its start.
        hypotheses: 1 to `width` of them, finished ones before unfinished ones, each part by falling score.
        columns: the whole tree; a parent comes before its children.
        glimpses: of every prefix that any width of the group advanced; the group's results share them.
    """

    width: int
    hypotheses: tuple[Hypothesis, ...]
    columns: NodeColumns
    glimpses: Glimpses[int]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The whole tree, node by node."""
        return self.columns.nodes()


def node_path(parents: list[int], node: int) -> tuple[int, ...]:
    """Indices of the nodes from the first token to `node`, of a tree whose nodes have these parents."""
    path = []
    while node >= 0:
        path.append(node)
        node = parents[node]
    return tuple(reversed(path))
