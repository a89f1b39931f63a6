"""How fast many photos are captioned: the whole pipeline beside each of its stages alone, turn by turn.

Two limits are told. The slower stage's own rate is what the whole could reach if stages never waited for each other
and shared nothing, as with a GPU beside the processor. Stages that share processor cores cannot reach it: there the
seconds of processor time that all stages take, spread evenly over the cores, are a limit as well.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from captioner.bench.flat import Flat, flat_cost
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.collection.options import CollectionOptions
from captioner.collection.reading import Read, read_ahead
from captioner.collection.run import batch_lines, caption_collection, open_store
from captioner.collection.writing import Line, Writer
from captioner.errors import DataError
from captioner.search_options import SearchOptions

PHOTOS = 64
WIDTH = 5
STAGES = ("open and prepare", "encode and search", "write")


@dataclass(frozen=True)
class Turn:
    """One run over all photos: seconds that went by, and seconds of processor time, of all threads."""

    seconds: float
    processor: float


@dataclass(frozen=True)
class Pipeline:
    """The whole beside its stages.

    Attributes:
        photos: in each run.
        cores: this process may use.
        whole: its runs, 2 or more.
        stages: for each of `STAGES` the runs of the same rounds.
    """

    photos: int
    cores: int
    whole: tuple[Turn, ...]
    stages: tuple[tuple[Turn, ...], ...]

    def __post_init__(self) -> None:
        lengths = {len(turns) for turns in (self.whole, *self.stages)}
        if len(self.stages) != len(STAGES) or len(lengths) != 1 or min(lengths) < 2:
            raise DataError(f"expected 2 rounds or more of the whole and {len(STAGES)} stages, got {sorted(lengths)}")

    @property
    def of_slower_stage(self) -> tuple[float, ...]:
        """Rate of the whole in that of its slowest stage, in every round."""
        return tuple(
            max(turn.seconds for turn in stages) / whole.seconds
            for whole, *stages in zip(self.whole, *self.stages, strict=True)
        )

    @property
    def of_limit(self) -> tuple[float, ...]:
        """Rate of the whole in what shared cores allow: that of the slowest stage, or all processor time by cores."""
        return tuple(
            max(*(turn.seconds for turn in stages), sum(turn.processor for turn in stages) / self.cores) / whole.seconds
            for whole, *stages in zip(self.whole, *self.stages, strict=True)
        )

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        runs = dict(zip(("whole", *STAGES), (self.whole, *self.stages), strict=True))
        return {
            "photos": self.photos,
            "cores": self.cores,
            "of_slower_stage": _spread(self.of_slower_stage),
            "of_limit": _spread(self.of_limit),
            "runs": {name: [[turn.seconds, turn.processor] for turn in turns] for name, turns in runs.items()},
        }

    def lines(self) -> list[str]:
        """To be read."""
        lines = []
        for name, turns in zip(("the whole", *STAGES), (self.whole, *self.stages), strict=True):
            rate = self.photos / statistics.median(turn.seconds for turn in turns)
            processor = 1e3 * statistics.median(turn.processor for turn in turns) / self.photos
            lines.append(f"{'collection, ' + name:55s} {rate:8.1f} photos/s, {processor:6.2f} ms of processor a photo")
        told = (
            ("whole / slowest stage alone", self.of_slower_stage),
            (f"whole / limit, {self.cores} cores shared by all stages", self.of_limit),
        )
        for name, ratios in told:
            low, middle, high = _quantiles(ratios)
            lines.append(f"{'collection, ' + name:55s} {middle:8.2f} ({low:.2f} to {high:.2f})")
        return lines


@dataclass(frozen=True)
class CollectionSpeed:
    """What the entry found."""

    pipeline: Pipeline
    flat: Flat
    same: bool = True

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"pipeline": self.pipeline.record(), "flat": self.flat.record()}

    def lines(self) -> list[str]:
        """To be read."""
        return self.pipeline.lines() + self.flat.lines()


def collection_speed(task: Task) -> CollectionSpeed:
    """The shipped model's pipeline, then the cost of ever more photos."""
    task.tell("a collection: the whole beside its stages")
    with tempfile.TemporaryDirectory() as name:
        photos = make_photos(Path(name), PHOTOS)
        captioner = Captioner.load(default_checkpoint(), str(task.device))
        measured = pipeline(captioner, photos, Path(name), task.options.rounds)
    task.tell("a collection: cost of ever more photos")
    return CollectionSpeed(measured, flat_cost())


def pipeline(captioner: Captioner, photos: list[Path], folder: Path, rounds: int) -> Pipeline:
    """Run the whole and every stage in turn, after one round untimed.

    Args:
        captioner: who captions.
        photos: their files.
        folder: where lines may be written.
        rounds: 2 or more.
    """
    options = CollectionOptions(SearchOptions((WIDTH,)))
    batches = _opened(captioner, photos, options)
    lines = [line for batch in batches for line in batch_lines(captioner, batch, options)]
    places = iter(folder / f"{number}.jsonl" for number in range(2 * (rounds + 1)))
    calls: tuple[Callable[[], object], ...] = (
        lambda: caption_collection(captioner, photos, next(places), options),
        lambda: _opened(captioner, photos, options),
        lambda: [batch_lines(captioner, batch, options) for batch in batches],
        lambda: _write(lines, next(places), options),
    )
    taken = [[_turn(call) for call in calls] for _ in range(rounds + 1)][1:]
    whole, *stages = zip(*taken, strict=True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Pipeline(len(photos), cores, whole, tuple(stages))


def make_photos(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> list[Path]:
    """Write JPEGs of soft random patches under some noise, as hard to decode as photographs are."""
    random = np.random.default_rng(1)
    paths = [folder / f"{number:04d}.jpg" for number in range(count)]
    for path in paths:
        patches = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8))
        soft = np.asarray(patches.resize(size, Image.Resampling.BICUBIC), np.float32)
        noisy = soft + random.normal(0, 8, soft.shape)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)
    return paths


def _opened(captioner: Captioner, photos: list[Path], options: CollectionOptions) -> list[list[Read]]:
    with ThreadPoolExecutor(options.readers) as pool:
        return list(read_ahead(pool, photos, captioner.photo_settings, options))


def _write(lines: list[Line], out: Path, options: CollectionOptions) -> None:
    store = open_store(out, options)
    store.resume(retry=False)
    with Writer(store) as writer:
        for line in lines:
            writer.put(line)


def _turn(call: Callable[[], object]) -> Turn:
    started, processor = time.perf_counter(), time.process_time()
    call()
    return Turn(time.perf_counter() - started, time.process_time() - processor)


def _quantiles(values: tuple[float, ...]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _spread(values: tuple[float, ...]) -> dict[str, Any]:
    low, middle, high = _quantiles(values)
    return {"median": middle, "quartiles": [low, high]}
