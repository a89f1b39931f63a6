"""How the cost of a search grows with beam width, words and vocabulary.

A random decoder of the shipped model's shape never ends a caption, so every search has exactly as many steps as it is
asked for. Searches of all sizes take turns. Beside the growing vocabulary the output layer's bare product is timed,
the same rows by the same matrix as often as the search needs it: what is left is the search's own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from captioner.bench.harness import timed
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, ModelCard
from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.encoder import Encoder, EncoderOptions, FeatureGrid
from captioner.errors import DataError
from captioner.photo import PhotoSettings
from captioner.search_options import MAX_WIDTH, SearchOptions
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary

BAR = 30  # characters of the longest bar


@dataclass(frozen=True)
class GrowthSizes:
    """What grows, while the rest stays as it is.

    Attributes:
        widths: of the beam, ascending.
        words: steps of a search, ascending.
        vocabularies: tokens, ascending.
        width, steps, vocabulary: what stays.
        grid: cells of a side.
        decoder: length of word vectors and LSTM state; the attention space is half of it.
    """

    widths: tuple[int, ...] = (1, 2, 5, 10, 20, 50, MAX_WIDTH)
    words: tuple[int, ...] = (5, 10, 20, 50)
    vocabularies: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000)
    width: int = 5
    steps: int = 20
    vocabulary: int = 3_000
    grid: int = 14
    decoder: int = 512


@dataclass(frozen=True)
class Curve:
    """Seconds at several sizes.

    Attributes:
        name: what grows.
        sizes: two or more, ascending.
        seconds: for each size those of every round, above 0.
    """

    name: str
    sizes: tuple[int, ...]
    seconds: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.sizes) < 2 or len(self.sizes) != len(self.seconds) or list(self.sizes) != sorted(set(self.sizes)):
            raise DataError(f"expected times for 2 ascending sizes or more, got {len(self.seconds)} for {self.sizes}")
        if min(map(len, self.seconds)) < 2 or min(map(min, self.seconds)) <= 0:
            raise DataError(f"expected 2 rounds or more with times above 0 s, got {self.seconds}")

    @property
    def medians(self) -> tuple[float, ...]:
        """Seconds of each size."""
        return tuple(statistics.median(rounds) for rounds in self.seconds)

    @property
    def exponent(self) -> float:
        """e where the cost grows as size ** e between the first and the last size: 0 is flat, 1 linear."""
        return _slope(self.sizes[0], self.sizes[-1], self.medians[0], self.medians[-1])

    @property
    def steepest(self) -> float:
        """The largest exponent between two neighbours."""
        middle = self.medians
        places = range(len(middle) - 1)
        return max(_slope(self.sizes[i], self.sizes[i + 1], middle[i], middle[i + 1]) for i in places)

    def record(self) -> dict[str, Any]:
        """As plain JSON values; times in seconds."""
        points = [
            {
                "size": size,
                "median": statistics.median(rounds),
                "quartiles": _quartiles(rounds),
                "seconds": list(rounds),
            }
            for size, rounds in zip(self.sizes, self.seconds, strict=True)
        ]
        return {"name": self.name, "exponent": self.exponent, "steepest": self.steepest, "points": points}

    def lines(self) -> list[str]:
        """To be read: a bar for each size, and the exponents."""
        head = f"{self.name}: cost ~ size^{self.exponent:.2f} end to end, ^{self.steepest:.2f} where steepest"
        longest = max(self.medians)
        points = []
        for size, rounds, middle in zip(self.sizes, self.seconds, self.medians, strict=True):
            low, high = (1e3 * value for value in _quartiles(rounds))
            bar = "#" * max(1, round(BAR * middle / longest))
            points.append(f"  {size:7,d}  {1e3 * middle:8.1f} ms ({low:.1f} to {high:.1f})  {bar}")
        return [head, *points]


@dataclass(frozen=True)
class Growth:
    """All curves."""

    curves: tuple[Curve, ...]
    same: bool = True

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [curve.record() for curve in self.curves]

    def lines(self) -> list[str]:
        """To be read."""
        return [line for curve in self.curves for line in curve.lines()]


def growth(task: Task, sizes: GrowthSizes = GrowthSizes()) -> Growth:
    """Time searches of all sizes, turn by turn."""
    device, rounds = task.device, task.options.rounds
    grid = _grid(sizes, device)
    usual = endless_captioner(sizes.vocabulary, sizes, device)
    task.tell("growth with beam width")
    width = _turns([_search(usual, grid, width, sizes.steps) for width in sizes.widths], rounds, device)
    task.tell("growth with words")
    words = _turns([_search(usual, grid, sizes.width, steps) for steps in sizes.words], rounds, device)
    task.tell("growth with vocabulary")
    captioners = [endless_captioner(count, sizes, device) for count in sizes.vocabularies]
    calls = [_search(captioner, grid, sizes.width, sizes.steps) for captioner in captioners]
    calls += [_product(captioner, sizes) for captioner in captioners]
    both = _turns(calls, rounds, device)
    searches, products = both[: len(captioners)], both[len(captioners) :]
    # The fastest round of the product is taken off: what is left is rather too much than too little.
    own = tuple(
        tuple(whole - min(product) for whole in rounds_of)
        for rounds_of, product in zip(searches, products, strict=True)
    )
    at_vocabulary = f"vocabulary of {sizes.vocabulary:,}"
    fixed = f"{sizes.width} hypotheses, {sizes.steps} words"
    return Growth(
        (
            Curve(f"search by beam width ({sizes.steps} words, {at_vocabulary})", sizes.widths, width),
            Curve(f"search by words (beam {sizes.width}, {at_vocabulary})", sizes.words, words),
            Curve(f"search by vocabulary ({fixed})", sizes.vocabularies, searches),
            Curve(f"the output layer's bare product by vocabulary ({fixed})", sizes.vocabularies, products),
            Curve(f"search without that product, by vocabulary ({fixed})", sizes.vocabularies, own),
        )
    )


def endless_captioner(words: int, sizes: GrowthSizes, device: torch.device) -> Captioner:
    """A random one that never says <end>; its encoder is not used.

    Args:
        words: tokens of its vocabulary.
        sizes: of its decoder.
        device: where it runs.
    """
    torch.manual_seed(1)
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    options = DecoderOptions(
        words,
        encoder.channels,
        embedding_dim=sizes.decoder,
        hidden_dim=sizes.decoder,
        attention_dim=max(1, sizes.decoder // 2),
        normalise_annotations=True,
        deep_output=True,
        tied_embeddings=True,
    )
    decoder = AttentionDecoder(options)
    vocabulary = Vocabulary(SPECIAL_TOKENS + tuple(f"word{number}" for number in range(words - len(SPECIAL_TOKENS))))
    with torch.no_grad():
        for parameter in decoder.parameters():
            if parameter.dim() == 2:
                parameter.normal_(0, 1.5 / math.sqrt(parameter.shape[-1]))
        decoder.output.bias[vocabulary.end] = -1e4
    card = ModelCard("random", "nothing: its weights are random")
    return Captioner(Checkpoint(encoder, decoder, vocabulary, PhotoSettings(), card), str(device))


def _grid(sizes: GrowthSizes, device: torch.device) -> FeatureGrid:
    side, generator = sizes.grid, torch.Generator().manual_seed(1)
    channels = Encoder(EncoderOptions("tf_efficientnet_lite0")).channels
    annotations = torch.randn(1, side * side, channels, generator=generator)
    return FeatureGrid(annotations.to(device), side, side, (side, side))


def _search(captioner: Captioner, grid: FeatureGrid, width: int, steps: int) -> Callable[[], object]:
    options = SearchOptions((width,), max_steps=steps)
    return lambda: captioner.search(grid, options)


def _product(captioner: Captioner, sizes: GrowthSizes) -> Callable[[], object]:
    """The output layer as often as a search asks it: one row at the first step, then one for each hypothesis."""
    decoder = captioner.decoder
    first = torch.randn(1, 1, sizes.decoder, device=captioner.device)
    rows = torch.randn(1, sizes.width, sizes.decoder, device=captioner.device)

    def product() -> None:
        with torch.inference_mode():
            decoder.output(first)
            for _ in range(sizes.steps - 1):
                decoder.output(rows)

    return product


def _turns(calls: list[Callable[[], object]], rounds: int, device: torch.device) -> tuple[tuple[float, ...], ...]:
    """Seconds of each call in every round, after one untimed."""
    for call in calls:
        call()
    taken = [[timed(call, device) for call in calls] for _ in range(rounds)]
    return tuple(zip(*taken, strict=True))


def _slope(size: float, larger: float, cost: float, more: float) -> float:
    return math.log(more / cost) / math.log(larger / size)


def _quartiles(rounds: tuple[float, ...]) -> list[float]:
    low, _, high = statistics.quantiles(rounds, n=4, method="inclusive")
    return [low, high]
