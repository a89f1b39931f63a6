"""The tree of a search in words: every branch it looked at, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from captioner.errors import RecordError
from captioner.search_tree import FATES, NodeColumns


class Branch(NamedTuple):
    """One word the search considered, in its tree; see `captioner.search_tree.Node`."""

    step: int
    parent: int
    word: str
    log_prob: float
    total: float
    score: float
    fate: str
    margin: float
    glimpse: int


class SearchedTree(Sequence[Branch]):
    """The branches of a search, made when they are first looked at: a wide beam grows many thousands.

    Args:
        columns: the nodes of the search.
        words: of the vocabulary, by token.
    """

    def __init__(self, columns: NodeColumns, words: Sequence[str]) -> None:
        self.columns = columns
        self._words = words

    def fields(self) -> tuple[list[Any], ...]:
        """Each field of the branches as a list, in the order of `Branch`."""
        step, parent, tokens, *rest = self.columns.lists()
        return step, parent, list(map(self._words.__getitem__, tokens)), *rest

    @cached_property
    def _branches(self) -> tuple[Branch, ...]:
        return tuple(map(Branch._make, zip(*self.fields(), strict=True)))

    def __len__(self) -> int:
        return len(self.columns.step)

    @overload
    def __getitem__(self, place: int) -> Branch: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Branch, ...]: ...

    def __getitem__(self, place: int | slice) -> Branch | tuple[Branch, ...]:
        return self._branches[place]

    def __iter__(self) -> Iterator[Branch]:
        return iter(self._branches)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._branches == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # it equals tuples, which hash otherwise

    def __reduce__(self) -> tuple[type[tuple[Branch, ...]], tuple[tuple[Branch, ...]]]:
        return tuple, (self._branches,)  # a copy elsewhere needs no vocabulary


def fields_of(tree: Sequence[Branch]) -> tuple[list[Any], ...]:
    """Each field of a tree's branches as a list, in the order of `Branch`."""
    if isinstance(tree, SearchedTree):
        return tree.fields()
    return tuple([branch[place] for branch in tree] for place in range(len(Branch._fields)))


def check_tree(tree: Sequence[Branch], glimpses: int) -> None:
    """Refuse a tree whose branches point nowhere.

    Args:
        tree: its branches.
        glimpses: how many there are to point at.

    Raises:
        RecordError: there is no such fate, a parent does not come before its child, a glimpse is not there, or
            siblings have different ones.
    """
    if isinstance(tree, SearchedTree):
        parents, seen = tree.columns.parent, tree.columns.glimpse
    else:
        strange = next((branch.fate for branch in tree if branch.fate not in FATES), None)
        if strange is not None:
            raise RecordError(f"expected a fate out of {', '.join(FATES)}, got {strange!r}")
        parents, seen = _whole([branch.parent for branch in tree]), _whole([branch.glimpse for branch in tree])
    if (parents < -1).any() or (parents >= np.arange(len(tree))).any():
        raise RecordError("expected trees whose parents come before their children")
    outside = seen[(seen < 0) | (seen >= glimpses)]
    if outside.size:
        raise RecordError(f"expected trees over {glimpses} glimpses, got glimpse {outside[0]}")
    glimpse_of = np.zeros(len(tree) + 1, np.int64)  # of each parent, the root first: that of its last child
    glimpse_of[parents + 1] = seen
    if (glimpse_of[parents + 1] != seen).any():
        raise RecordError("expected branches of one parent to share a glimpse")


def _whole(numbers: list[int]) -> NDArray[np.int64]:
    try:
        return np.array(numbers, np.int64)
    except OverflowError as problem:
        raise RecordError("expected trees whose parents come before their children") from problem
