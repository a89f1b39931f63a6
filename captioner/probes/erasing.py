"""Erase and tell again: a part of the photo painted over, and what becomes of each word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from skimage.restoration import inpaint_biharmonic

from captioner.caption import Caption
from captioner.errors import PhotoError

Fill = Literal["inpaint", "flat"]
Point = tuple[float, float]

SIDE = 96  # pixels of the longer side at which the hole is filled; it has no detail anyway
MOST = 0.9  # share of the photo that may be erased
LEAST_POINTS = 3
MOST_POINTS = 2000


@dataclass(frozen=True)
class Outlook:
    """What the maps of one caption promise about erasing a part of the photo.

    Attributes:
        words: of the caption.
        inside: per word, the share of its attention that lay on what was erased.
        lost: per word, whether the new caption does without it.
    """

    words: tuple[str, ...]
    inside: tuple[float, ...]
    lost: tuple[bool, ...]


def outline_mask(outline: Sequence[Point], width: int, height: int) -> Image.Image:
    """The inside of an outline, white on black (mode L).

    Args:
        outline: three points or more, shares of the photo's width and height, 0 to 1.

    Raises:
        PhotoError: it is no outline, holds nothing, or nearly the whole photo.
    """
    if not LEAST_POINTS <= len(outline) <= MOST_POINTS:
        raise PhotoError(f"expected an outline of {LEAST_POINTS} to {MOST_POINTS} points, got {len(outline)}: draw it")
    if not all(len(point) == 2 and all(0 <= share <= 1 for share in point) for point in outline):
        raise PhotoError("expected points inside the photo: draw the outline again")
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).polygon([(x * width, y * height) for x, y in outline], fill=255)
    share = float((np.asarray(mask) > 0).mean())
    if share == 0:
        raise PhotoError("there is nothing inside the outline: draw it around something")
    if share > MOST:
        raise PhotoError("that is nearly the whole photo: leave some of it, or there is nothing to tell")
    return mask


def erase(photo: Image.Image, outline: Sequence[Point], fill: Fill = "inpaint") -> Image.Image:
    """Paint over the inside of an outline.

    Args:
        photo: RGB.
        outline: see `outline_mask`.
        fill: "inpaint" continues what is around it smoothly (biharmonic, from scikit-image); "flat" takes the mean
            colour of what is left.

    Raises:
        PhotoError: see `outline_mask`, or an unknown fill.
    """
    mask = outline_mask(outline, *photo.size)
    if fill == "flat":
        left = np.asarray(photo)[np.asarray(mask) == 0]  # (N, 3)
        patch = Image.new("RGB", photo.size, tuple(int(value) for value in left.mean(axis=0).round()))
    elif fill == "inpaint":
        patch = _inpainted(photo, mask)
    else:
        raise PhotoError(f"expected a fill of inpaint or flat, got {fill!r}")
    soft = mask.filter(ImageFilter.GaussianBlur(max(1, max(photo.size) / 400)))
    return Image.composite(patch, photo, Image.fromarray(np.maximum(np.asarray(soft), np.asarray(mask))))


def outlook(before: Caption, after: Caption, outline: Sequence[Point]) -> Outlook:
    """Compare what a caption's maps promised with the words that went.

    Args:
        before: caption of the whole photo.
        after: caption of the photo with the inside of the outline erased.
        outline: see `outline_mask`.
    """
    _, rows, columns = before.attention.shape
    fine = 8  # pixels of a cell's side
    mask = np.asarray(outline_mask(outline, columns * fine, rows * fine), dtype=np.float64) / 255
    shares = mask.reshape(rows, fine, columns, fine).mean(axis=(1, 3))  # (H, W)
    inside = (before.attention * shares).sum(axis=(1, 2))
    kept = _kept(before.words, after.words)
    return Outlook(before.words, tuple(float(share) for share in inside), tuple(not one for one in kept))


def _inpainted(photo: Image.Image, mask: Image.Image) -> Image.Image:
    scale = min(1.0, SIDE / max(photo.size))
    size = (max(8, round(photo.width * scale)), max(8, round(photo.height * scale)))
    small = np.asarray(photo.resize(size, Image.Resampling.LANCZOS), dtype=np.float64) / 255
    hole = np.asarray(mask.resize(size, Image.Resampling.BOX)) > 0  # every pixel that the hole touches
    filled: NDArray[np.float64] = inpaint_biharmonic(small, hole, channel_axis=-1)
    values = np.rint(np.clip(filled, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(values).resize(photo.size, Image.Resampling.BICUBIC)


def _kept(words: Sequence[str], others: Sequence[str]) -> list[bool]:
    """For each word, whether it has a counterpart in the longest common subsequence with the others."""
    lengths = np.zeros((len(words) + 1, len(others) + 1), dtype=int)
    for i in reversed(range(len(words))):
        for j in reversed(range(len(others))):
            lengths[i, j] = (
                lengths[i + 1, j + 1] + 1 if words[i] == others[j] else max(lengths[i + 1, j], lengths[i, j + 1])
            )
    kept, i, j = [False] * len(words), 0, 0
    while i < len(words) and j < len(others):
        if words[i] == others[j]:
            kept[i] = True
            i, j = i + 1, j + 1
        elif lengths[i + 1, j] >= lengths[i, j + 1]:
            i += 1
        else:
            j += 1
    return kept
