"""What a model said of the same few photos again and again while it learnt: a record small enough for a page.

Written by `python -m captioner train --watch DIR`; a finished model is added by `python -m captioner watch`. Maps are
kept as 8-bit fractions of their highest weight: enough to be looked at, not to be calculated with.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.caption import Caption, Floats, effective_cells
from captioner.errors import RecordError
from captioner.json_file import read_json
from captioner.records import floats, rounded
from captioner.whole_file import write_whole

LEARNING_FORMAT = "saywhere-learning-1"
LARGEST = 10_000_000  # bytes of a record
FULL = 255  # the fraction of the highest weight
ROUNDED = 4  # digits kept of what is shown with two


@dataclass(frozen=True, eq=False)  # arrays have no truth value to compare with
class Telling:
    """What was said of one photo at one moment: T words, with where each of them looked on the H x W grid.

    Attributes:
        words: T words, none where it stopped at once.
        log_probs: (T,) natural-log probability of each word given those before it, <= 0.
        gate: (T,) mean of the gate, 0 to 1.
        peaks: (T,) highest weight of each map, above 0 to 1.
        cells: (T,) effective cells of each map before it was rounded, 1 to H * W.
        fractions: (T, H, W) uint8, each map as fractions of its peak, which is 255.
        finished: whether the model chose to stop, rather than being cut off.

    Raises:
        RecordError: the parts do not hold together, or a number lies outside its range.
    """

    words: tuple[str, ...]
    log_probs: Floats
    gate: Floats
    peaks: Floats
    cells: Floats
    fractions: NDArray[np.uint8]
    finished: bool

    def __post_init__(self) -> None:
        count, shape = len(self.words), self.fractions.shape
        if not all(isinstance(word, str) for word in self.words):
            raise RecordError(f"expected words, got {self.words}")
        if self.fractions.dtype != np.uint8 or len(shape) != 3 or shape[0] != count:
            raise RecordError(f"expected 8-bit maps ({count}, height, width), got {self.fractions.dtype} {shape}")
        highest = math.prod(shape[1:])
        ranges = {"log_probs": (-1e4, 0.0), "gate": (0.0, 1.0), "peaks": (1e-9, 1.0), "cells": (0.99, 1.01 * highest)}
        for name, (low, high) in ranges.items():
            values = getattr(self, name)
            if values.shape != (count,):
                raise RecordError(f"expected {name} of {count} words, got shape {values.shape}")
            if not ((values >= low) & (values <= high + 1e-4)).all():
                raise RecordError(f"expected {name} of {low:g} to {high:g}, got {values.tolist()}")

    @classmethod
    def of(cls, caption: Caption) -> Telling:
        """What is kept of a caption."""
        peaks = caption.attention.max(axis=(1, 2))  # (T,)
        fractions = np.rint(caption.attention / peaks[:, None, None] * FULL).astype(np.uint8)
        cells = effective_cells(caption.attention)
        return cls(caption.words, caption.log_probs, caption.gate, peaks, cells, fractions, caption.finished)

    @property
    def attention(self) -> Floats:
        """(T, H, W) the maps, each weight to 1/510 of its map's highest."""
        maps: Floats = self.fractions.astype(np.float32) * (self.peaks[:, None, None] / np.float32(FULL))
        return maps

    def to_record(self) -> dict[str, Any]:
        """What can be written as JSON."""
        numbers = {name: rounded(getattr(self, name)) for name in ("log_probs", "gate", "peaks", "cells")}
        maps = base64.b64encode(self.fractions.tobytes()).decode("ascii")
        return {"words": list(self.words), **numbers, "maps": maps, "finished": self.finished}

    @classmethod
    def from_record(cls, record: Mapping[str, Any], grid: tuple[int, int]) -> Telling:
        """What `to_record` gave, on a grid of (rows, columns)."""
        words = tuple(record["words"])
        maps = np.frombuffer(base64.b64decode(record["maps"], validate=True), np.uint8)
        log_probs, gate, peaks, cells = (floats(record[name]) for name in ("log_probs", "gate", "peaks", "cells"))
        fractions = maps.reshape(len(words), *grid)
        return cls(words, log_probs, gate, peaks, cells, fractions, record["finished"] is True)


@dataclass(frozen=True)
class Moment:
    """A moment of a training, or a finished model after it.

    Attributes:
        tellings: of each photo.
        step: optimiser steps done, 0 or more; None of a finished model.
        nats: mean training loss of the steps before it, nats per word; None where it is not known.
        model: the name of a finished model; None while one learns.

    Raises:
        RecordError: a number is negative, or there is neither a step nor a model, or both.
    """

    tellings: tuple[Telling, ...]
    step: int | None = None
    nats: float | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if (self.step is None) == (self.model is None):
            raise RecordError(f"expected a step or a model's name, got {self.step} and {self.model}")
        if self.step is not None and (type(self.step) is not int or self.step < 0):
            raise RecordError(f"expected a step of 0 or more, got {self.step}")
        if self.nats is not None and not (math.isfinite(self.nats) and self.nats >= 0):
            raise RecordError(f"expected a training loss of 0 or more, got {self.nats}")


