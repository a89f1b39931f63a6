"""The numbers behind one word, for the page's "From photo to word": what the encoder's stages give, and one step of
the decoder worked out. Only what a card shows is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.errors import SearchError
from captioner.photo import prepare_photo
from captioner.vocabulary import END
from demo import text
from demo.packing import pack_bytes

if TYPE_CHECKING:
    from captioner.activations import ChannelMaps
    from captioner.captioner import Captioner
    from captioner.inside import Inside, LstmNumbers

MAX_PREFIX = 100  # words
MAPS_SHOWN = 8  # channels of a stage
MAP_SIDE = 56  # places; larger maps are averaged down
DIMENSIONS_SHOWN = 6  # of a cell's score
CHANNELS_SHOWN = 4  # of the context
UNITS_SHOWN = 4  # of the LSTM
WORDS_SHOWN = 6
GATE_BARS = 10


class StageView(TypedDict):
    """One stage of the encoder: `place` of `places`, its real size, and its strongest channels as 8-bit maps one after
    the other, each scaled from its own `lows` to its own `highs`."""

    place: int
    places: int
    height: int
    width: int
    total: int
    shown: tuple[int, int]
    channels: list[int]
    strengths: list[float]
    lows: list[float]
    highs: list[float]
    maps: str


class StagesView(TypedDict):
    """The road from pixels to annotations; `middles` holds red, green and blue of the pixel in every cell's middle."""

    kind: Literal["stages"]
    size: int
    detail: int | None
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    grid: tuple[int, int]
    native: tuple[int, int]
    encoder: str
    middles: str
    stages: list[StageView]


def answer_stages(captioner: Captioner, photo: Image.Image, question: Mapping[str, Any]) -> Mapping[str, Any]:
    """{"kind": "stages", "photo": upload}: the strongest maps of the encoder's stages."""
    del question
    import torch  # the page must not wait for it

    from captioner.activations import see_stages

    settings = captioner.photo_settings
    pixels = prepare_photo(photo, settings)  # (3, S, S)
    grid, seen = see_stages(captioner.encoder, pixels.unsqueeze(0).to(captioner.device), MAPS_SHOWN, MAP_SIDE)
    places = len(captioner.encoder.stages)
    mean, deviation = torch.tensor(settings.mean), torch.tensor(settings.deviation)
    colours = (pixels.permute(1, 2, 0) * deviation + mean).mul(255).round().clamp(0, 255).numpy().astype(np.uint8)
    view: StagesView = {
        "kind": "stages",
        "size": settings.size,
        "detail": settings.detail,
        "mean": settings.mean,
        "deviation": settings.deviation,
        "grid": (grid.height, grid.width),
        "native": grid.native,
        "encoder": captioner.encoder.options.name,
        "middles": pack_bytes(cell_middles(colours, grid.height, grid.width)),
        "stages": [_stage_view(int(name.rpartition(".")[2]), places, maps) for name, maps in seen.items()],
    }
    return view


