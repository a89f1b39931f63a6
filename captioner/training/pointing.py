"""How much of a map lies inside boxes, and whether it points into one; and the maps to compare with.

Mass is what Liu et al. 2017 ("Attention Correctness in Neural Image Captioning", section 4) measure: the attention that
falls into the region a word names. Pointing is the pointing game of Zhang et al. 2018 ("Top-down Neural Attention by
Excitation Backprop"): the highest place of the map lies in a box, or does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from captioner.training.cover import cover
from captioner.training.views import Box

Floats = NDArray[np.float64]

# Of the centre-weighted baseline, as a share of each side: the standard deviation, about the photo's centre, of the
# places inside the boxes of Flickr8k's training phrases, scenes left out (0.228 across, 0.227 down).
SIGMA = 0.23
_TIE = 1e-6  # relative: what rounding may put between cells of the same weight


def disjoint(boxes: Sequence[Box]) -> list[Box]:
    """Boxes that do not overlap and cover what `boxes` cover: their union, cut at every upper and lower edge."""
    edges = sorted({edge for box in boxes for edge in (box[1], box[3])})
    pieces: list[Box] = []
    for top, bottom in pairwise(edges):
        end = -np.inf
        for left, right in sorted((box[0], box[2]) for box in boxes if box[1] <= top and bottom <= box[3]):
            if right > end:
                pieces.append((max(left, end), top, right, bottom))
                end = right
    return pieces


def inside_share(boxes: Sequence[Box], height: int, width: int) -> Floats:
    """Share of each cell (height, width), 0 to 1, that lies inside the union of the boxes.

    Args:
        boxes: in shares of the photo; none gives zeros.
    """
    shares = np.zeros((height, width))
    for piece in disjoint(boxes) if len(boxes) > 1 else boxes:
        shares += cover((piece,), height, width)
    return np.minimum(shares, 1.0)  # rounding


def centres_inside(boxes: Sequence[Box], height: int, width: int) -> NDArray[np.bool_]:
    """Whether the centre of each cell (height, width) lies in one of the boxes, their edges included."""
    inside = np.zeros((height, width), dtype=np.bool_)
    y, x = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    for left, top, right, bottom in boxes:
        inside |= np.outer((top <= y) & (y <= bottom), (left <= x) & (x <= right))
    return inside


def mass_inside(maps: Floats, boxes: Sequence[Box]) -> Floats:
    """The share (N,), 0 to 1, of each map's attention that lies inside the boxes; a cell counts by its share inside.

    Args:
        maps: (N, H, W), each sums to 1.
    """
    shares = inside_share(boxes, *maps.shape[1:])  # (H, W)
    return np.asarray((maps * shares).sum(axis=(1, 2)))


def pointing(maps: Floats, boxes: Sequence[Box]) -> Floats:
    """1 for each of (N, H, W) maps whose highest cell has its centre in a box, else 0.

    Of several equally high cells it is the share that hit, what picking one of them at random would give; so a flat
    map scores the chance of a random cell.
    """
    inside = centres_inside(boxes, *maps.shape[1:])  # (H, W)
    highest = maps >= maps.max(axis=(1, 2), keepdims=True) * (1 - _TIE)  # (N, H, W)
    return np.asarray((highest & inside).sum(axis=(1, 2)) / highest.sum(axis=(1, 2)))


def centre_hit(boxes: Sequence[Box]) -> float:
    """1 when the centre of the photo lies in one of the boxes, else 0; independent of any grid."""
    return float(centres_inside(boxes, 1, 1)[0, 0])


def uniform_map(height: int, width: int) -> Floats:
    """The same weight for every cell (height, width)."""
    return np.full((height, width), 1 / (height * width))


def centre_map(height: int, width: int) -> Floats:
    """All weight on the cell (height, width) in the middle; where a side has none, on the two beside it."""
    rows, columns = np.zeros(height), np.zeros(width)
    for side in (rows, columns):
        side[(len(side) - 1) // 2 : len(side) // 2 + 1] = 1
    centre = np.outer(rows, columns)
    weights: Floats = centre / centre.sum()
    return weights


def gaussian_map(height: int, width: int, sigma: float = SIGMA) -> Floats:
    """A bell over the photo's centre (height, width), read at the centres of the cells; it sums to 1.

    Args:
        sigma: standard deviation as a share of each side.
    """
    rows, columns = (np.exp(-0.5 * (((np.arange(side) + 0.5) / side - 0.5) / sigma) ** 2) for side in (height, width))
    bell = np.outer(rows, columns)
    weights: Floats = bell / bell.sum()
    return weights
