"""Captions and descriptions that are plain in all but what a test looks at."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from builders import caption, description
from captioner.branches import Branch
from captioner.caption import Caption
from captioner.description import Description
from captioner.glimpses import Glimpses

ROOT = Branch(0, -1, "a", -0.25, -0.25, -0.25, "kept", 0.0, 1)
LEAF = Branch(1, 0, "<end>", -0.5, -0.75, -0.46, "finished", 0.0, 0)
LOST = Branch(1, 0, "dog", -2.5, -2.75, -1.7, "pruned", 2.0, 0)


def spoken(words: tuple[str, ...], **changes: Any) -> Caption:
    """A caption of these words in which everything else is plain: all maps flat over 2 x 3 cells."""
    count = len(words)
    plain = Caption(
        words=words,
        log_probs=np.full(count, -0.5, np.float32),
        end_log_prob=-0.25,
        attention=np.full((count, 2, 3), 1 / 6, np.float32),
        gate=np.full(count, 0.5, np.float32),
        alternatives=((),) * count,
        score=-0.3,
        finished=True,
    )
    return dataclasses.replace(plain, **changes)


def grown(**changes: Any) -> Description:
    """The builders' description with a tree of three branches at width 2, and the two glimpses they came from."""
    tree = {"trees": {1: (), 2: (ROOT, LEAF, LOST)}, "glimpses": seen_by(caption())}
    return dataclasses.replace(description(), **{**tree, **changes})


def seen_by(said: Caption) -> Glimpses[str]:
    """A glimpse per word of a caption."""
    return Glimpses(said.attention, said.gate, said.alternatives)
