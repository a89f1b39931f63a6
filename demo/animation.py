"""A caption word by word as moving pictures: the photo with each word's map, the caption below, that word marked."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from captioner.caption import Caption
from captioner.overlay import cell_projection, render_overlays, smooth_projection
from captioner.sheet import INK, PAPER, QUIET, SATURATION
from demo.packing import scaled

Format = Literal["gif", "webp"]

SIDE = 560  # pixels, the longer side of the photo; fewer for a long caption
SHORT = 20  # words; a longer caption is drawn smaller, so that the file stays small
SMALL_SIDE = 320
WORD_TIME = 1100  # milliseconds a word stays
LAST_TIME = 2400  # the last one
LETTERS = 24  # their height in pixels where the photo is SIDE long
MARK = (15, 118, 110)  # behind the word being said
LONGEST_WORD = 40  # letters drawn of one


def animate(photo: Image.Image, caption: Caption, format: Format, *, smooth: bool = True) -> bytes:  # noqa: A002
    """The file: one frame per word, all on the caption's one scale.

    Args:
        photo: the upright RGB photo that was captioned.
        caption: with 1 or more words.
        format: "gif" or "webp".
        smooth: False draws the raw cells.
    """
    frames = draw_frames(photo, caption, smooth=smooth)
    times = [WORD_TIME] * (len(frames) - 1) + [LAST_TIME]
    buffer = io.BytesIO()
    if format == "gif":
        first, *rest = [_few_colours(frame) for frame in frames]
        first.save(buffer, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
    else:
        first, *rest = frames
        first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=times, loop=0, quality=82, method=3)
    return buffer.getvalue()


def _few_colours(frame: Image.Image) -> Image.Image:
    """A frame with its own 255 colours, dithered: the map is a small part of a picture but wants many of them."""
    colours = frame.quantize(255, Image.Quantize.MAXCOVERAGE)
    return frame.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)


def draw_frames(photo: Image.Image, caption: Caption, *, smooth: bool = True) -> list[Image.Image]:
    """One RGB picture per word, all of one size."""
    size = scaled(photo.size, SIDE if len(caption.words) <= SHORT else SMALL_SIDE)
    grid = (caption.attention.shape[1], caption.attention.shape[2])
    projection = (smooth_projection if smooth else cell_projection)(grid, size)
    top = projection.highest(caption.attention)
    ground = ImageEnhance.Color(photo.resize(size, Image.Resampling.LANCZOS)).enhance(SATURATION)
    pictures = render_overlays(ground, caption.attention, projection, top)
    width = max(size[0], SMALL_SIDE)
    font = ImageFont.load_default(max(16, LETTERS * max(size) // SIDE))
    boxes, height = _lay_out(caption.words, font, width)
    return [_frame(picture, caption.words, boxes, index, font, height) for index, picture in enumerate(pictures)]


Box = tuple[int, int, int, int]  # left, upper, right, lower
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _lay_out(words: tuple[str, ...], font: Font, width: int) -> tuple[list[Box], int]:
    """A box for each word in lines no wider than `width`, and the height of them all."""
    _, _, _, lower = font.getbbox("Ag")
    line, gap = int(lower * 1.5), max(4, int(lower * 0.3))
    left, upper, boxes = gap, gap, []
    for word in words:
        long = min(int(font.getlength(word[:LONGEST_WORD])) + 2 * gap, width - 2 * gap)
        if left + long > width - gap and left > gap:
            left, upper = gap, upper + line + gap // 2
        boxes.append((left, upper, left + long, upper + line))
        left += long
    return boxes, upper + line + gap


def _frame(
    picture: Image.Image, words: tuple[str, ...], boxes: list[Box], said: int, font: Font, height: int
) -> Image.Image:
    width = max(picture.width, SMALL_SIDE)
    frame = Image.new("RGB", (width, picture.height + height), PAPER)
    frame.paste(picture, ((width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(frame)
    for index, (word, (left, upper, right, lower)) in enumerate(zip(words, boxes, strict=True)):
        box = (left, upper + picture.height, right, lower + picture.height)
        if index == said:
            draw.rounded_rectangle(box, radius=(lower - upper) // 3, fill=MARK)
        colour = PAPER if index == said else INK if index < said else QUIET
        middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
        draw.text(middle, word[:LONGEST_WORD], fill=colour, font=font, anchor="mm")
    return frame
