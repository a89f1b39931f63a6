"""Pixels in, captions with all maps out: one photo at all widths, and photos by the batch, in each number format.

The encoder's share of what can be reached is its operations a second beside those of a large product of matrices in the
same number format.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from captioner.bench.harness import timed
from captioner.bench.roofline import WIDTHS, encoder_work, measure_rates
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint, load_checkpoint
from captioner.errors import DataError
from captioner.folded import PRECISIONS
from captioner.photo import prepare_photo
from captioner.search_options import SearchOptions

BATCH = {"cuda": 256, "cpu": 16}  # photos
WIDTH = 5


@dataclass(frozen=True)
class BatchSpeed:
    """One batch in one number format.

    Attributes:
        name: in the table.
        photos: in the batch.
        encoding, searching, whole: seconds of every round.
        flops: of encoding the batch.
        products: floating-point operations a second, in products of large matrices.
    """

    name: str
    photos: int
    encoding: tuple[float, ...]
    searching: tuple[float, ...]
    whole: tuple[float, ...]
    flops: float
    products: float

    def __post_init__(self) -> None:
        if not self.encoding or not len(self.encoding) == len(self.searching) == len(self.whole):
            raise DataError("expected as many rounds of encoding and searching as of the whole, 1 or more")
        if min(*self.encoding, *self.searching, *self.whole, self.products) <= 0:
            raise DataError("expected times and rates above 0")

    @property
    def rate(self) -> float:
        """Photos a second, in the median."""
        return self.photos / statistics.median(self.whole)

    @property
    def encoder_share(self) -> float:
        """Of the rate of products, what the encoder reaches, in the median."""
        return self.flops / statistics.median(self.encoding) / self.products

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        return {
            "name": self.name,
            "photos": self.photos,
            "rate": self.rate,
            "encoder_share": self.encoder_share,
            "encoding": list(self.encoding),
            "searching": list(self.searching),
            "whole": list(self.whole),
            "flops": self.flops,
            "products": self.products,
        }

    def line(self) -> str:
        """To be read."""
        whole, encoding, searching = (
            1e3 * statistics.median(part) for part in (self.whole, self.encoding, self.searching)
        )
        parts = f"encoder {encoding:.1f} ms, search {searching:.1f} ms"
        share = f"encoder at {100 * self.encoder_share:.0f} % of {self.products / 1e12:.2f} TFLOP/s"
        return f"{self.name:55s} {self.rate:8.1f} photos/s ({whole:.1f} ms: {parts}; {share})"


@dataclass(frozen=True)
class BatchSpeeds:
    """All of them."""

    speeds: tuple[BatchSpeed, ...]
    same: bool = True

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [speed.record() for speed in self.speeds]

    def lines(self) -> list[str]:
        """To be read."""
        return [speed.line() for speed in self.speeds]


def measure_batches(task: Task) -> BatchSpeeds:
    """The shipped model on one photo and on a batch, in every number format that the device computes faster in."""
    shipped = load_checkpoint(default_checkpoint())
    pixels = prepare_photo(task.photo, shipped.photo_settings)
    flops, _ = encoder_work(shipped.encoder, pixels.unsqueeze(0))
    kinds = tuple(PRECISIONS) if task.device.type == "cuda" else ("float32",)
    asked = ((1, WIDTHS), (BATCH.get(task.device.type, BATCH["cpu"]), (WIDTH,)))
    speeds = []
    for kind in kinds:
        captioner = Captioner(shipped, str(task.device), kind)
        for photos, widths in asked:
            name = f"{photos} at once, {named(widths)}, {kind}"
            task.tell(name)
            taken = _rounds(captioner, shifted(pixels, photos), SearchOptions(widths), task.options.rounds)
            products = max(measure_rates(task.device, PRECISIONS[kind])[0] for _ in range(task.options.rounds))
            speeds.append(BatchSpeed(name, photos, *taken, flops * photos, products))
    return BatchSpeeds(tuple(speeds))


def named(widths: tuple[int, ...]) -> str:
    """Beam widths, ascending, as a table calls them."""
    return f"width {widths[0]}" if len(widths) == 1 else f"widths {widths[0]} to {widths[-1]}"


def shifted(pixels: Tensor, count: int) -> Tensor:
    """(count, 3, S, S) of one photo (3, S, S), each a little further to the side: no two are alike."""
    side = pixels.shape[-1]
    return torch.stack([pixels.roll(number * side // count, dims=-1) for number in range(count)])


def _rounds(
    captioner: Captioner, pixels: Tensor, options: SearchOptions, rounds: int
) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Seconds of encoding, searching, and both, after three rounds untimed: the second is recorded on a GPU."""
    grid = captioner.encode_pixels(pixels)
    calls: tuple[Callable[[], object], ...] = (
        lambda: captioner.encode_pixels(pixels),
        lambda: captioner.search(grid, options),
        lambda: captioner.search(captioner.encode_pixels(pixels), options),
    )
    taken = [tuple(timed(call, captioner.device) for call in calls) for _ in range(rounds + 3)][3:]
    encoding, searching, whole = zip(*taken, strict=True)
    return encoding, searching, whole
