"""Whether the maps at the words of people's sentences lie on what these words name.

The sentences of Flickr30k Entities (Plummer et al. 2015) are given to the model word by word, and the map at a noun
phrase is held against the boxes people drew for it. Three maps that know nothing of the photo stand beside it: whatever
they score comes from where people put things in photos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from captioner.caption import effective_cells
from captioner.errors import DataError
from captioner.training.pointing import (
    SIGMA,
    centre_hit,
    centre_map,
    gaussian_map,
    mass_inside,
    pointing,
    uniform_map,
)
from captioner.training.sentence_maps import sentence_maps
from captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.encoder import FeatureGrid
    from captioner.training.data import Example
    from captioner.training.phrases import Phrase, Sentence

# Whose maps are measured: the model's at the phrase's last word and on average over its words, then the baselines.
SOURCES = ("head noun", "phrase", "uniform", "centre", "gaussian")
SCENE = "scene"
ALL = "all but scene"


@dataclass(frozen=True)
class PhraseReading:
    """How the maps of one phrase with boxes meet these boxes.

    Attributes:
        types: what kinds of thing the phrase names.
        mass: for each of `SOURCES` the share of the map inside the boxes, 0 to 1 (see `mass_inside`).
        hits: for each of `SOURCES` whether the map points into a box, 0 to 1 (see `pointing`).
        cells: effective cells of the head noun's map, exp(entropy), 1 to H * W.
    """

    types: tuple[str, ...]
    mass: tuple[float, ...]
    hits: tuple[float, ...]
    cells: float

    def __post_init__(self) -> None:
        values = (*self.mass, *self.hits)
        if len(self.mass) != len(SOURCES) or len(self.hits) != len(SOURCES):
            raise DataError(f"expected mass and hits of {', '.join(SOURCES)}, got {self.mass} and {self.hits}")
        if not all(-0.01 <= value <= 1.01 for value in values) or self.cells < 0.99:
            raise DataError(f"expected mass and hits of 0 to 1 and a cell or more, got {self}")


@dataclass(frozen=True)
class TypeGrounding:
    """The phrases of one type on average.

    Attributes:
        name: of the type, or `ALL`.
        phrases: how many, 1 or more; each counts the same.
        cells: mean effective cells of the head nouns' maps.
        mass: source to mean mass inside the boxes, 0 to 1.
        hits: source to share of maps that point into a box, 0 to 1.
    """

    name: str
    phrases: int
    cells: float
    mass: Mapping[str, float]
    hits: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        return {"phrases": self.phrases, "effective_cells": self.cells, "mass": {**self.mass}, "hits": {**self.hits}}


@dataclass(frozen=True)
class GroundingReport:
    """How well a model's maps are grounded.

    Attributes:
        phrases: with boxes, scenes among them.
        overall: over all phrases but those that name a scene; None when there is no other.
        types: by type, most phrases first, scenes last. A phrase of two types counts under both; one of them being
            "scene", it counts there alone, since a beach or a street is nearly the whole photo.
    """

    phrases: int
    overall: TypeGrounding | None
    types: tuple[TypeGrounding, ...]

    @property
    def rows(self) -> tuple[TypeGrounding, ...]:
        """The lines of table and plot: overall, then the types."""
        return (() if self.overall is None else (self.overall,)) + self.types

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {"phrases": self.phrases, "sigma": SIGMA, "types": {row.name: row.as_dict() for row in self.rows}}

    def table(self) -> str:
        """The report for people, in percent: mass, then pointing, each for the model's maps and the baselines."""
        name = max(len(row.name) for row in self.rows)
        heads = "".join(f"{source:>10}" for source in SOURCES)
        lines = [f"grounding: {self.phrases} phrases with boxes (percent; gaussian: sigma {SIGMA} of a side)"]
        blocks: tuple[tuple[str, Callable[[TypeGrounding], Mapping[str, float]]], ...] = (
            ("mass inside the boxes", lambda row: row.mass),
            ("pointing into a box", lambda row: row.hits),
        )
        for title, values in blocks:
            lines += ["", title, f"{'type':<{name}}  phrases{heads}  effective cells"]
            for row in self.rows:
                numbers = "".join(f"{100 * values(row)[source]:10.1f}" for source in SOURCES)
                lines.append(f"{row.name:<{name}}  {row.phrases:7d}{numbers}  {row.cells:15.1f}")
        return "\n".join(lines)


