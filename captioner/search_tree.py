"""What a beam search keeps: every branch it looked at, and the hypotheses that came out.

`Beam` grows the tree of one beam width in one group; `captioner.beam_search` runs many of them over shared steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SearchError
from captioner.glimpses import Alternatives, Glimpses


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
        nodes: the whole tree; a parent comes before its children.
        glimpses: of every prefix that any width of the group advanced; the group's results share them.
    """

    width: int
    hypotheses: tuple[Hypothesis, ...]
    nodes: tuple[Node, ...]
    glimpses: Glimpses[int]


class Beam:
    """The live hypotheses of one width in one group, and the tree grown so far.

    The beam starts with `width` places. A finished hypothesis takes its place with it, so the beam shrinks, as in
    the PyTorch captioning tutorial.

    Attributes:
        width: places at the start.
        places: hypotheses the beam can still carry.
        rows: (n,) int64, the decoder row of each live hypothesis, best first; `follow` sets it between steps.
        leaves: the last nodes of the hypotheses that ended.
    """

    def __init__(self, width: int, end: int, length_normalisation: float) -> None:
        self.width = width
        self.places = width
        self.rows: NDArray[np.int64] = np.zeros(1, np.int64)
        self.leaves: list[int] = []
        self._end = end
        self._length_normalisation = length_normalisation
        # Of the live hypotheses, in the order of rows:
        self._words: NDArray[np.int64] = np.zeros(1, np.int64)
        self._totals: NDArray[np.float64] = np.zeros(1)
        self._live_nodes: NDArray[np.int64] = np.full(1, -1)
        self._live_glimpses: NDArray[np.int64] = np.zeros(1, np.int64)
        # One list per field of Node: filling them does no Python work per branch.
        self._steps: list[int] = []
        self._parents: list[int] = []
        self._tokens: list[int] = []
        self._log_probs: list[float] = []
        self._node_totals: list[float] = []
        self._scores: list[float] = []
        self._fates: list[str] = []
        self._margins: list[float] = []
        self._glimpses: list[int] = []

    @property
    def alive(self) -> bool:
        """Whether a hypothesis goes on."""
        return self.rows.size > 0

    def continuations(self) -> list[tuple[int, int]]:
        """What a step kept: the row each live hypothesis comes from, and the word that continues it."""
        return list(zip(self.rows.tolist(), self._words.tolist(), strict=True))

    def follow(self, rows: list[int], first_glimpse: int) -> None:
        """Tell the beam which rows of the next step carry its continuations, and the place of row 0's glimpse."""
        self.rows = np.array(rows, np.int64)
        self._live_glimpses = self.rows + first_glimpse

    def give(self, step: int, token: int, log_prob: float) -> None:
        """Go on with `token` alone, however probable it is; only while one hypothesis lives.

        Args:
            step: 0-based.
            token: its id.
            log_prob: float32 value, of the token.
        """
        words, log_probs = np.array([token]), np.array([log_prob])  # both (1,)
        self._totals = self._totals + log_probs
        self._record(step, np.zeros(1, np.int64), words, log_probs, self._totals)
        self._fates.append("given")
        self._words, self._live_nodes = words, np.array([len(self._steps) - 1])

    def grow(self, step: int, log_probs: NDArray[np.float32], tokens: NDArray[np.int64], last: bool) -> None:
        """Take the best continuations of one step.

        Args:
            step: 0-based.
            log_probs: (n, k) float32, for each live hypothesis its best k log-probabilities, best first, equal ones by
                token; k is at least `places` or the whole vocabulary.
            tokens: (n, k) int64, their tokens.
            last: whether this is the step limit.

        Raises:
            SearchError: no continuation is possible and nothing has finished.
        """
        log_probs, tokens = log_probs[:, : self.places], tokens[:, : self.places]
        totals = (self._totals[:, None] + log_probs).ravel()
        # A stable order: equal totals go by row, then (the order within a row) by token.
        order = (-totals).argsort(kind="stable")[: np.count_nonzero(totals > -np.inf)]
        if order.size == 0 and not self.leaves:
            raise SearchError(
                f"expected a possible next token, got only log-probabilities of -inf at step {step}: "
                "check the model, and that not every word is banned"
            )
        origin = order // log_probs.shape[1]  # which live hypothesis
        totals, words = totals[order], tokens.ravel()[order]
        first_node = len(self._steps)
        self._record(step, origin, words, log_probs.ravel()[order], totals)
        ends = [word == self._end for word in self._tokens[first_node : first_node + self.places]]
        self._fates += ["finished" if end else "cut" if last else "kept" for end in ends]
        self._fates += ["pruned"] * (len(words) - len(ends))

        going = [place for place, end in enumerate(ends) if not (end or last)]
        self.leaves += [first_node + place for place, end in enumerate(ends) if end or last]
        self.places -= sum(ends)
        self.rows, self._words, self._totals = self.rows[origin[going]], words[going], totals[going]
        self._live_nodes = np.array(going, np.int64) + first_node

    def _record(
        self,
        step: int,
        origin: NDArray[np.int64],
        words: NDArray[np.int64],
        log_probs: NDArray[np.float32],
        totals: NDArray[np.float64],
    ) -> None:
        """Append one node per continuation (all (m,), best first; origin: of which live one), all but its fate."""
        self._steps += [step] * len(words)
        self._parents += self._live_nodes[origin].tolist()
        self._glimpses += self._live_glimpses[origin].tolist()
        self._tokens += words.tolist()
        self._log_probs += log_probs.tolist()
        self._node_totals += totals.tolist()
        self._scores += (totals / (step + 1) ** self._length_normalisation).tolist()
        worst_taken = totals[: self.places][-1:]  # empty when there was no continuation
        self._margins += np.maximum(worst_taken - totals, 0.0).tolist()

    def node_path(self, node: int) -> tuple[int, ...]:
        """Indices of the nodes from the first token to `node`."""
        path = []
        while node >= 0:
            path.append(node)
            node = self._parents[node]
        return tuple(reversed(path))

    def nodes(self) -> tuple[Node, ...]:
        """The tree."""
        return tuple(
            map(
                Node._make,
                zip(
                    self._steps,
                    self._parents,
                    self._tokens,
                    self._log_probs,
                    self._node_totals,
                    self._scores,
                    self._fates,
                    self._margins,
                    self._glimpses,
                    strict=True,
                ),
            )
        )
