"""How near to what the machine can do: work counted from shapes, rates measured, and the share that each stage reaches.

The limit of a stage (Williams et al. 2009, "Roofline") is the longer of two times: its floating-point operations at
the machine's rate for matrix products, and the bytes it cannot avoid at the machine's rate for reading memory. Those
are the weights, once for the encoder and once for every step of the search, and what goes in and out.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from captioner.bench.harness import timed
from captioner.bench.options import BenchOptions
from captioner.captioner import Captioner
from captioner.decoder_options import DecoderOptions
from captioner.errors import DataError
from captioner.layout import Layout
from captioner.packed import onednn_product
from captioner.photo import prepare_photo
from captioner.search_options import SearchOptions

NUMBER = 4  # bytes of a float32
STORED = 2  # bytes of a decoder's weight, as checkpoints keep them
SQUARE = 2048  # side of the matrices multiplied: large enough for the full rate
READ = 64 * 2**20  # numbers read, 256 MB: more than caches hold
WIDTHS = tuple(range(1, 11))


@dataclass(frozen=True)
class Rates:
    """What the machine can do with float32, the best of all rounds.

    Attributes:
        products: floating-point operations a second, in a product of large matrices.
        reading: bytes a second, from memory.
    """

    products: float
    reading: float

    def __post_init__(self) -> None:
        if min(self.products, self.reading) <= 0:
            raise DataError(f"expected rates above 0, got {self.products} and {self.reading}")

    def limit(self, flops: float, size: float) -> float:
        """The seconds below which so many operations and bytes cannot be done."""
        return max(flops / self.products, size / self.reading)


@dataclass(frozen=True)
class Stage:
    """One part of a description.

    Attributes:
        name: in the table.
        seconds: of every round, above 0.
        flops: floating-point operations that it cannot avoid.
        size: bytes that it cannot avoid.
        limit: seconds, see `Rates.limit`.
    """

    name: str
    seconds: tuple[float, ...]
    flops: float
    size: float
    limit: float

    def __post_init__(self) -> None:
        if not self.seconds or min(*self.seconds, self.limit) <= 0:
            raise DataError(f"expected times above 0 s, got {self.seconds} and a limit of {self.limit}")

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    @property
    def times_limit(self) -> float:
        """How many times the limit it takes, in the median."""
        return self.median / self.limit

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        return {
            "name": self.name,
            "median": self.median,
            "seconds": list(self.seconds),
            "flops": self.flops,
            "bytes": self.size,
            "limit": self.limit,
            "times_limit": self.times_limit,
        }

    def line(self) -> str:
        """To be read."""
        work = f"{self.flops / 1e9:6.2f} GFLOP {self.size / 1e6:5.0f} MB"
        share = f"{1e3 * self.median:6.1f} ms, limit {1e3 * self.limit:5.1f} ms"
        return f"{self.name:55s} {self.times_limit:5.2f} x the limit ({share}; {work})"


@dataclass(frozen=True)
class Roofline:
    """The rates, and the stages; the last stage is all of them."""

    rates: Rates
    stages: tuple[Stage, ...]
    same: bool = True

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        rates = {"products": self.rates.products, "reading": self.rates.reading}
        return {"rates": rates, "stages": [stage.record() for stage in self.stages]}

    def lines(self) -> list[str]:
        """To be read."""
        rates = f"{self.rates.products / 1e9:.0f} GFLOP/s in products, {self.rates.reading / 1e9:.1f} GB/s from memory"
        return [f"the machine's limits: {rates}", *(stage.line() for stage in self.stages)]


def roofline(captioner: Captioner, encoder: nn.Module, photo: Image.Image, options: BenchOptions) -> Roofline:
    """Measure a photo in and all widths 1 to 10 with their maps out, stage after stage, round after round.

    Args:
        captioner: what is measured.
        encoder: its encoder as it was trained, whose operations are counted.
        photo: RGB.
        options: of the bench.
    """
    search = SearchOptions(widths=WIDTHS)
    pixels = prepare_photo(photo, captioner.photo_settings).unsqueeze(0).to(captioner.device)
    description = captioner.describe(photo, search)
    grid = captioner.encode([photo])
    steps = 1 + max(branch.step for tree in description.trees.values() for branch in tree)
    work = [
        encoder_work(encoder, pixels),
        decoder_work(captioner.decoder.options, grid.height * grid.width, len(description.glimpses), steps),
    ]
    stages: list[tuple[str, Callable[[], object]]] = [
        ("the encoder", lambda: captioner.encode_pixels(pixels)),
        (f"the search, {len(description.glimpses)} prefixes", lambda: captioner.search(grid, search)),
        ("a photo in, widths 1 to 10 with all maps out", lambda: captioner.describe(photo, search)),
    ]
    taken: list[list[float]] = [[] for _ in stages]
    rates: list[tuple[float, float]] = []
    for _ in range(options.rounds):
        rates.append(measure_rates(captioner.device))
        for seconds, (_, call) in zip(taken, stages, strict=True):
            seconds.append(timed(call, captioner.device))
    best = Rates(max(products for products, _ in rates), max(reading for _, reading in rates))
    limits = [best.limit(*part) for part in work]
    work.append((work[0][0] + work[1][0], work[0][1] + work[1][1]))
    limits.append(sum(limits))
    told = [
        Stage(name, tuple(seconds), *counted, limit)
        for (name, _), seconds, counted, limit in zip(stages, taken, work, limits, strict=True)
    ]
    return Roofline(best, tuple(told))


def encoder_work(encoder: nn.Module, pixels: torch.Tensor) -> tuple[int, int]:
    """Operations and bytes of one pass: its convolutions; its weights, the pixels and the annotations once each.

    Args:
        encoder: with its normalisations.
        pixels: (1, 3, S, S).
    """
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        grid = encoder(pixels)
    weights = sum(parameter.numel() for name, parameter in encoder.named_parameters() if name.endswith("weight"))
    return counter.get_total_flops(), NUMBER * (weights + pixels.numel() + grid.annotations.numel())


def decoder_work(options: DecoderOptions, cells: int, prefixes: int, steps: int) -> tuple[int, int]:
    """Operations and bytes of a search: the projection and the first state once, one decoder row for every distinct
    prefix, and every matrix read once a step.

    Args:
        options: sizes of the decoder.
        cells: L.
        prefixes: rows that all steps have together.
        steps: of the search.
    """
    d, e, h, a = options.annotation_dim, options.embedding_dim, options.hidden_dim, options.attention_dim
    matrices = h * a + h * d + (e + d + h) * 4 * h  # attention's query, gate, LSTM
    matrices += (h + d) * e + e * options.vocabulary_size if options.deep_output else h * options.vocabulary_size
    looking = 3 * cells * a + 2 * cells * d  # add, rectify and weigh every cell; the context
    first = 2 * cells * d * a + 2 * 2 * d * h
    grid = cells * (d + a)  # annotations and their projection
    flops = first + prefixes * (2 * matrices + looking)
    return flops, STORED * (d * a + 2 * d * h + steps * matrices) + NUMBER * steps * grid


def measure_rates(device: torch.device, kind: torch.dtype = torch.float32) -> tuple[float, float]:
    """One round: operations a second in a product of matrices of such numbers, bytes a second from memory.

    On a processor the faster of PyTorch's two libraries counts: on AMD's, MKL reaches half of what oneDNN does.
    """
    with torch.inference_mode():
        left, many = torch.randn(SQUARE, SQUARE, device=device).to(kind), torch.ones(READ, device=device)
    right = torch.randn(SQUARE, SQUARE, device=device).to(kind)
    with torch.inference_mode():
        products = [timed(lambda: left @ right, device)]
        laid_out = Layout().of((right,), left, lambda: onednn_product(right, None, SQUARE))
        if laid_out is not None:
            products.append(timed(lambda: laid_out(left), device))
        return 2 * SQUARE**3 / min(products), NUMBER * READ / timed(many.sum, device)
