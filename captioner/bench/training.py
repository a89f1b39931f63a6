"""What is compared: a step of training on cached features, ours against the textbook's, on the same captions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from captioner.attention import compare
from captioner.bench.harness import Comparisons, Pair, compare_all
from captioner.bench.lesson import NEAR, PHOTOS, ROWS, Learnt, OurStep, TextbookStep, make_lesson
from captioner.bench.options import BenchOptions
from captioner.bench.task import Task
from captioner.training.comparison import make_comparison
from captioner.training.numerics import bfloat16_pays

EPOCH = 6000  # photos of Flickr8k's training split
NEAR_BFLOAT16 = 0.1


def training_pairs(options: BenchOptions, device: torch.device) -> Iterator[Pair[Learnt, Learnt]]:
    """Ours against the textbook, in every way this machine can run it; then against ours with a plain comparison."""
    lesson = make_lesson(options.sizes, device)
    said = f"training step, {PHOTOS} photos x {ROWS} captions"
    ways: list[tuple[str, bool, bool]] = [("", False, False)]
    fused = device.type != "cpu" or any(map(shutil.which, ("c++", "g++", "clang++")))
    if fused:
        ways.append((", compiled", True, False))
    if bfloat16_pays():
        ways.append((", bfloat16", False, True))
        if fused:
            ways.append((", compiled, bfloat16", True, True))
    for name, compiled, bfloat16 in ways:
        share = NEAR_BFLOAT16 if bfloat16 else NEAR
        ours = OurStep(lesson, make_comparison(compiled), bfloat16)
        yield Pair(said + name, ours, TextbookStep(lesson), partial(Learnt.near, share=share))
    plain = OurStep(lesson, compare)
    yield Pair("the same, against ours with all kept", OurStep(lesson, make_comparison(False)), plain, Learnt.near)


def kept_bytes(loss: Callable[[], Tensor]) -> int:
    """Bytes that the way forward keeps for the way back, weights counted in; what is kept twice counts once."""
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # lest memory that is given back is counted as if it were the same

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        alive.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss()
    return sum(kept.values())


@dataclass(frozen=True)
class Training:
    """What was found.

    Attributes:
        steps: ours against the textbook's; the last pair is ours against ours.
        kept: bytes kept from the way forward for the way back, by whose step it is.
    """

    steps: Comparisons
    kept: dict[str, int]

    @property
    def same(self) -> bool:
        """Whether both sides of every pair learnt the same."""
        return self.steps.same

    def epochs(self) -> list[dict[str, Any]]:
        """Seconds of an epoch of Flickr8k, derived: the median step, as often as it takes for all photos."""
        steps = EPOCH / PHOTOS
        return [
            {
                "name": record["name"],
                "ours": steps * record["ours_median"],
                "reference": steps * record["reference_median"],
            }
            for record in self.steps.record()
        ]

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        return {"steps": self.steps.record(), "epochs_derived": self.epochs(), "kept_bytes": dict(self.kept)}

    def lines(self) -> list[str]:
        """To be read."""
        lines = self.steps.lines()
        first = self.epochs()[0]
        took = f"{first['ours'] / 60:.1f} min, the textbook {first['reference'] / 60:.1f} min"
        lines.append(f"  an epoch of {EPOCH:,} photos x {ROWS} captions, derived from the first: {took}")
        kept = ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in self.kept.items())
        return [*lines, f"  kept for the way back: {kept}"]


def measure_training(task: Task) -> Training:
    """Time every pair, and count what is kept."""
    steps = compare_all(training_pairs(task.options, task.device), task.options.rounds, task.tell)
    lesson = make_lesson(task.options.sizes, task.device)
    losses = {
        "ours": OurStep(lesson, make_comparison(compiled=False)).loss,
        "ours with a plain comparison": OurStep(lesson, compare).loss,
        "the textbook": TextbookStep(lesson).loss,
    }
    return Training(steps, {name: kept_bytes(loss) for name, loss in losses.items()})
