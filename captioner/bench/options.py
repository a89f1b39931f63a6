"""What a bench is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from captioner.errors import DataError

ENTRIES = {  # in the order of the report
    "speed": "a photo in, captions and maps out, beside a plain textbook loop of the PyTorch captioning tutorial",
    "limit": "each stage of the shipped model beside what the machine allows for work that cannot be avoided",
    "batch": "pixels in, captions with maps out: one photo at all widths, and photos by the batch",
    "overlays": "all overlays of a caption as pixels, beside pyramid_expand and a matplotlib panel for each word",
    "edits": "a forced word and a brushed gaze, as shares of a first caption",
    "peers": "ViT-GPT2 and BLIP beside the shipped model, where transformers is installed",
    "growth": "how the cost of a search grows with beam width, words and vocabulary",
    "collection": "many photos: the whole beside its stages, and time and memory of ever more of them",
    "precision": "photos described in fewer bits: do words, maps and log-probabilities stay, and what time it takes",
    "training": "a training step beside that of the tutorial, and the epoch that follows from it",
    "memory": "the conversion of a full-size checkpoint, in a process of its own",
    "start": "python app.py until the page answers and the model is there, and its memory, beside an empty page",
}


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
        photos: files that precisions are compared on; none: the shipped examples.
    """

    entries: tuple[str, ...] = tuple(ENTRIES)
    rounds: int = 7
    device: str = "auto"
    sizes: ModelSizes = ModelSizes()
    photos: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        wrong = set(self.entries) - set(ENTRIES)
        if wrong or not self.entries:
            raise DataError(f"expected entries out of {', '.join(ENTRIES)}, got {', '.join(self.entries) or 'none'}")
        if not 3 <= self.rounds <= 1000:
            raise DataError(f"expected 3 to 1000 rounds, got {self.rounds}")
