"""A small search tree around known captions: what a test knows, it can look for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from builders import caption
from captioner.branches import Branch
from captioner.caption import Caption
from captioner.glimpses import Glimpses
from captioner.vocabulary import END

PRUNED = "cat"  # looked at after every word and never taken
PRUNED_LOG_PROB = -3.0
DEAD = "the"  # taken as first word by widths above 2; its only continuation is pruned
DEAD_LOG_PROB = -1.5

Words = tuple[str, ...]


def scripted_search(
    captions: Sequence[Caption], ranking: Mapping[int, tuple[int, ...]], given: int
) -> tuple[dict[int, tuple[Branch, ...]], Glimpses[str]]:
    """The trees of every width, and their glimpses.

    Args:
        captions: finished ones, all on the same grid.
        ranking: width to places in `captions`.
        given: how many first words were forced.
    """
    places: dict[Words, int] = {}
    for spoken in captions:
        for length in range(len(spoken.words) + 1):
            places.setdefault(spoken.words[:length], len(places))
    places.setdefault((DEAD,), len(places))
    trees = {
        width: _tree([captions[place] for place in taken], places, given, width) for width, taken in ranking.items()
    }
    return trees, _glimpses(captions, places)


def pruned_margin(step: int) -> float:
    """How far the word pruned at a 0-based step lay below the worst one kept."""
    return 0.25 * (step + 1)


def _tree(captions: Sequence[Caption], places: Mapping[Words, int], given: int, width: int) -> tuple[Branch, ...]:
    branches: list[Branch] = []
    nodes: dict[Words, int] = {(): -1}

    def grow(before: Words, word: str, log_prob: float, fate: str) -> None:
        parent = nodes[before]
        total = log_prob + (branches[parent].total if before else 0.0)
        margin = pruned_margin(len(before)) if fate == "pruned" else 0.0
        nodes.setdefault((*before, word), len(branches))
        branches.append(Branch(len(before), parent, word, log_prob, total, total, fate, margin, places[before]))

    for step in range(max(len(spoken.words) for spoken in captions) + 1):
        live = dict.fromkeys(spoken.words[:step] for spoken in captions if len(spoken.words) >= step)
        for before in live:
            forced = step < given
            for word, log_prob in _followers(captions, before).items():
                grow(before, word, log_prob, "given" if forced else "finished" if word == END else "kept")
            if step == 0 and width > 2 and not forced:
                grow((), DEAD, DEAD_LOG_PROB, "kept")
            if step > 0 and width > 1 and not forced:
                grow(before, PRUNED, PRUNED_LOG_PROB, "pruned")
        if step == 1 and (DEAD,) in nodes:
            grow((DEAD,), "dog", PRUNED_LOG_PROB, "pruned")
    return tuple(branches)


def _followers(captions: Sequence[Caption], before: Words) -> dict[str, float]:
    """Each word that a caption has after `before`, and its log-probability."""
    step = len(before)
    found: dict[str, float] = {}
    for spoken in captions:
        if spoken.words[:step] == before:
            ends = len(spoken.words) == step
            word = END if ends else spoken.words[step]
            found.setdefault(word, (spoken.end_log_prob or 0.0) if ends else float(spoken.log_probs[step]))
    return found


def _glimpses(captions: Sequence[Caption], places: Mapping[Words, int]) -> Glimpses[str]:
    height, width = captions[0].attention.shape[1:]
    attention, gate, alternatives = [], [], []
    for before, place in places.items():
        step = len(before)
        said = next((c for c in captions if c.words[:step] == before and len(c.words) > step), None)
        spoken, at = (caption(("end",), height, width, 100 + place), 0) if said is None else (said, step)
        attention.append(spoken.attention[at])
        gate.append(spoken.gate[at])
        followers = _followers(captions, before) or {"dog": PRUNED_LOG_PROB}
        best = sorted((*followers.items(), (PRUNED, PRUNED_LOG_PROB)), key=lambda follower: -follower[1])
        alternatives.append(tuple(best))
    return Glimpses(np.stack(attention), np.array(gate, np.float32), tuple(alternatives))
