"""Descriptions: what they may hold, and what they tell."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from builders import caption, description
from captioner.errors import RecordError, SearchError
from captioner.glimpses import NO_GLIMPSES
from descriptions import LEAF, LOST, ROOT, grown, seen_by, spoken


def test_captions_at_a_width_are_best_first() -> None:
    given = description()
    ranked = dataclasses.replace(given, ranking={1: (1,), 2: (1, 0)})
    assert given.widths == (1, 2)
    assert ranked.at_width(1) == (given.captions[1],)
    assert ranked.at_width(2) == (given.captions[1], given.captions[0])


@pytest.mark.parametrize("width", [0, 3, -1, 1000])
def test_a_width_that_was_not_searched(width: int) -> None:
    with pytest.raises(SearchError, match=rf"expected a beam width out of \(1, 2\), got {width}"):
        description().at_width(width)
    with pytest.raises(SearchError, match="expected a beam width"):
        description().to_json(width)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captions": ()}, "at least one caption at every beam width"),
        ({"ranking": {}, "trees": {}}, "at least one caption at every beam width"),
        ({"ranking": {1: (), 2: (0,)}}, "at least one caption at every beam width"),
        ({"ranking": {1: (0,), 2: (0, 2)}}, "rankings over 2 captions, got place 2"),
        ({"ranking": {1: (-1,), 2: (0,)}}, "rankings over 2 captions, got place -1"),
        ({"grid": (3, 2)}, r"maps of \(3, 2\) cells, got \(2, 3\)"),
        ({"trees": {}}, r"a tree for each width of \(1, 2\), got \(\)"),
        ({"trees": {1: (), 3: ()}}, r"a tree for each width of \(1, 2\), got \(1, 3\)"),
        ({"trees": {1: (), 2: (LEAF, ROOT)}}, "parents come before their children"),
        ({"trees": {1: (), 2: (ROOT._replace(parent=-2),)}}, "parents come before their children"),
        ({"trees": {1: (), 2: (ROOT._replace(glimpse=2),)}}, "trees over 2 glimpses, got glimpse 2"),
        ({"trees": {1: (), 2: (ROOT._replace(glimpse=-1),)}}, "trees over 2 glimpses, got glimpse -1"),
        ({"trees": {1: (), 2: (ROOT, LEAF, LOST._replace(glimpse=1))}}, "of one parent to share a glimpse"),
        ({"glimpses": NO_GLIMPSES}, "trees over 0 glimpses, got glimpse 1"),
        ({"glimpses": seen_by(caption(height=3, width=2))}, r"maps of \(2, 3\) cells, got \(3, 2\)"),
        ({"glimpses": seen_by(caption(height=1, width=6))}, r"maps of \(2, 3\) cells, got \(1, 6\)"),
    ],
)
def test_descriptions_that_do_not_hold_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        grown(**changes)


def test_a_branch_has_one_of_five_fates() -> None:
    with pytest.raises(RecordError, match="fate out of kept, finished, pruned, cut, given, got 'lost'"):
        grown(trees={1: (), 2: (ROOT._replace(fate="lost"),)})


def test_the_public_form() -> None:
    attention = np.array([[[0.5, 0.25, 0.25], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]], np.float32)
    first = spoken(
        ("man", "'s"),
        log_probs=np.array([0.0, -100.0], np.float32),
        attention=attention,
        gate=np.array([0.5, 0.75], np.float32),
    )
    second = spoken(("dog",), end_log_prob=None, finished=False, score=-0.75)
    given = dataclasses.replace(description(), captions=(first, second))
    expected = {
        "captions": [
            {
                "text": "man's",
                "score": -0.3,
                "finished": True,
                "words": [
                    {"word": "man", "probability": 1.0, "gate": 0.5, "attention": [[0.5, 0.25, 0.25], [0, 0, 0]]},
                    {"word": "'s", "probability": 0.0, "gate": 0.75, "attention": [[0, 0, 0], [0, 0, 1]]},
                ],
            }
        ],
        "grid": [2, 3],
        "model": "tiny",
        "guessing": False,
        "strangeness": None,
    }
    public = given.to_json(1)
    assert public["captions"][0]["words"][1].pop("probability") == pytest.approx(0, abs=1e-40)
    del expected["captions"][0]["words"][1]["probability"]  # type: ignore[index]
    assert public == expected
    both = json.loads(json.dumps(given.to_json(2), allow_nan=False))
    assert [(item["text"], item["finished"]) for item in both["captions"]] == [("man's", True), ("dog", False)]
