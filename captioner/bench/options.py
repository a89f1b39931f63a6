"""What a bench is asked."""

from __future__ import annotations

from dataclasses import dataclass

from captioner.errors import DataError

ENTRIES = ("speed", "limit", "memory", "training")  # in the order of the report


@dataclass(frozen=True)
class ModelSizes:
    """How large the random model is.

    Attributes:
        words: tokens of the vocabulary, the four special ones counted; 5 or more.
        decoder: length of word vectors, LSTM state and attention space.
        width: channels of the ResNet-101's first stage, 1 to 64; 64 is the published network.
        seed: of the weights.
    """

    words: int = 9490
    decoder: int = 512
    width: int = 64
    seed: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("words", 5, 10**6), ("decoder", 1, 4096), ("width", 1, 64)):
            if not low <= getattr(self, name) <= high:
                raise DataError(f"expected {name} of {low} to {high}, got {getattr(self, name)}")


@dataclass(frozen=True)
class BenchOptions:
    """A bench, complete.

    Attributes:
        entries: what is measured, out of `ENTRIES`.
        rounds: how often each side of a pair takes its turn, 3 or more, so that there is a spread to report.
        device: "auto", "cpu", "cuda", ...
        sizes: of the random model.
    """

    entries: tuple[str, ...] = ENTRIES
    rounds: int = 7
    device: str = "auto"
    sizes: ModelSizes = ModelSizes()

    def __post_init__(self) -> None:
        wrong = set(self.entries) - set(ENTRIES)
        if wrong or not self.entries:
            raise DataError(f"expected entries out of {', '.join(ENTRIES)}, got {', '.join(self.entries) or 'none'}")
        if not 3 <= self.rounds <= 1000:
            raise DataError(f"expected 3 to 1000 rounds, got {self.rounds}")