def cell_middles(pixels: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    """The pixel in the middle of every cell: (S, S, 3) to (rows * columns, 3), row after row."""
    height, width = pixels.shape[:2]
    down = (2 * np.arange(rows) + 1) * height // (2 * rows)
    right = (2 * np.arange(columns) + 1) * width // (2 * columns)
    middles: NDArray[np.uint8] = pixels[down[:, None], right[None, :]].reshape(-1, 3)
    return middles


def _stage_view(place: int, places: int, seen: ChannelMaps) -> StageView:
    maps = seen.maps.numpy()  # (K, h', w')
    lows, highs = maps.min(axis=(1, 2)), maps.max(axis=(1, 2))
    spread = np.where(highs > lows, highs - lows, 1.0)
    levels = np.rint((maps - lows[:, None, None]) / spread[:, None, None] * 255).astype(np.uint8)
    return {
        "place": place + 1,
        "places": places,
        "height": seen.height,
        "width": seen.width,
        "total": seen.total,
        "shown": (maps.shape[1], maps.shape[2]),
        "channels": list(seen.channels),
        "strengths": numbers(seen.strengths),
        "lows": numbers(lows),
        "highs": numbers(highs),
        "maps": pack_bytes(levels),
    }


def answer_inside(captioner: Captioner, photo: Image.Image, question: Mapping[str, Any]) -> dict[str, Any]:
    """{"kind": "inside", "photo": upload, "words": [...], "word": "dog"}: the step after those words, worked out.

    Every cell's numbers are sent, so that the page asks once per word; "word" is shown whether likely or not, the
    empty one being the caption's end.

    Raises:
        SearchError: the words are no list of words the model knows, or too many.
    """
    words, word = question.get("words"), question.get("word", "")
    if not isinstance(words, list) or len(words) > MAX_PREFIX or not all(isinstance(item, str) for item in words):
        raise SearchError(text.UNKNOWN_QUESTION)
    if not isinstance(word, str) or (word and word not in captioner.vocabulary):
        raise SearchError(text.UNKNOWN_QUESTION)
    token = captioner.vocabulary.encode([word or END])[0]
    inside = captioner.look_inside(captioner.encode([photo]), words)
    options = captioner.decoder.options
    return {
        "kind": "inside",
        "previous": words[-1] if words else "",
        "normalised": options.normalise_annotations,
        "deep": options.deep_output,
        "sizes": {
            "annotation": options.annotation_dim,
            "attention": options.attention_dim,
            "word": options.embedding_dim,
            "hidden": options.hidden_dim,
            "vocabulary": options.vocabulary_size,
        },
        "score": score_numbers(inside),
        "context": context_numbers(inside),
        "lstm": lstm_numbers(inside.lstm),
        "words": word_numbers(inside, captioner.vocabulary.tokens, token),
    }


def score_numbers(inside: Inside) -> dict[str, Any]:
    """Scores and shares of all cells, and for each the dimensions that move its score most.

    Row i of "dimensions" and "encoder" belongs to cell i; "decoder" and "weights" are the same for all cells, one
    for each of the A dimensions, as is "bias". "open" counts the dimensions a cell's ReLU lets through.
    """
    products = np.stack([inside.products(cell) for cell in range(len(inside.scores))])  # (L, A)
    chosen = np.argsort(-np.abs(products), axis=1, kind="stable")[:, :DIMENSIONS_SHOWN]
    return {
        "scores": numbers(inside.scores),
        "shares": numbers(inside.attention),
        "bias": number(inside.score_bias),
        "dimensions": chosen.tolist(),
        "encoder": [numbers(row) for row in np.take_along_axis(inside.encoder_part, chosen, axis=1)],
        "decoder": numbers(inside.decoder_part),
        "weights": numbers(inside.score_weight),
        "open": (inside.encoder_part + inside.decoder_part > 0).sum(axis=1).tolist(),
    }


def context_numbers(inside: Inside) -> dict[str, Any]:
    """The channels with the most to tell: what every cell says there, what is read in all, what the gate lets through.

    "annotations" has a row of L numbers for each channel shown; "gate_bars" counts all D channels by their gate.
    """
    chosen = np.argsort(-np.abs(inside.gated), kind="stable")[:CHANNELS_SHOWN]
    bars, _ = np.histogram(inside.gate, bins=GATE_BARS, range=(0.0, 1.0))
    return {
        "channels": chosen.tolist(),
        "annotations": [numbers(inside.annotations[:, channel]) for channel in chosen],
        "context": numbers(inside.context[chosen]),
        "gate": numbers(inside.gate[chosen]),
        "gated": numbers(inside.gated[chosen]),
        "gate_mean": number(inside.gate.mean()),
        "gate_bars": bars.tolist(),
    }


def lstm_numbers(lstm: LstmNumbers) -> dict[str, Any]:
    """The units whose cell changed most at this step, and how much of the memory was kept and written in all."""
    chosen = np.argsort(-np.abs(lstm.cell - lstm.cell_before), kind="stable")[:UNITS_SHOWN]
    shown = {name: numbers(array[chosen]) for name, array in vars(lstm).items()}
    return {
        **shown,
        "units": chosen.tolist(),
        "kept": number(lstm.forget.mean()),
        "written": number(lstm.let_in.mean()),
    }


def word_numbers(inside: Inside, tokens: Sequence[str], token: int) -> dict[str, Any]:
    """The likeliest words and the chosen one, best first: logits, what they are made of, and probabilities.

    "log_total" is the logarithm of the sum of exp(logit) over all V tokens: probability = exp(logit - log_total).
    """
    best = np.argsort(-inside.logits, kind="stable")[:WORDS_SHOWN].tolist()
    shown = best if token in best else [*best[:-1], token]
    return {
        "words": ["" if tokens[place] == END else tokens[place] for place in shown],
        "chosen": shown.index(token),
        "logits": numbers(inside.logits[shown]),
        "parts": {name: numbers(part[shown]) for name, part in inside.logit_parts.items()},
        "bias": numbers(inside.logit_bias[shown]),
        "probabilities": numbers(np.exp(inside.log_probs[shown])),
        "log_total": number(float(np.mean(inside.logits - inside.log_probs))),
    }


def numbers(values: Sequence[float] | NDArray[np.floating]) -> list[float]:
    """Numbers with five digits that count."""
    return [number(value) for value in np.asarray(values, dtype=np.float64)]


def number(value: float) -> float:
    """One of them."""
    return float(f"{value:.5g}")