def check_phrases(examples: Sequence[Example]) -> None:
    """Refuse photos among which nothing can be measured.

    Raises:
        DataError: no photo has a phrase with boxes.
    """
    if not any(_boxed(sentence) for example in examples for sentence in example.sentences):
        raise DataError(
            f"none of these {len(examples)} photos has phrases with boxes: put phrase_boxes.json (Flickr30k Entities) "
            "beside captions.json, or leave out --grounding"
        )


def read_phrases(captioner: Captioner, grid: FeatureGrid, examples: Sequence[Example]) -> list[PhraseReading]:
    """Hold the maps of every phrase with boxes against its boxes.

    Args:
        captioner: reads the sentences; its photos are not encoded again.
        grid: P photos.
        examples: the same P photos with their sentences; some may have none.
    """
    sentences = [[sentence for sentence in example.sentences if _boxed(sentence)] for example in examples]
    words = [[tokenize(sentence.caption) for sentence in own] for own in sentences]
    maps = sentence_maps(captioner.decoder, captioner.vocabulary, grid, words)
    blind = np.stack([make(grid.height, grid.width) for make in (uniform_map, centre_map, gaussian_map)])  # (3, H, W)
    return [
        _read(attention[phrase.first : phrase.end].astype(np.float64), phrase, blind)
        for own, own_maps in zip(sentences, maps, strict=True)
        for sentence, attention in zip(own, own_maps, strict=True)
        for phrase in sentence.phrases
        if phrase.boxes
    ]


def summarise(readings: Sequence[PhraseReading]) -> GroundingReport:
    """Average the readings, overall and by type.

    Raises:
        DataError: there is no reading.
    """
    if not readings:
        raise DataError("expected phrases with boxes, got none: there is no map to judge")
    by_type: dict[str, list[PhraseReading]] = {}
    for reading in readings:
        for name in (SCENE,) if SCENE in reading.types else dict.fromkeys(reading.types):
            by_type.setdefault(name, []).append(reading)
    things = [reading for reading in readings if SCENE not in reading.types]
    types = [_average(name, own) for name, own in by_type.items()]
    types.sort(key=lambda row: (row.name == SCENE, -row.phrases, row.name))
    return GroundingReport(len(readings), _average(ALL, things) if things else None, tuple(types))


def _boxed(sentence: Sentence) -> bool:
    return any(phrase.boxes for phrase in sentence.phrases)


def _read(attention: NDArray[np.float64], phrase: Phrase, blind: NDArray[np.float64]) -> PhraseReading:
    """Measure a phrase: its words' maps (T, H, W) and the baselines' (uniform, centre, gaussian; H, W)."""
    maps = np.concatenate([attention[-1:], attention.mean(axis=0, keepdims=True), blind])  # (5, H, W)
    hits = pointing(maps, phrase.boxes)  # (5,)
    hits[SOURCES.index("centre")] = centre_hit(phrase.boxes)
    mass = mass_inside(maps, phrase.boxes)  # (5,)
    return PhraseReading(
        phrase.types, tuple(mass.tolist()), tuple(hits.tolist()), float(effective_cells(attention[-1:])[0])
    )


def _average(name: str, readings: Sequence[PhraseReading]) -> TypeGrounding:
    mass = np.mean([reading.mass for reading in readings], axis=0)  # (5,)
    hits = np.mean([reading.hits for reading in readings], axis=0)
    return TypeGrounding(
        name,
        len(readings),
        float(np.mean([reading.cells for reading in readings])),
        dict(zip(SOURCES, mass.tolist(), strict=True)),
        dict(zip(SOURCES, hits.tolist(), strict=True)),
    )
