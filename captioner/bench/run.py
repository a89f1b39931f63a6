"""The whole bench: every entry asked for, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image

from captioner.bench.entries import speed_pairs
from captioner.bench.harness import Comparison, compare
from captioner.bench.memory import MemoryUse, conversion_memory
from captioner.bench.options import BenchOptions
from captioner.bench.report import Report, describe_machine
from captioner.errors import DataError


def bench(options: BenchOptions, photo: Image.Image, tell: Callable[[str], None]) -> Report:
    """Measure.

    Args:
        photo: RGB, what is described.
        tell: gets the name of what is measured next.

    Raises:
        DataError: the device is not to be had, or memory cannot be measured here.
    """
    device = _device(options.device)
    comparisons: list[Comparison] = []
    memory: tuple[MemoryUse, ...] = ()
    if "speed" in options.entries:
        for pair in speed_pairs(options, photo):
            tell(pair.name)
            comparisons.append(compare(pair, options.rounds))
    if "memory" in options.entries:
        tell("conversion memory")
        memory = conversion_memory(options.sizes)
    return Report(describe_machine(device), tuple(comparisons), memory)


def _device(name: str) -> torch.device:
    try:
        return torch.zeros(
            1, device=("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
        ).device
    except (RuntimeError, AssertionError) as problem:
        raise DataError(f"the device {name!r} cannot be used here: choose cpu") from problem
