"""Grey of more than 8 bits, with a sign, or as real numbers, to RGB."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

_SIGNED = 2  # of TIFF's sample formats


@dataclass(frozen=True)
class Grey:
    """What numbers mean.

    Attributes:
        full_scales: white, in the first of these that holds every number; black is 0. Where none does, or there are
            numbers below 0, the lowest number is black and the highest white.
        negative: white is black, and black white.
        kind: of the numbers, where Pillow has them as another.
        clear: the number that is transparent, and becomes white.
    """

    full_scales: tuple[int, ...]
    negative: bool = False
    kind: type[np.generic] | None = None
    clear: int | None = None


def find_grey(image: Image.Image) -> Grey | None:
    """What the numbers of a deep grey image mean; None for all others."""
    if image.mode == "L" and isinstance(image, TiffImageFile) and _sample_format(image) == _SIGNED:
        return Grey((127,), kind=np.int8)
    if image.mode == "F":
        return Grey((1, 255), _is_negative(image))
    if not image.mode.startswith("I"):
        return None
    if not isinstance(image, TiffImageFile):
        return Grey((65535,), clear=image.info.get("transparency"))
    bits = int(image.tag_v2[258][0])
    if image.mode != "I":
        return Grey(((1 << bits) - 1,), _is_negative(image))
    if _sample_format(image) == _SIGNED:
        return Grey((255, 32767) if bits == 16 else (255, 65535), _is_negative(image))
    return Grey((255, 65535), _is_negative(image), np.uint32)


def _sample_format(tiff: TiffImageFile) -> int:
    return int(tiff.tag_v2.get(339, (1,))[0])


def _is_negative(image: Image.Image) -> bool:
    """Whether 0 is white; Pillow has seen to it in all images that are not deep."""
    return isinstance(image, TiffImageFile) and image.tag_v2.get(262, 0) == 0


def scale_to_rgb(grey: Grey, bands: Iterable[Image.Image]) -> Callable[[Image.Image], Image.Image]:
    """What makes each band of an image RGB; infinite numbers become the lowest and highest, others that are none black.

    Args:
        bands: all of the image.
    """
    lowest, highest = np.inf, -np.inf
    for band in bands:
        values = _values(band, grey)  # (rows, columns)
        finite = np.isfinite(values)
        lowest = min(lowest, float(values.min(where=finite, initial=np.inf)))
        highest = max(highest, float(values.max(where=finite, initial=-np.inf)))
    if lowest > highest:  # nothing was finite
        lowest, highest = 0.0, 0.0
    fitting = ((0.0, float(full)) for full in grey.full_scales if lowest >= 0 and highest <= full)
    start, end = next(fitting, (lowest, highest))

    def scale(band: Image.Image) -> Image.Image:
        values = np.nan_to_num(_values(band, grey), nan=lowest, posinf=highest, neginf=lowest)
        shades = np.rint((values - start) * (255 / ((end - start) or 1))).astype(np.uint8)
        shades = 255 - shades if grey.negative else shades
        if grey.clear is not None:
            shades[values == grey.clear] = 255
        return Image.fromarray(shades).convert("RGB")

    return scale


def _values(band: Image.Image, grey: Grey) -> NDArray[np.float64]:
    numbers = np.asarray(band)
    return (numbers if grey.kind is None else numbers.view(grey.kind)).astype(np.float64)
