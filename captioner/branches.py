"""The tree of a search in words: every branch it looked at, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from captioner.errors import RecordError
from captioner.search_tree import FATES


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


def check_tree(tree: Sequence[Branch], glimpses: int) -> None:
    """Refuse a tree whose branches point nowhere.

    Args:
        tree: its branches.
        glimpses: how many there are to point at.

    Raises:
        RecordError: there is no such fate, a parent does not come before its child, a glimpse is not there, or
            siblings have different ones.
    """
    glimpse_of: dict[int, int] = {}  # parent -> the glimpse its children were chosen from
    for place, branch in enumerate(tree):
        if branch.fate not in FATES:
            raise RecordError(f"expected a fate out of {', '.join(FATES)}, got {branch.fate!r}")
        if not -1 <= branch.parent < place:
            raise RecordError("expected trees whose parents come before their children")
        if not 0 <= branch.glimpse < glimpses:
            raise RecordError(f"expected trees over {glimpses} glimpses, got glimpse {branch.glimpse}")
        if glimpse_of.setdefault(branch.parent, branch.glimpse) != branch.glimpse:
            raise RecordError("expected branches of one parent to share a glimpse")
