"""Photos, matrices and numbers as text that a browser can decode."""

from __future__ import annotations

import base64
import io
from typing import Any, TypedDict

import numpy as np
import orjson
from numpy.typing import NDArray
from PIL import Image

from captioner.overlay import Projection

PHOTO_SIDE = 1024  # pixels, the longer side of the photo as shown
PHOTO_BYTES = 500_000  # of the photo as sent; its quality is lowered until it fits
LAYER_SIDE = 640  # pixels, the longer side of a layer; smoothed maps have no detail that more would show


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


def write_json(value: object) -> bytes:
    """Plain data as JSON in UTF-8."""
    return orjson.dumps(value)


def read_json(value: bytes) -> Any:
    """What `write_json` wrote."""
    return orjson.loads(value)


def pack_fractions(values: NDArray[np.floating]) -> str:
    """Values from 0 to 1 as base64 of little-endian unsigned 16-bit numbers."""
    return pack_bytes(np.rint(np.clip(values, 0.0, 1.0) * 65535).astype("<u2"))


def pack_photo(photo: Image.Image, layer: tuple[int, int]) -> PhotoView:
    """The photo as a data: address rather than a file: a visitor's photo then lies in no shared folder."""
    size = scaled(photo.size, min(PHOTO_SIDE, max(photo.size)))
    shown = photo.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.5)
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


def scaled(size: tuple[int, int], longer: int) -> tuple[int, int]:
    """A size with the longer side of that many pixels, the other at least 1."""
    factor = longer / max(size)
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def pack_matrices(projection: Projection) -> MatrixView:
    """A projection for the browser to multiply with."""
    return {"rows": pack_fractions(projection.rows), "columns": pack_fractions(projection.columns)}


def pack_bytes(values: NDArray[np.generic]) -> str:
    """An array's bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
