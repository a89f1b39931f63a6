"""What a model said of the example photos while it learnt, for the page ("Watch it learn")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from captioner.errors import PhotoError
from captioner.learning import Learning, Telling
from captioner.overlay import Floats, Projection, cell_projection, palette, smooth_projection
from captioner.photo import open_photo
from demo import text
from demo.examples import EXAMPLES_FOLDER
from demo.first_word import first_word
from demo.packing import LAYER_SIDE, pack_bytes, pack_fractions, pack_matrices, pack_photo, scaled

RECORD_FILE = Path(__file__).resolve().parent.parent / "assets" / "learning.json"


def learning_view(file: Path = RECORD_FILE, folder: Path = EXAMPLES_FOLDER) -> dict[str, Any]:
    """The record and its photos, which lie in `folder`; no model is needed.

    Returns:
        "moments", each with a telling of every photo, which has "smooth" and "cells" as the tops of its scale;
        "photos", each with what `readMaps` in maps.js needs.

    Raises:
        PhotoError: there is no record.
        RecordError: it cannot be read.
    """
    if not file.is_file():
        raise PhotoError(text.NO_LEARNING)
    learning = Learning.load(file)
    photos = [open_photo(folder / name) for name in learning.photos]
    layers = [scaled(photo.size, LAYER_SIDE) for photo in photos]
    smooth = [smooth_projection(learning.grid, layer) for layer in layers]
    starts = [_starts(learning, place) for place in range(len(photos))]
    moments = [
        {
            "step": moment.step,
            "nats": moment.nats,
            "model": moment.model,
            "tellings": [
                _telling_view(telling, starts[place][number], smooth[place])
                for place, telling in enumerate(moment.tellings)
            ],
        }
        for number, moment in enumerate(learning.moments)
    ]
    return {
        "kind": "learning",
        "cells": learning.grid[0] * learning.grid[1],
        "photos_per_step": learning.photos_per_step,
        "trained_on": learning.trained_on,
        "photos": [_photo_view(learning, place, photo, smooth[place]) for place, photo in enumerate(photos)],
        "moments": moments,
    }


def _maps(learning: Learning, place: int) -> Floats:
    """(N, H, W) all maps of one photo, moment after moment."""
    maps: Floats = np.concatenate([moment.tellings[place].attention for moment in learning.moments])
    return maps


def _starts(learning: Learning, place: int) -> list[int]:
    """Where each moment's maps begin in `_maps`."""
    counts = [len(moment.tellings[place].words) for moment in learning.moments]
    return [sum(counts[:number]) for number in range(len(counts))]


def _photo_view(learning: Learning, place: int, photo: Image.Image, smooth: Projection) -> dict[str, Any]:
    layer = scaled(photo.size, LAYER_SIDE)
    maps = _maps(learning, place)
    peak = float(maps.max(initial=0.0)) or 1.0
    return {
        "key": f"example_{Path(learning.photos[place]).stem}",
        "photo": pack_photo(photo, layer),
        "grid": learning.grid,
        "native": learning.grid,
        "native_cells": None,
        "maps": {"fractions": pack_fractions(maps / peak), "peak": peak},
        "smooth": pack_matrices(smooth),
        "cells": pack_matrices(cell_projection(learning.grid, layer)),
        "palette": pack_bytes(palette()),
    }


def _telling_view(telling: Telling, start: int, smooth: Projection) -> dict[str, Any]:
    cells, maps = telling.cells.tolist(), telling.attention
    words = [
        {
            "word": word,
            "probability": round(float(np.exp(telling.log_probs[index])), 4),
            "cells": round(cells[index], 2),
            "map": start + index,
        }
        for index, word in enumerate(telling.words)
    ]
    return {
        "words": words,
        "finished": telling.finished,
        "first": first_word(telling.words, cells),
        "smooth": smooth.highest(maps),
        "cells": float(maps.max(initial=0.0)),
    }
