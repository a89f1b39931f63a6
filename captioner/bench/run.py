"""The whole bench: every entry asked for, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image

from captioner.bench.batch import measure_batches
from captioner.bench.collection import collection_speed
from captioner.bench.edits import measure_edits
from captioner.bench.growth import growth
from captioner.bench.harness import Comparisons, compare_all
from captioner.bench.memory import ConversionMemory, conversion_memory
from captioner.bench.options import ENTRIES, BenchOptions
from captioner.bench.overlays import measure_overlays
from captioner.bench.peers import measure_peers
from captioner.bench.precision import Precisions, compare_precisions
from captioner.bench.report import Report, Section, describe_machine
from captioner.bench.roofline import Roofline, roofline
from captioner.bench.speed import speed_pairs
from captioner.bench.start import Starts, starts
from captioner.bench.task import Task
from captioner.bench.training import measure_training
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint, load_checkpoint
from captioner.errors import DataError
from captioner.folded import PRECISIONS


def bench(options: BenchOptions, photo: Image.Image, tell: Callable[[str], None]) -> Report:
    """Measure.

    Args:
        photo: RGB, what is described.
        tell: gets the name of what is measured next.

    Raises:
        DataError: the device is not to be had, or memory cannot be measured here.
    """
    task = Task(options, _device(options.device), photo, tell)
    wanted = [name for name in ENTRIES if name in options.entries]
    return Report(describe_machine(task.device), {name: MEASURES[name](task) for name in wanted})


def _speed(task: Task) -> Comparisons:
    return compare_all(speed_pairs(task.options, task.photo), task.options.rounds, task.tell)


def _limit(task: Task) -> Roofline:
    task.tell("the shipped model beside the machine's limits")
    shipped = load_checkpoint(default_checkpoint())
    return roofline(Captioner(shipped, str(task.device)), shipped.encoder, task.photo, task.options)


def _memory(task: Task) -> ConversionMemory:
    task.tell("conversion memory")
    return conversion_memory(task.options.sizes)


def _start(task: Task) -> Starts:
    return starts(task.options.rounds, str(task.device), task.photo, default_checkpoint(), task.tell)


def _precision(task: Task) -> Precisions:
    path = default_checkpoint()
    shipped = load_checkpoint(path)
    captioners = {name: Captioner(shipped, str(task.device), name) for name in PRECISIONS}
    photos = task.options.photos or tuple(sorted((path.parent / "examples").glob("*.jpg")))
    return compare_precisions(captioners.pop("float32"), captioners, photos, task.options.rounds, task.tell)


MEASURES: dict[str, Callable[[Task], Section]] = {
    "speed": _speed,
    "limit": _limit,
    "batch": measure_batches,
    "overlays": measure_overlays,
    "edits": measure_edits,
    "peers": measure_peers,
    "growth": growth,
    "collection": collection_speed,
    "precision": _precision,
    "training": measure_training,
    "memory": _memory,
    "start": _start,
}


def _device(name: str) -> torch.device:
    try:
        return torch.zeros(
            1, device=("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
        ).device
    except (RuntimeError, AssertionError) as problem:
        raise DataError(f"the device {name!r} cannot be used here: choose cpu") from problem
