"""A Description and its photo as plain data: all the page needs, in one piece, so that nothing is asked for later.

Maps and matrices travel as 16-bit fractions; the browser multiplies them (`overlay.Projection`) and looks the
colours up. A map that several captions share, as captions with the same beginning do, is sent once.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from captioner.caption import Caption, effective_cells
from captioner.description import Description
from captioner.glimpses import Alternatives, Glimpses
from captioner.overlay import Floats, Projection, cell_projection, native_projection, palette, smooth_projection
from captioner.search_options import DEFAULT_PRESET, SearchOptions
from captioner.stretch import unstretch
from captioner.vocabulary import END
from demo.boxes import boxes_of
from demo.first_word import first_word
from demo.packing import LAYER_SIDE, pack_bytes, pack_fractions, pack_matrices, pack_photo, scaled
from demo.tree import build_trees
from demo.view_types import CaptionView, FaultView, GlimpseView, ProblemView, ResultView, WordView

DEFAULT_WIDTH = 5
EVERYWHERE = 9  # place of a map that favours no ninth of the photo


def build_problem(message: str) -> ProblemView:
    """The view of something that went wrong."""
    return {"kind": "problem", "message": message}


def build_fault(message: str) -> FaultView:
    """The view of something that may go well next time."""
    return {"kind": "problem", "message": message, "again": True}


def build_view(
    description: Description,
    photo: Image.Image,
    trained_on: str,
    *,
    preset: str = DEFAULT_PRESET,
    normalisation: float | None = None,
    recorded: bool = False,
    source: dict[str, str] | None = None,
    without_gpu: bool = False,
) -> ResultView:
    """Everything the page shows of one photo, at every beam width searched.

    Args:
        description: with 1 or more widths.
        photo: the upright RGB photo that was described.
        trained_on: the line that says what the model learnt from.
        preset: how was searched, by its name (`SearchOptions.preset`).
        normalisation: the power of the length by which its captions were ranked; None: the preset's.
        recorded: whether this was described earlier, and is shown until a visitor gives a photo.
        source: what asks the server about this photo again, an upload's "path"; None: the photo as shown.
        without_gpu: whether the GPU that this page is lent was not to be had.

    Raises:
        SearchError: there is no preset of that name.
    """
    power = SearchOptions.preset(preset).length_normalisation if normalisation is None else normalisation
    layer = scaled(photo.size, LAYER_SIDE)
    smooth, cells = smooth_projection(description.grid, layer), cell_projection(description.grid, layer)
    native = native_projection(description.grid, description.native, layer)
    maps = _MapStore()
    captions = [_caption_view(caption, maps, smooth, description.native) for caption in description.captions]
    glimpses = _glimpse_views(description.glimpses, maps)
    peak = maps.peak()
    return {
        "kind": "result",
        "photo": pack_photo(photo, layer),
        "grid": description.grid,
        "native": description.native,
        "maps": {"fractions": pack_fractions(maps.stacked() / peak), "peak": peak},
        "smooth": pack_matrices(smooth),
        "cells": pack_matrices(cells),
        "native_cells": pack_matrices(native) if description.native != description.grid else None,
        "palette": pack_bytes(palette()),
        "captions": captions,
        "glimpses": glimpses,
        "trees": build_trees(description.trees),
        "normalisation": power,
        "preset": preset,
        "ranking": {str(width): list(places) for width, places in description.ranking.items()},
        "width": min(description.ranking, key=lambda width: (abs(width - DEFAULT_WIDTH), width)),
        "model": description.model,
        "trained_on": trained_on,
        "guessing": description.guessing,
        "strangeness": description.strangeness,
        "recorded": recorded,
        "source": source,
        "without_gpu": without_gpu,
        "boxes": boxes_of(photo),
    }


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


def _caption_view(caption: Caption, maps: _MapStore, smooth: Projection, native: tuple[int, int]) -> CaptionView:
    cells = caption.effective_cells
    return {
        "text": caption.text,
        "log_prob": round(caption.log_prob, 4),
        "tokens": len(caption.words) + caption.finished,
        "finished": caption.finished,
        "words": [_word_view(caption, index, maps) for index in range(len(caption.words))],
        "smooth": smooth.highest(caption.attention),
        "cells": float(caption.attention.max(initial=0.0)),
        "native": float(unstretch(caption.attention, native).max(initial=0.0)),
        "first": first_word(caption.words, cells.tolist()),
    }


def _word_view(caption: Caption, index: int, maps: _MapStore) -> WordView:
    glimpse = _glimpse_view(
        caption.attention[index],
        float(caption.gate[index]),
        float(caption.effective_cells[index]),
        caption.alternatives[index],
        maps,
    )
    return {
        **glimpse,
        "word": caption.words[index],
        "probability": round(float(caption.probabilities[index]), 4),
        "log_prob": round(float(caption.log_probs[index]), 5),
    }


def _glimpse_views(glimpses: Glimpses[str], maps: _MapStore) -> list[GlimpseView]:
    if not len(glimpses):
        return []
    cells = effective_cells(glimpses.attention)
    parts = zip(glimpses.attention, glimpses.gate.tolist(), cells.tolist(), glimpses.alternatives, strict=True)
    return [_glimpse_view(*part, maps) for part in parts]


def _glimpse_view(
    attention: Floats, gate: float, cells: float, alternatives: Alternatives[str], maps: _MapStore
) -> GlimpseView:
    return {
        "gate": round(gate, 4),
        "cells": round(cells, 2),
        "place": _place(attention, cells),
        "map": maps.place(attention),
        "rivals": [
            {"word": "" if word == END else word, "probability": round(math.exp(log_prob), 4)}
            for word, log_prob in alternatives
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
