"""What is compared: a photo in, captions with their maps out, ours against the textbook's loop."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from captioner.bench.harness import Pair
from captioner.bench.models import END, START, Models, make_models, word_map
from captioner.bench.options import BenchOptions
from captioner.bench.textbook import MAX_STEPS, Told, tutorial_captions
from captioner.description import Description
from captioner.search_options import SearchOptions

SHORT = 12  # words, about what captions of photos have
WIDTHS = (5, 20)

SpeedPair = Pair[Description, list[Told]]


def speed_pairs(options: BenchOptions, photo: Image.Image) -> Iterator[SpeedPair]:
    """Captions of a usual length, and captions that never end; at each beam width, then all widths at once.

    Args:
        photo: RGB, what both describe.
    """
    for words, length in ((SHORT, f"about {SHORT} words"), (None, f"{MAX_STEPS} steps")):
        models = make_models(options.sizes, words, options.device)
        for width in WIDTHS:
            yield _same_search(models, photo, width, f"beam {width}, {length}")
        if words is not None:
            yield _all_widths(models, photo, f"widths 1 to 10 at once, against beam 5, {length}")


def _same_search(models: Models, photo: Image.Image, width: int, name: str) -> SpeedPair:
    search = SearchOptions.preset("tutorial", (width,))
    names = {number: word for word, number in _numbers(models).items()}

    def same(ours: Description, theirs: list[Told]) -> bool:
        told = [([names[word] for word in one.words], one.finished) for one in theirs]
        return [(list(caption.words), caption.finished) for caption in ours.at_width(width)] == told

    return Pair(name, lambda: models.captioner.describe(photo, search), lambda: _textbook(models, photo, width), same)


def _all_widths(models: Models, photo: Image.Image, name: str) -> SpeedPair:
    """Our default search bans some words, so what both say may differ."""
    search = SearchOptions(widths=tuple(range(1, 11)))
    return Pair(name, lambda: models.captioner.describe(photo, search), lambda: _textbook(models, photo, 5))


def _textbook(models: Models, photo: Image.Image, width: int) -> list[Told]:
    numbers = _numbers(models)
    return tutorial_captions(models.encoder, models.decoder, photo, width, numbers[START], numbers[END])


def _numbers(models: Models) -> dict[str, int]:
    return word_map(models.decoder.vocab_size)
