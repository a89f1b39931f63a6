"""Decoded pixels of any mode to upright RGB, band by band, so that no more than two copies of a photo ever exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND_PIXELS = 1 << 20
# What makes a photo of EXIF orientation 2, 3, ... 8 upright.
_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")


def convert_upright(image: Image.Image, orientation: int) -> Image.Image:
    """A new RGB image without metadata; transparent parts become white. `image` is closed.

    Args:
        orientation: of the EXIF standard, 1 to 8.
    """
    if image.mode.startswith("I") or image.mode == "F":
        photo = _convert_bands(image, _deep_scaler(image))
    elif image.has_transparency_data:
        photo = _convert_bands(image, _on_white)
    else:
        photo = image.convert("RGB")
    image.close()  # its pixels are not needed any more, and turning takes room
    if orientation > 1:
        photo = photo.transpose(Image.Transpose[_TURNS[orientation - 2]])
    photo.info = {}
    return photo


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Rows of an image from top to bottom, and where they begin."""
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _convert_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    photo = Image.new("RGB", image.size)
    for top, band in _bands(image):
        photo.paste(convert(band), (0, top))
    return photo


def _on_white(band: Image.Image) -> Image.Image:
    layer = band.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def _deep_scaler(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Grey of more than 8 bits to RGB, from 0 to the first full scale that holds it, else from lowest to highest."""
    lowest, highest = np.inf, -np.inf
    for _, band in _bands(image):
        values = _deep_values(band)  # (rows, columns)
        finite = np.isfinite(values)
        lowest = min(lowest, float(values.min(where=finite, initial=np.inf)))
        highest = max(highest, float(values.max(where=finite, initial=-np.inf)))
    if lowest > highest:  # nothing was finite
        lowest, highest = 0.0, 0.0
    full_scales = {"F": (1, 255), "I": (255, 65535)}.get(image.mode, (65535,))
    start, end = next(((0.0, full) for full in full_scales if lowest >= 0 and highest <= full), (lowest, highest))

    def scale(band: Image.Image) -> Image.Image:
        values = np.nan_to_num(_deep_values(band), nan=lowest, posinf=highest, neginf=lowest)
        grey = np.rint((values - start) * (255 / ((end - start) or 1)))
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")

    return scale


def _deep_values(band: Image.Image) -> NDArray[np.float64]:
    return np.asarray(band).astype(np.float64)