@dataclass(frozen=True)
class Learning:
    """The moments of one training, in their order; finished models come last.

    Attributes:
        photos: file names of the photos that were told.
        grid: (rows, columns) of the maps.
        photos_per_step: photos the model learns from in a step of the optimiser.
        trained_on: one line about the photos it learnt from.
        moments: each tells all the photos.

    Raises:
        RecordError: the parts do not hold together.
    """

    photos: tuple[str, ...]
    grid: tuple[int, int]
    photos_per_step: int
    trained_on: str
    moments: tuple[Moment, ...] = ()

    def __post_init__(self) -> None:
        if not self.photos or len(set(self.photos)) < len(self.photos):
            raise RecordError(f"expected the names of photos, each once, got {self.photos}")
        if self.photos_per_step < 1:
            raise RecordError(f"expected 1 photo or more in a step, got {self.photos_per_step}")
        steps = [math.inf if moment.step is None else moment.step for moment in self.moments]
        if any(before >= after and after < math.inf for before, after in pairwise(steps)):
            raise RecordError(f"expected rising steps, finished models after them, got {steps}")
        for moment in self.moments:
            if len(moment.tellings) != len(self.photos):
                raise RecordError(f"expected captions of {len(self.photos)} photos, got {len(moment.tellings)}")
            for telling in moment.tellings:
                if telling.fractions.shape[1:] != self.grid:
                    raise RecordError(f"expected maps of {self.grid} cells, got {telling.fractions.shape[1:]}")

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps it tells of."""
        return tuple(moment.step for moment in self.moments if moment.step is not None)

    def with_moment(self, moment: Moment) -> Learning:
        """This and one moment more, at its place; a finished model takes the place of one of its name."""
        others = [m for m in self.moments if m.model is None or m.model != moment.model]
        ordered = sorted([*others, moment], key=lambda m: math.inf if m.step is None else m.step)
        return replace(self, moments=tuple(ordered))

    def to_json(self) -> str:
        """The record as text."""
        head = {"format": LEARNING_FORMAT, **{name: value for name, value in vars(self).items() if name != "moments"}}
        return json.dumps({**head, "moments": [_moment_record(moment) for moment in self.moments]}, ensure_ascii=False)

    def save(self, path: Path) -> None:
        """Write the record; the file appears whole or not at all.

        Raises:
            RecordError: it is larger than a record may be, or the folder cannot be written.
        """
        text = self.to_json()
        if len(text.encode(errors="backslashreplace")) > LARGEST:
            raise RecordError(f"expected {path.name} to stay below {LARGEST:,} bytes: watch fewer photos or moments")
        write_whole(path, text)

    @classmethod
    def load(cls, path: Path) -> Learning:
        """Read a record.

        Raises:
            RecordError: the file is missing, too large, no such record, or does not hold together.
        """
        unreadable = f"{path.name} cannot be read back as a record of learning: record it again with train --watch"
        try:
            if path.stat().st_size > LARGEST:
                raise RecordError(f"expected {path.name} to stay below {LARGEST:,} bytes, got {path.stat().st_size:,}")
            record = read_json(path)
            if not isinstance(record, dict) or record.get("format") != LEARNING_FORMAT:
                raise RecordError(f"{path.name} is no record of learning: expected format {LEARNING_FORMAT}")
            rows, columns = map(int, record["grid"])
            moments = tuple(_read_moment(moment, (rows, columns)) for moment in record["moments"])
            photos = tuple(map(str, record["photos"]))
            return cls(photos, (rows, columns), int(record["photos_per_step"]), str(record["trained_on"]), moments)
        except RecordError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise RecordError(unreadable) from problem


def _moment_record(moment: Moment) -> dict[str, Any]:
    numbers = {item.name: getattr(moment, item.name) for item in fields(moment) if item.name != "tellings"}
    nats = None if moment.nats is None else round(moment.nats, ROUNDED)
    return {**numbers, "nats": nats, "tellings": [telling.to_record() for telling in moment.tellings]}


def _read_moment(record: Mapping[str, Any], grid: tuple[int, int]) -> Moment:
    tellings = tuple(Telling.from_record(telling, grid) for telling in record["tellings"])
    return Moment(tellings, *(record[name] for name in ("step", "nats", "model")))
