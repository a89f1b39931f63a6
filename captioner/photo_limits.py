"""How large a photo may be, and at which scale it is read, so that opening it takes less than `MOST_MEMORY` bytes.

What decoding takes is worked out from the header, before anything is decoded.
"""

from __future__ import annotations

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from captioner.errors import PhotoError
from captioner.photo_file import Header, PhotoFile

MOST_MEMORY = 400_000_000  # bytes
MEMORY = MOST_MEMORY * 9 // 10  # for what is only estimated below
MAX_PIXELS = 40_000_000  # of any kind that is read at full size; a screen of 8K has 33 million
# Sensors that are sold as 200 and 50 megapixels; phones write the larger ones as JPEG alone.
LARGEST = {"JPEG": 16_384 * 12_288, "HEIF": 8192 * 6144, "AVIF": 8192 * 6144}
# Pixels up to which these are read at full size. JPEGs are decoded faster at half of it, which is enough: the encoder
# sees a few hundred pixels a side.
FULL_SIZE = {"JPEG": 8_000_000, "HEIF": 25_000_000, "AVIF": 25_000_000}
SCALED = 16_000_000  # pixels that remain at most where a photo is read at a half, a quarter or an eighth
SCALES = {"JPEG": (1, 2, 4, 8), "HEIF": (1, 2), "AVIF": (1, 2)}
MAX_SIDE = 20_000
MIN_SIDE = 8


def choose_scale(header: Header, file: PhotoFile) -> int:
    """By how much a photo is reduced while it is decoded: 1, 2, 4 or 8.

    Raises:
        PhotoError: its header has more pixels than can be read, a side above `MAX_SIDE` or below `MIN_SIDE`.
    """
    width, height = header.image.size
    said = f"{file.name} is {width} x {height} pixels; at"
    scales = {scale: _most_pixels(header, file, scale) for scale in SCALES.get(header.image.format or "", (1,))}
    fitting = [scale for scale, most in scales.items() if width * height <= most]
    if not fitting:
        most = _megapixels(max(scales.values()))
        raise PhotoError(f"{said} most {most} megapixels are accepted: make it smaller and try again")
    if max(width, height) > MAX_SIDE:
        raise PhotoError(f"{said} most {MAX_SIDE} pixels a side are accepted: make it smaller and try again")
    if min(width, height) < MIN_SIDE:
        raise PhotoError(f"{said} least {MIN_SIDE} pixels a side are needed: use a larger one and try again")
    return fitting[0]


def _megapixels(pixels: int) -> int:
    """As sensors are sold: 201 are 200."""
    millions = pixels // 10**6
    return millions // 10 * 10 if millions >= 100 else millions


def _most_pixels(header: Header, file: PhotoFile, scale: int) -> int:
    kind = header.image.format or ""
    room = FULL_SIZE.get(kind, MAX_PIXELS) if scale == 1 else SCALED * scale**2
    return min(LARGEST.get(kind, MAX_PIXELS), room, _pixels_in_memory(header, file, scale))


def _pixels_in_memory(header: Header, file: PhotoFile, scale: int) -> int:
    image = header.image
    remaining = 8 / scale**2  # Pillow's pixels are 4 bytes, and there are two copies while modes are converted
    if isinstance(image, JpegImageFile):
        coefficients = 2 * samples_per_pixel(image) if header.bulky else 0  # of 16 bits, kept until the last scan
        return int(MEMORY / max(remaining, coefficients + remaining / 2))
    if isinstance(image, TiffImageFile):
        return int(MEMORY / max(remaining, 4 + _strip(image)))
    if image.format == "WEBP":  # the decoder keeps two frames and hands over a third
        return MEMORY // 16
    if image.format in ("HEIF", "AVIF"):  # measured as a whole, but for the file itself
        copies = 2 if image.format == "HEIF" else 1
        return int((MOST_MEMORY - copies * file.size) / max(remaining, _planes(image, header.bulky)))
    return int(MEMORY / remaining)


def samples_per_pixel(jpeg: JpegImageFile) -> float:
    """Numbers a pixel in a JPEG: 3 where all are stored, 1.5 where colours are stored at half the width and height."""
    across, down = (max(layer[axis] for layer in jpeg.layer) for axis in (1, 2))
    return sum(layer[1] * layer[2] for layer in jpeg.layer) / (across * down)


def _strip(tiff: TiffImageFile) -> float:
    """Bytes a pixel of a strip, which may be the whole photo and has the file's own bits."""
    bits = tiff.tag_v2.get(258, (1,))
    widest = int(max(bits)) if isinstance(bits, tuple) else int(bits)
    colours = 5 if tiff.tag_v2.get(262) == 6 else 0  # YCbCr are made colours before they become Pillow's pixels
    return colours + widest * int(tiff.tag_v2.get(277, 1)) / 8


def _planes(image: Image.Image, bulky: bool) -> float:
    """Bytes a pixel of decoded planes and of the bytes made of them, which AVIF's decoder has twice."""
    alpha = "A" in image.mode.upper()
    if image.format == "AVIF":
        return 14 if bulky else 11 if alpha else 7.92
    return 16 if bulky else 9.5 if alpha or image.info.get("chroma") not in (None, 420) else 7.9
