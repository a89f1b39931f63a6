"""The live hypotheses of every beam of a search, as arrays: one step of all photos and widths is a few NumPy calls.

A beam belongs to one group (photo) and one width; beam b is width b % W of group b // W. Live hypotheses lie in one
list, beam after beam, best first within each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SearchError
from captioner.search_tree import FATES, NodeColumns

Ints = NDArray[np.int64]
CUT, FINISHED, GIVEN, KEPT, PRUNED = map(FATES.index, ("cut", "finished", "given", "kept", "pruned"))


class Live(NamedTuple):
    """The n hypotheses that go on; every field is (n,).

    Attributes:
        beam: each one's beam, ascending.
        row: the decoder row, within the group, that says what follows it.
        word: its last token.
        total: float64, sum of its log-probabilities.
        node: its last node in the beam's tree, -1 before the first.
        glimpse: the place, within the group, of what its row says.
    """

    beam: Ints
    row: Ints
    word: Ints
    total: NDArray[np.float64]
    node: Ints
    glimpse: Ints


class Rows(NamedTuple):
    """What the next step is asked: R rows in each of G groups, one per distinct prefix that a beam goes on with.

    Attributes:
        came_from: (G, R), the rows of the step before that they continue.
        token_ids: (G, R), their last words.
        live: (G,), how many rows of each group are such prefixes; the others fill it up and mean nothing.
    """

    came_from: Ints
    token_ids: Ints
    live: Ints


class Beams:
    """All beams of a search, and the trees they have grown.

    A beam starts with as many places as its width. A finished hypothesis takes its place with it, so the beam shrinks,
    as in the PyTorch captioning tutorial.

    Args:
        widths: of each group, W of them.
        groups: G.
        end: the token that finishes a hypothesis.
        length_normalisation: see `SearchOptions`.
    """

    def __init__(self, widths: tuple[int, ...], groups: int, end: int, length_normalisation: float) -> None:
        self._widths, self._groups = len(widths), groups
        self._end, self._length_normalisation = end, length_normalisation
        count = groups * len(widths)
        self._places: Ints = np.tile(np.array(widths, np.int64), groups)  # (B,) hypotheses each can still carry
        self._sizes: Ints = np.zeros(count, np.int64)  # (B,) nodes of each tree
        self._leaves: list[tuple[Ints, Ints]] = []  # beam and node of hypotheses that ended, step after step
        self._has_leaves = np.zeros(count, np.bool_)  # (B,)
        self._grown: list[tuple[Ints, NodeColumns]] = []  # beam and fields of nodes, step after step
        zeros = np.zeros(count, np.int64)
        self.live = Live(np.arange(count), zeros, zeros, np.zeros(count), zeros - 1, zeros)

    @property
    def alive(self) -> bool:
        """Whether a hypothesis goes on."""
        return self.live.beam.size > 0

    @property
    def most_places(self) -> int:
        """The largest number of continuations that a live beam looks at."""
        return int(self._places[self.live.beam].max())

    def give(self, step: int, token: int, log_probs: NDArray[np.float32]) -> None:
        """Go on with `token` alone, however probable it is; only while every beam has one hypothesis.

        Args:
            step: 0-based.
            token: its id.
            log_probs: (G,) of the token.
        """
        live = self.live
        log_prob = log_probs[live.beam // self._widths]  # (B,)
        total = live.total + log_prob
        words, fate = np.full_like(live.beam, token), np.full_like(live.beam, GIVEN)
        node = self._record(step, np.arange(live.beam.size), words, log_prob, total, fate, np.zeros_like(total))
        self.live = live._replace(word=words, total=total, node=node)

    def grow(self, step: int, log_probs: NDArray[np.float32], tokens: Ints, last: bool) -> None:
        """Let every beam take its best continuations of one step.

        Args:
            step: 0-based.
            log_probs: (G, R, k), for each row its best k log-probabilities, best first, equal ones by token; k is at
                least `most_places` or the whole vocabulary.
            tokens: (G, R, k), their tokens.
            last: whether this is the step limit.

        Raises:
            SearchError: a beam has no possible continuation, and nothing of it has finished.
        """
        live, looked_at = self.live, min(self.most_places, log_probs.shape[-1])
        group = live.beam // self._widths  # (n,)
        offered = log_probs[group, live.row, :looked_at]  # (n, k)
        totals = live.total[:, None] + offered  # (n, k) float64
        possible = (np.arange(looked_at) < self._places[live.beam, None]) & (totals > -np.inf)  # (n, k)
        found = np.flatnonzero(possible)  # (m,) by beam, hypothesis, rank
        total, origin = totals.ravel()[found], found // looked_at
        order = np.lexsort((-total, live.beam[origin]))  # stable: equal totals go by hypothesis, then by token
        found, total, origin = found[order], total[order], origin[order]
        beam = live.beam[origin]
        words = tokens[group, live.row, :looked_at].ravel()[found]
        counts = np.bincount(beam, minlength=self._places.size)  # (B,)
        self._refuse_dead_ends(step, counts)
        first = counts.cumsum() - counts  # (B,) place of each beam's best in the list
        places = self._places[beam]  # (m,)
        taken = np.arange(beam.size) - first[beam] < places
        ends = taken & (words == self._end)
        going = taken & ~ends if not last else np.zeros_like(taken)
        fate = np.where(ends, FINISHED, np.where(taken, CUT if last else KEPT, PRUNED))
        worst_taken = total[first[beam] + np.minimum(places, counts[beam]) - 1]  # (m,)
        margin = np.maximum(worst_taken - total, 0.0)
        node = self._record(step, origin, words, offered.ravel()[found], total, fate, margin)
        ended = taken & ~going
        self._leaves.append((beam[ended], node[ended]))
        self._has_leaves[beam[ended]] = True
        self._places -= np.bincount(beam[ends], minlength=self._places.size)
        row, glimpse = live.row[origin[going]], live.glimpse[origin[going]]
        self.live = Live(beam[going], row, words[going], total[going], node[going], glimpse)

    def share_rows(self, start: int, glimpses_before: Ints) -> Rows:
        """One row per prefix that any beam of a group goes on with, in the order in which the beams come to it.

        A group with fewer than R prefixes repeats its first, one without any gets row 0 and `start`.

        Args:
            start: a token to fill up with.
            glimpses_before: (G,) how many rows each group had in all steps so far.
        """
        live = self.live
        group = live.beam // self._widths
        key = (group * (live.row.max() + 1) + live.row) * (live.word.max() + 1) + live.word  # (n,) one number a prefix
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)  # (u,), (u,), (n,)
        by_coming = first.argsort()  # (u,) which distinct prefix comes first, second, ...
        distinct = first[by_coming]  # (u,) hypotheses, one for each prefix, group after group
        owner, asks = group[distinct], np.stack([live.row[distinct], live.word[distinct]], axis=1)  # (u,), (u, 2)
        counts = np.bincount(owner, minlength=self._groups)  # (G,)
        within = np.arange(len(distinct)) - (counts.cumsum() - counts)[owner]  # (u,) row in the group
        row_of = np.empty(len(distinct), np.int64)
        row_of[by_coming] = within
        row = row_of[inverse]  # (n,)
        self.live = live._replace(row=row, glimpse=row + glimpses_before[group])
        asked = np.tile(np.array([0, start]), (self._groups, int(counts.max()), 1))  # (G, R, 2)
        opening = within == 0
        asked[owner[opening]] = asks[opening, None]
        asked[owner, within] = asks
        return Rows(asked[..., 0], asked[..., 1], counts)

    def trees(self) -> tuple[tuple[NodeColumns, tuple[int, ...]], ...]:
        """Of each beam its tree and the last nodes of the hypotheses that ended, in the order in which they ended."""
        beam = np.concatenate([beam for beam, _ in self._grown])
        order = beam.argsort(kind="stable")
        whole = [np.concatenate(parts)[order] for parts in zip(*(columns for _, columns in self._grown), strict=True)]
        borders = self._sizes.cumsum()[:-1]
        columns = zip(*(np.split(column, borders) for column in whole), strict=True)
        ended, leaves = (np.concatenate(parts) for parts in zip(*self._leaves, strict=True))
        return tuple(
            (NodeColumns._make(parts), tuple(leaves[ended == number].tolist())) for number, parts in enumerate(columns)
        )

    def _refuse_dead_ends(self, step: int, counts: Ints) -> None:
        beam = self.live.beam
        if ((counts[beam] == 0) & ~self._has_leaves[beam]).any():
            raise SearchError(
                f"expected a possible next token, got only log-probabilities of -inf at step {step}: "
                "check the model, and that not every word is banned"
            )

    def _record(
        self,
        step: int,
        origin: Ints,
        words: Ints,
        log_probs: NDArray[np.float32],
        total: NDArray[np.float64],
        fate: Ints,
        margin: NDArray[np.float64],
    ) -> Ints:
        """Add one node per continuation (all (m,), beam after beam, best first); gives their places in the trees.

        Args:
            origin: which live hypothesis each continues.
        """
        live = self.live
        beam = live.beam[origin]
        counts = np.bincount(beam, minlength=self._sizes.size)  # (B,)
        first: Ints = counts.cumsum() - counts  # (B,) place of each beam's best among the new
        node: Ints = (self._sizes - first)[beam] + np.arange(beam.size)
        score = total / (step + 1) ** self._length_normalisation
        steps = np.full_like(words, step)
        grown = NodeColumns(
            steps, live.node[origin], words, log_probs, total, score, fate, margin, live.glimpse[origin]
        )
        self._grown.append((beam, grown))
        self._sizes += counts
        return node
