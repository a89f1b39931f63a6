"""Captions of the validation photos, scored data folder by data folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from captioner.attention_health import AttentionHealth, attention_health
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.training.data import Example
from captioner.training.repeats import Repeats, count_repeats
from captioner.training.scoring import quick_cider

WIDTH = 3
TOGETHER = 50  # photos searched in one run


class FeatureSource(Protocol):
    """Where a batch's features come from: a cache, or the photos themselves."""

    stage: int

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32 of the photos `indices` in the given views."""


@dataclass(frozen=True)
class Validation:
    """How a model does on the validation photos.

    Attributes:
        ciders: CIDEr-D (0 to 10) of each data folder, by name.
        cider: their mean over all photos; what the best epoch is chosen by.
        health: of the attention.
        repeats: words said twice.
        samples: a few captions.
    """

    ciders: dict[str, float]
    cider: float
    health: AttentionHealth
    repeats: Repeats
    samples: tuple[str, ...]

    def record(self) -> dict[str, Any]:
        """What the log keeps of it."""
        return {
            "val_cider": self.cider,
            "val_ciders": self.ciders,
            "effective_cells": self.health.effective_cells,
            "word_difference": self.health.word_difference,
            "collapsed": self.health.collapsed,
            "said_twice": self.repeats.said_twice_share,
            "in_a_row": self.repeats.in_a_row_share,
            "samples": list(self.samples),
        }


def validate(
    captioner: Captioner, source: FeatureSource, examples: Sequence[Example], device: torch.device
) -> Validation:
    """Caption the photos of `examples` whose split is "val" and that have captions at beam width 3, each as it is.

    Args:
        source: gives the features of `examples`, by their places in that list.
    """
    places = [place for place, example in enumerate(examples) if example.split == "val" and example.captions]
    best = []
    for first in tqdm(range(0, len(places), TOGETHER), desc="validation", mininterval=10):
        group = places[first : first + TOGETHER]
        with torch.inference_mode():
            grid = captioner.encoder.resume(source.batch(group, [0] * len(group)).to(device), source.stage)
        best += [described.at_width(WIDTH)[0] for described in captioner.search(grid, SearchOptions(widths=(WIDTH,)))]
    texts = {examples[place].filename: caption.text for place, caption in zip(places, best, strict=True)}
    ciders, weighted = {}, 0.0
    for name in dict.fromkeys(examples[place].source for place in places):
        references = {examples[p].filename: examples[p].captions for p in places if examples[p].source == name}
        ciders[name] = quick_cider({filename: texts[filename] for filename in references}, references)
        weighted += ciders[name] * len(references)
    samples = tuple(texts.values())[:: max(1, len(texts) // 7)][:7]
    repeats = count_repeats(texts.values())
    return Validation(ciders, weighted / len(places), attention_health(best), repeats, samples)
