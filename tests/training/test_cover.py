"""Boxes on grids that are not square: shares of cells, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from captioner.training.cover import cover
from captioner.training.views import WHOLE, Box


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], [[0, 0, 0, 0], [0, 0, 0, 0]]),
        ([WHOLE], [[1, 1, 1, 1], [1, 1, 1, 1]]),
        ([(0.25, 0.5, 0.75, 1.0)], [[0, 0, 0, 0], [0, 1, 1, 0]]),
        ([(0.125, 0.0, 0.5, 0.25)], [[0.25, 0.5, 0, 0], [0, 0, 0, 0]]),  # half of a column, half of a row
        ([(0.3, 0.6, 0.45, 0.9)], [[0, 0, 0, 0], [0, 0.36, 0, 0]]),  # within one cell
    ],
)
def test_shares_of_two_by_four_cells(boxes: list[Box], expected: list[list[float]]) -> None:
    covered = cover(boxes, 2, 4)
    assert covered.dtype == np.float32
    np.testing.assert_allclose(covered, expected, atol=1e-6)


def test_of_overlapping_boxes_each_cell_counts_the_one_that_covers_it_most() -> None:
    boxes: list[Box] = [(0.0, 0.0, 0.5, 0.5), (0.25, 0.0, 1.0, 0.25)]
    np.testing.assert_allclose(cover(boxes, 2, 2), [[1.0, 0.5], [0.0, 0.0]])


def test_the_shares_of_a_box_add_up_to_its_area() -> None:
    assert cover([(0.13, 0.29, 0.71, 0.83)], 3, 7).sum() / 21 == pytest.approx(0.58 * 0.54, rel=1e-5)
