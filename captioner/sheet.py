"""The overlay sheet: the photo and one tile per word, like the figures of Xu et al. 2015, and the scale they share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from captioner.overlay import cell_projection, palette, render_overlays, smooth_projection

if TYPE_CHECKING:
    from captioner.caption import Caption

LEGEND = "attention per cell, 0 % to {top:.1f} %, one scale for all words"
TILE_SIDE = 240  # pixels, the longer side of a tile's photo
COLUMNS = 5
MARGIN = 24
GAP = 14
LABEL_HEIGHT = 34
TITLE_HEIGHT = 46
LEGEND_HEIGHT = 56
SATURATION = 0.4  # of the photo under a map, so that the map's colours stand out
BAR_SIZE = (256, 14)
SMALLEST_LETTERS = 11
PAPER, INK, QUIET = (255, 255, 255), (41, 37, 36), (120, 113, 108)


def overlay_sheet(photo: Image.Image, caption: Caption, *, smooth: bool = True) -> Image.Image:
    """Draw the sheet of one caption.

    Args:
        photo: the upright RGB photo that was captioned; it comes first, plain.
        caption: with T words and their H x W maps.
        smooth: the tutorial's smoothing; False draws the raw cells.

    Returns:
        RGB, COLUMNS tiles wide at most; all words on one scale, given in numbers below.
    """
    size = _tile_size(photo)
    grid = caption.attention.shape[1:]
    projection = (smooth_projection if smooth else cell_projection)((grid[0], grid[1]), size)
    top = projection.highest(caption.attention)
    tiles = [photo.resize(size, Image.Resampling.LANCZOS)]
    tiles += render_overlays(ImageEnhance.Color(tiles[0]).enhance(SATURATION), caption.attention, projection, top)
    shares = [f"{word}  {100 * share:.0f} %" for word, share in zip(caption.words, caption.probabilities, strict=True)]
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width = max(2 * MARGIN + columns * (size[0] + GAP) - GAP, 2 * MARGIN + 420)
    body = rows * (size[1] + LABEL_HEIGHT)
    sheet = Image.new("RGB", (width, 2 * MARGIN + TITLE_HEIGHT + body + LEGEND_HEIGHT), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (MARGIN, MARGIN), caption.text, 24, width - 2 * MARGIN)
    for index, (tile, label) in enumerate(zip(tiles, ["", *shares], strict=True)):
        left = MARGIN + (index % columns) * (size[0] + GAP)
        upper = MARGIN + TITLE_HEIGHT + (index // columns) * (size[1] + LABEL_HEIGHT)
        sheet.paste(tile, (left, upper))
        _write(draw, (left, upper + size[1] + 5), label, 17, size[0])
    _draw_legend(sheet, draw, MARGIN + TITLE_HEIGHT + body + MARGIN // 2, top)
    return sheet


def _tile_size(photo: Image.Image) -> tuple[int, int]:
    factor = TILE_SIDE / max(photo.size)
    return max(1, round(photo.width * factor)), max(1, round(photo.height * factor))


def _draw_legend(sheet: Image.Image, draw: ImageDraw.ImageDraw, upper: int, top: float) -> None:
    """The palette as a bar over white, and what its two ends stand for."""
    bar = Image.fromarray(np.ascontiguousarray(np.broadcast_to(palette(), (BAR_SIZE[1], 256, 4)))).resize(BAR_SIZE)
    sheet.paste(bar, (MARGIN, upper), bar)
    draw.rectangle((MARGIN, upper, MARGIN + BAR_SIZE[0], upper + BAR_SIZE[1]), outline=QUIET)
    words = LEGEND.format(top=100 * top)
    _write(draw, (MARGIN, upper + BAR_SIZE[1] + 5), words, 15, sheet.width - 2 * MARGIN, QUIET)


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    words: str,
    size: int,
    room: int,
    colour: tuple[int, int, int] = INK,
) -> None:
    """Write one line no longer than `room` pixels: in smaller letters, and shortened when that is not enough."""
    font = ImageFont.load_default(size)
    while size > SMALLEST_LETTERS and draw.textlength(words, font=font) > room:
        size -= 1
        font = ImageFont.load_default(size)
    while len(words) > 1 and draw.textlength(words, font=font) > room:
        words = words[:-2] + "…"
    draw.text(place, words, fill=colour, font=font)
