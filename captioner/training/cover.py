"""Boxes on the grid: how much of each cell lies inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from captioner.training.views import Box


def cover(boxes: Sequence[Box], height: int, width: int) -> NDArray[np.float32]:
    """Share of each cell (height, width), 0 to 1, that lies inside the boxes; where boxes overlap, that of the one
    which covers the cell most.

    Args:
        boxes: in shares of the photo.
    """
    covered = np.zeros((height, width), np.float32)
    for left, top, right, bottom in boxes:
        rows = _overlap(top, bottom, height)  # (height,)
        columns = _overlap(left, right, width)  # (width,)
        np.maximum(covered, np.outer(rows, columns), out=covered)
    return covered


def _overlap(start: float, end: float, count: int) -> NDArray[np.float32]:
    """Share of each of `count` equal parts of 0 to 1 that lies between start and end."""
    edges = np.arange(count + 1, dtype=np.float32)
    inside = np.minimum(edges[1:], end * count) - np.maximum(edges[:-1], start * count)
    return np.asarray(np.clip(inside, 0, 1), np.float32)
