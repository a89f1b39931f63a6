"""A Description and its photo as plain data: all the page needs, in one piece, so that nothing is asked for later.

Maps and matrices travel as 16-bit fractions; the browser multiplies them (`overlay.Projection`) and looks the
colours up. A map that several captions share, as captions with the same beginning do, is sent once.
"""

from __future__ import annotations

import base64
import io
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.caption import Caption, Description
from captioner.overlay import Floats, Projection, cell_projection, palette, smooth_projection
from captioner.vocabulary import END

PHOTO_SIDE = 1024  # pixels, the longer side of the photo as shown
PHOTO_BYTES = 500_000  # of the photo as sent; its quality is lowered until it fits
LAYER_SIDE = 640  # pixels, the longer side of a layer; smoothed maps have no detail that more would show
DEFAULT_WIDTH = 5
EVERYWHERE = 9  # place of a map that favours no ninth of the photo


class RivalView(TypedDict):
    """A word that was likely at some step; the empty word is the caption's end."""

    word: str
    probability: float


class WordView(TypedDict):
    """One word of a caption; `map` is its place among the maps, `place` 0 to 8 in reading order or EVERYWHERE."""

    word: str
    probability: float
    gate: float
    cells: float
    place: int
    map: int
    rivals: list[RivalView]


class CaptionView(TypedDict):
    """One caption; `smooth` and `cells` are the tops of its scale, `first` the word shown first."""

    text: str
    score: float
    finished: bool
    words: list[WordView]
    smooth: float
    cells: float
    first: int


class MatrixView(TypedDict):
    """A projection's two matrices as base64 of little-endian 16-bit fractions."""

    rows: str
    columns: str


class PhotoView(TypedDict):
    """The photo as a data: address, and the shape of the layers that lie on it."""

    address: str
    width: int
    height: int
    layer_width: int
    layer_height: int


class MapsView(TypedDict):
    """Every distinct map: fractions of `peak`, one after the other."""

    fractions: str
    peak: float


class ResultView(TypedDict):
    """Everything about one photo."""

    kind: Literal["result"]
    photo: PhotoView
    grid: tuple[int, int]
    native: tuple[int, int]
    maps: MapsView
    smooth: MatrixView
    cells: MatrixView
    palette: str
    captions: list[CaptionView]
    ranking: dict[str, list[int]]
    width: int
    model: str
    trained_on: str
    guessing: bool


class ProblemView(TypedDict):
    """One sentence that says what is wrong and what to do."""

    kind: Literal["problem"]
    message: str


View = ResultView | ProblemView


def build_problem(message: str) -> ProblemView:
    """The view of something that went wrong."""
    return {"kind": "problem", "message": message}


def build_view(description: Description, photo: Image.Image, trained_on: str) -> ResultView:
    """Everything the page shows of one photo, at every beam width searched.

    Args:
        description: with 1 or more widths.
        photo: the upright RGB photo that was described.
        trained_on: the line that says what the model learnt from.
    """
    layer = _scaled(photo.size, LAYER_SIDE)
    smooth, cells = smooth_projection(description.grid, layer), cell_projection(description.grid, layer)
    maps = _MapStore()
    captions = [_caption_view(caption, maps, smooth) for caption in description.captions]
    peak = maps.peak()
    return {
        "kind": "result",
        "photo": _photo_view(photo, layer),
        "grid": description.grid,
        "native": description.native,
        "maps": {"fractions": pack_fractions(maps.stacked() / peak), "peak": peak},
        "smooth": _matrix_view(smooth),
        "cells": _matrix_view(cells),
        "palette": _base64(palette()),
        "captions": captions,
        "ranking": {str(width): list(places) for width, places in description.ranking.items()},
        "width": min(description.ranking, key=lambda width: (abs(width - DEFAULT_WIDTH), width)),
        "model": description.model,
        "trained_on": trained_on,
        "guessing": description.guessing,
    }


def pack_fractions(values: NDArray[np.floating]) -> str:
    """Values from 0 to 1 as base64 of little-endian unsigned 16-bit numbers."""
    return _base64(np.rint(np.clip(values, 0.0, 1.0) * 65535).astype("<u2"))


class _MapStore:
    """Distinct maps in the order they were first seen."""

    def __init__(self) -> None:
        self._maps: list[Floats] = []
        self._places: dict[bytes, int] = {}

    def place(self, attention: Floats) -> int:
        key = attention.tobytes()
        if key not in self._places:
            self._places[key] = len(self._maps)
            self._maps.append(attention)
        return self._places[key]

    def stacked(self) -> Floats:
        return np.stack(self._maps) if self._maps else np.zeros((0, 1, 1), dtype=np.float32)

    def peak(self) -> float:
        return float(self.stacked().max(initial=0.0)) or 1.0


def _caption_view(caption: Caption, maps: _MapStore, smooth: Projection) -> CaptionView:
    cells = caption.effective_cells
    return {
        "text": caption.text,
        "score": round(caption.score, 4),
        "finished": caption.finished,
        "words": [_word_view(caption, index, maps) for index in range(len(caption.words))],
        "smooth": smooth.highest(caption.attention),
        "cells": float(caption.attention.max(initial=0.0)),
        "first": int(cells.argmin()) if len(cells) else 0,
    }


def _word_view(caption: Caption, index: int, maps: _MapStore) -> WordView:
    return {
        "word": caption.words[index],
        "probability": round(float(caption.probabilities[index]), 4),
        "gate": round(float(caption.gate[index]), 4),
        "cells": round(float(caption.effective_cells[index]), 2),
        "place": _place(caption.attention[index], float(caption.effective_cells[index])),
        "map": maps.place(caption.attention[index]),
        "rivals": [
            {"word": "" if word == END else word, "probability": round(float(np.exp(log_prob)), 4)}
            for word, log_prob in caption.alternatives[index]
        ],
    }


def _place(attention: Floats, effective_cells: float) -> int:
    """The ninth of the photo with the most attention, 0 to 8 in reading order, or EVERYWHERE."""
    if effective_cells > 0.8 * attention.size:
        return EVERYWHERE
    thirds = [np.arange(side) * 3 // side for side in attention.shape]
    ninths = np.zeros(9)
    np.add.at(ninths, thirds[0][:, None] * 3 + thirds[1][None, :], attention)
    return int(ninths.argmax())


def _photo_view(photo: Image.Image, layer: tuple[int, int]) -> PhotoView:
    """The photo as a data: address rather than a file: a visitor's photo then lies in no shared folder."""
    size = _scaled(photo.size, min(PHOTO_SIDE, max(photo.size)))
    shown = photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    for quality in (88, 75, 60, 40):
        buffer = io.BytesIO()
        shown.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= PHOTO_BYTES:
            break
    return {
        "address": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"),
        "width": photo.width,
        "height": photo.height,
        "layer_width": layer[0],
        "layer_height": layer[1],
    }


def _scaled(size: tuple[int, int], longer: int) -> tuple[int, int]:
    factor = longer / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _matrix_view(projection: Projection) -> MatrixView:
    return {"rows": pack_fractions(projection.rows), "columns": pack_fractions(projection.columns)}


def _base64(values: NDArray[np.generic]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
