"""The beam search's tree as plain data: columns instead of a record per branch, since there are thousands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np

from captioner.branches import Branch, fields_of
from captioner.vocabulary import END

FATE_LETTERS = {"given": "g", "kept": "k", "finished": "f", "pruned": "p", "cut": "c"}


class TreeView(TypedDict):
    """One width's tree; item i of every column belongs to branch i, and parents come before their children.

    Attributes:
        steps: 0-based place of the word in its caption.
        parents: the branch before it, -1 for the first word.
        words: places in `TreesView.words`; the empty word is the caption's end.
        log_probs: of the word given those before it, natural logarithms.
        fates: one letter per branch, see FATE_LETTERS.
        margins: for a pruned branch, how far its total lay below the worst one taken at that step.
        glimpses: places in the view's glimpses.
    """

    steps: list[int]
    parents: list[int]
    words: list[int]
    log_probs: list[float]
    fates: str
    margins: list[float]
    glimpses: list[int]


class TreesView(TypedDict):
    """The trees of all widths, and the words they name."""

    words: list[str]
    widths: dict[str, TreeView]


def build_trees(trees: Mapping[int, Sequence[Branch]]) -> TreesView:
    """The trees of a Description."""
    places: dict[str, int] = {}
    widths = {str(width): _tree_view(tree, places) for width, tree in trees.items()}
    return {"words": ["" if word == END else word for word in places], "widths": widths}


def _tree_view(tree: Sequence[Branch], places: dict[str, int]) -> TreeView:
    steps, parents, words, log_probs, _, _, fates, margins, glimpses = fields_of(tree)
    return {
        "steps": steps,
        "parents": parents,
        "words": [places.setdefault(word, len(places)) for word in words],
        "log_probs": np.round(log_probs, 3).tolist(),
        "fates": "".join(map(FATE_LETTERS.__getitem__, fates)),
        "margins": np.round(margins, 3).tolist(),
        "glimpses": glimpses,
    }
