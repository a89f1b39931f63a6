"""Decoded pixels of any mode to upright RGB, band by band, so that no more than two copies of a photo ever exist."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from captioner.deep_grey import find_grey, scale_to_rgb

_BAND_PIXELS = 1 << 20


def convert_upright(image: Image.Image, orientation: int) -> Image.Image:
    """A new RGB image without metadata; transparent parts become white. `image` is closed.

    Args:
        orientation: of the EXIF standard, 1 to 8.
    """
    if grey := find_grey(image):
        photo = _convert_bands(image, scale_to_rgb(grey, (band for _, band in _bands(image))))
    elif image.has_transparency_data and not _is_opaque(image):
        photo = _convert_bands(image, on_white)
    else:
        photo = image.convert("RGB")
    image.close()  # its pixels are not needed any more, and turning takes room
    return turn(photo, orientation)


def turn(photo: Image.Image, orientation: int) -> Image.Image:
    """Make an RGB photo upright, in place, and drop its metadata."""
    if orientation > 1:
        photo.getexif()[ExifTags.Base.Orientation] = orientation
        ImageOps.exif_transpose(photo, in_place=True)
    photo.info = {}
    return photo


def on_white(band: Image.Image) -> Image.Image:
    """RGB, as it looks on white."""
    if not band.has_transparency_data:
        return band.convert("RGB")
    layer = band.convert("RGBA")
    white = Image.new("RGB", layer.size, "white")
    white.paste(layer, mask=layer.getchannel("A"))
    return white


def _is_opaque(image: Image.Image) -> bool:
    """Whether what looks like alpha is none: 0 everywhere, where a fourth channel need not be alpha."""
    unnamed = image.format == "BMP" or (isinstance(image, TiffImageFile) and 338 not in image.tag_v2)
    return unnamed and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)


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
