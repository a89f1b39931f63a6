"""Maps against boxes: by hand, against a slow independent count of points, and on grids that are not square."""

from __future__ import annotations

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner.training.pointing import (
    centre_hit,
    centre_map,
    centres_inside,
    disjoint,
    gaussian_map,
    inside_share,
    mass_inside,
    pointing,
    uniform_map,
)
from captioner.training.views import Box

RIGHT_HALF: Box = (0.5, 0.0, 1.0, 1.0)


def random_boxes(chance: random.Random, most: int = 4) -> list[Box]:
    boxes = []
    for _ in range(chance.randint(1, most)):
        (left, right), (top, bottom) = (sorted(chance.sample(range(25), 2)) for _ in range(2))
        boxes.append((left / 24, top / 24, right / 24, bottom / 24))
    return boxes


def slow_share(boxes: list[Box], height: int, width: int) -> NDArray[np.float64]:
    """Share of each cell inside the boxes, by asking points on a lattice of 24 times as many: exact when all edges,
    as those of `random_boxes`, are whole 24ths of the photo."""
    shares = np.zeros((height, width))
    for row in range(24 * height):
        for column in range(24 * width):
            x, y = (column + 0.5) / (24 * width), (row + 0.5) / (24 * height)
            hit = any(left < x < right and top < y < bottom for left, top, right, bottom in boxes)
            shares[row // 24, column // 24] += hit / 24**2
    return shares


def one_hot(row: int, column: int, height: int = 2, width: int = 3) -> NDArray[np.float64]:
    attention = np.zeros((1, height, width))
    attention[0, row, column] = 1
    return attention


def test_shares_by_hand() -> None:
    # Half of the photo's width is one cell and a half of three.
    assert inside_share((RIGHT_HALF,), 2, 3).tolist() == [[0, 0.5, 1], [0, 0.5, 1]]
    assert inside_share((), 2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert inside_share(((0.0, 0.25, 1.0, 0.5),), 2, 1).tolist() == [[0.5], [0]]


def test_the_union_counts_once_what_lies_in_two_boxes() -> None:
    left, right = (0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0)
    assert inside_share((left, right), 1, 1)[0, 0] == pytest.approx(0.8)  # side by side in one cell
    assert inside_share((left, left, (0.2, 0.0, 0.5, 1.0)), 1, 1)[0, 0] == pytest.approx(0.5)
    assert inside_share((RIGHT_HALF, (0.6, 0.2, 0.7, 0.3)), 2, 3).max() == 1.0


@pytest.mark.parametrize("seed", range(12))
def test_shares_and_mass_equal_the_slow_way(seed: int) -> None:
    chance = random.Random(seed)
    boxes, height, width = random_boxes(chance), chance.randint(1, 4), chance.randint(1, 5)
    slow = slow_share(boxes, height, width)
    np.testing.assert_allclose(inside_share(boxes, height, width), slow, atol=1e-6)
    maps = np.random.default_rng(seed).dirichlet(np.ones(height * width), 3).reshape(3, height, width)
    expected = [sum(slow[r, c] * own[r, c] for r in range(height) for c in range(width)) for own in maps]
    np.testing.assert_allclose(mass_inside(maps, boxes), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_pointing_equals_the_slow_way(seed: int) -> None:
    chance = random.Random(seed)
    boxes, height, width = random_boxes(chance, most=2), chance.randint(1, 6), chance.randint(1, 6)
    maps = np.random.default_rng(seed).random((20, height, width))
    for own, hit in zip(maps, pointing(maps, boxes), strict=True):
        cells = {own[r, c]: ((c + 0.5) / width, (r + 0.5) / height) for r in range(height) for c in range(width)}
        x, y = cells[max(cells)]
        assert hit == any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes)


def test_disjoint_pieces_do_not_overlap() -> None:
    boxes = [(0.0, 0.0, 0.5, 0.5), (0.25, 0.25, 1.0, 1.0), (0.3, 0.3, 0.4, 0.4)]
    pieces = disjoint(boxes)
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in pieces)
    assert area == pytest.approx(0.25 + 0.75 * 0.75 - 0.25 * 0.25)
    assert disjoint([RIGHT_HALF]) == [RIGHT_HALF]
    assert disjoint([]) == []


def test_rows_and_columns_are_not_swapped() -> None:
    assert mass_inside(one_hot(0, 2), (RIGHT_HALF,)) == pytest.approx([1])
    assert mass_inside(one_hot(1, 0), (RIGHT_HALF,)) == pytest.approx([0])
    assert mass_inside(one_hot(1, 1), (RIGHT_HALF,)) == pytest.approx([0.5])
    assert pointing(one_hot(0, 2), (RIGHT_HALF,)).tolist() == [1]
    assert pointing(one_hot(1, 0), (RIGHT_HALF,)).tolist() == [0]
    assert pointing(one_hot(1, 1), (RIGHT_HALF,)).tolist() == [1]  # its centre lies on the edge


def test_cells_that_share_the_highest_weight_hit_by_chance() -> None:
    flat = uniform_map(2, 4)[None]
    assert pointing(flat, (RIGHT_HALF,)).tolist() == [0.5]
    assert pointing(flat, ((0.0, 0.0, 0.2, 0.3),)).tolist() == [1 / 8]
    nearly = flat + np.arange(8).reshape(1, 2, 4) * 1e-9
    assert pointing(nearly, (RIGHT_HALF,)).tolist() == [0.5]
    assert pointing(flat + one_hot(0, 0, 2, 4) * 1e-3, (RIGHT_HALF,)).tolist() == [0]


def test_a_uniform_map_has_the_mass_of_the_area() -> None:
    assert mass_inside(uniform_map(5, 3)[None], ((0.1, 0.2, 0.7, 0.9),)) == pytest.approx([0.6 * 0.7])


def test_the_centre_is_the_cell_in_the_middle_or_those_around_it() -> None:
    assert centre_map(1, 3).tolist() == [[0, 1, 0]]
    assert centre_map(2, 4).tolist() == [[0, 0.25, 0.25, 0], [0, 0.25, 0.25, 0]]
    assert centre_map(14, 14)[6:8, 6:8].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert centre_map(3, 2).tolist() == [[0, 0], [0.5, 0.5], [0, 0]]
    assert centre_hit(((0.4, 0.4, 0.6, 0.6),)) == 1.0
    assert centre_hit(((0.0, 0.0, 0.4, 1.0), (0.6, 0.0, 1.0, 1.0))) == 0.0


def test_the_gaussian_is_a_bell_over_the_photo_whatever_the_grid() -> None:
    bell = gaussian_map(3, 5, sigma=0.25)
    assert bell.sum() == pytest.approx(1)
    assert bell[0, 2] / bell[1, 2] == pytest.approx(np.exp(-0.5 * (1 / 3 / 0.25) ** 2))
    assert bell[1, 4] / bell[1, 2] == pytest.approx(np.exp(-0.5 * (0.4 / 0.25) ** 2))
    np.testing.assert_allclose(bell, bell[::-1, ::-1])
    assert gaussian_map(4, 4, sigma=100).std() < 1e-5


def test_centres_lie_inside_or_not() -> None:
    assert centres_inside((RIGHT_HALF,), 1, 4).tolist() == [[False, False, True, True]]
    assert not centres_inside((), 2, 2).any()
