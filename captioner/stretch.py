"""Maps on a stretched grid back on the cells that the network really computed.

The tutorial's encoder sees 8 x 8 cells and repeats or averages neighbours until they are 14 x 14 (adaptive average
pooling). With a = P n, the pooled annotation vectors as means P of the native ones, the context of Xu et al. 2015
(equation 13) is sum_i alpha_i a_i = sum_j (P^T alpha)_j n_j: P^T alpha is the weight that each native cell really had.
It is exact, it sums to 1 where alpha does, and like the pooling it works on rows and columns apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def pooling_matrix(cells: int, native: int) -> Floats:
    """(cells, native): the share of each native cell in each pooled one along an axis; every row sums to 1.

    Args:
        cells: of the grid, 1 or more.
        native: cells the network computed, 1 or more.

    Raises:
        ValueError: one of them is below 1.
    """
    if min(cells, native) < 1:
        raise ValueError(f"expected at least 1 cell and 1 native cell, got {cells} and {native}")
    matrix = np.zeros((cells, native), dtype=np.float32)
    for cell in range(cells):
        first, past = cell * native // cells, -(-(cell + 1) * native // cells)  # rounded down, rounded up
        matrix[cell, first:past] = 1 / (past - first)
    return matrix


def unstretch(maps: Floats, native: tuple[int, int]) -> Floats:
    """The weight that each native cell had in the context.

    Args:
        maps: (T, H, W) on the stretched grid.
        native: (h, w) cells that the network computed.

    Returns:
        (T, h, w), with the sums of `maps`.

    Raises:
        ValueError: `maps` has another number of axes, or there is no native cell.
    """
    if maps.ndim != 3:
        raise ValueError(f"expected maps (words, height, width), got {maps.shape}")
    rows, columns = (pooling_matrix(*sides) for sides in zip(maps.shape[1:], native, strict=True))
    weights: Floats = np.matmul(np.matmul(rows.T, maps), columns)  # (T, h, w)
    return weights
