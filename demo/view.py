"""A Description and its photo as plain data: all the page needs, in one piece, so that nothing is asked for later.

Maps and matrices travel as 16-bit fractions; the browser multiplies them (`overlay.Projection`) and looks the
colours up. A map that several captions share, as captions with the same beginning do, is sent once.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from captioner.caption import Caption
from captioner.description import Description
from captioner.overlay import cell_projection, native_projection, palette, smooth_projection
from captioner.search_options import DEFAULT_PRESET, SearchOptions
from demo.boxes import Boxes, boxes_of
from demo.first_word import first_word
from demo.glimpse_view import MapStore, Tops, glimpse_views
from demo.packing import LAYER_SIDE, PhotoView, pack_bytes, pack_fractions, pack_matrices, pack_photo, scaled
from demo.tree import build_trees
from demo.view_types import CaptionView, FaultView, GoneView, MapsView, ProblemView, ResultView, WordView

DEFAULT_WIDTH = 5


def build_problem(message: str) -> ProblemView:
    """The view of something that went wrong."""
    return {"kind": "problem", "message": message}


def build_gone(message: str) -> GoneView:
    """The view of a photo that the server has lost."""
    return {"kind": "problem", "message": message, "gone": True}


def build_fault(message: str) -> FaultView:
    """The view of something that may go well next time."""
    return {"kind": "problem", "message": message, "again": True}


@dataclass(frozen=True)
class ShownPhoto:
    """What the page is sent of a photo.

    Attributes:
        layer: (width, height) of the layers that lie on it.
        packed: the photo itself, as a JPEG.
        boxes: drawn on it, where it is an example.
    """

    layer: tuple[int, int]
    packed: PhotoView
    boxes: Boxes


def show_photo(photo: Image.Image) -> ShownPhoto:
    """What is sent of an upright RGB photo."""
    layer = scaled(photo.size, LAYER_SIDE)
    return ShownPhoto(layer, pack_photo(photo, layer), boxes_of(photo))


def build_view(
    description: Description,
    photo: Image.Image | ShownPhoto,
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
        photo: the upright RGB photo that was described, or what is shown of it.
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
    shown = photo if isinstance(photo, ShownPhoto) else show_photo(photo)
    smooth, cells = smooth_projection(description.grid, shown.layer), cell_projection(description.grid, shown.layer)
    native = native_projection(description.grid, description.native, shown.layer)
    maps = MapStore()
    captions = [_caption_words(caption, maps) for caption in description.captions]
    tops = maps.tops(smooth, description.native)
    glimpses = glimpse_views(description.glimpses, maps)
    return {
        "kind": "result",
        "photo": shown.packed,
        "grid": list(description.grid),
        "native": list(description.native),
        "maps": _maps_view(maps),
        "smooth": pack_matrices(smooth),
        "cells": pack_matrices(cells),
        "native_cells": pack_matrices(native) if description.native != description.grid else None,
        "palette": pack_bytes(palette()),
        "captions": [_caption_view(*part, tops) for part in zip(description.captions, captions, strict=True)],
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
        "preview": False,
        "boxes": shown.boxes,
    }


def _maps_view(maps: MapStore) -> MapsView:
    peak = maps.peak()
    return {"fractions": pack_fractions(maps.stacked() / peak), "peak": peak}


def _caption_words(caption: Caption, maps: MapStore) -> list[WordView]:
    said = zip(caption.words, caption.probabilities.tolist(), caption.log_probs.tolist(), strict=True)
    return [
        {**glimpse, "word": word, "probability": round(probability, 4), "log_prob": round(log_prob, 5)}
        for glimpse, (word, probability, log_prob) in zip(glimpse_views(caption, maps), said, strict=True)
    ]


def _caption_view(caption: Caption, words: list[WordView], tops: Tops) -> CaptionView:
    places = [word["map"] for word in words]
    return {
        "text": caption.text,
        "log_prob": round(caption.log_prob, 4),
        "tokens": len(caption.words) + caption.finished,
        "finished": caption.finished,
        "words": words,
        "smooth": float(tops.smooth[places].max(initial=0.0)),
        "cells": float(tops.cells[places].max(initial=0.0)),
        "native": float(tops.native[places].max(initial=0.0)),
        "first": first_word(caption.words, caption.effective_cells.tolist()),
    }
