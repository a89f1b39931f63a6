"""Places and tops of many maps at once, against a loop over each."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from captioner.caption import effective_cells
from captioner.overlay import smooth_projection
from captioner.stretch import unstretch
from demo.glimpse_view import EVERYWHERE, MapStore, places

GRIDS = [(4, 6), (14, 14), (2, 5), (1, 1), (7, 3)]


def random_maps(count: int, grid: tuple[int, int]) -> NDArray[np.float32]:
    weights = np.random.default_rng(count).exponential(size=(count, *grid)) ** 3
    maps: NDArray[np.float32] = (weights / weights.sum(axis=(1, 2), keepdims=True)).astype(np.float32)
    return maps


def slow_place(attention: NDArray[np.float32]) -> int:
    height, width = attention.shape
    ninths = [0.0] * 9
    for row in range(height):
        for column in range(width):
            ninths[row * 3 // height * 3 + column * 3 // width] += float(attention[row, column])
    return ninths.index(max(ninths))


@pytest.mark.parametrize("grid", GRIDS)
def test_each_map_has_the_ninth_with_most_of_it(grid: tuple[int, int]) -> None:
    maps = random_maps(20, grid)
    cells = effective_cells(maps)
    flat = cells > 0.8 * maps[0].size
    expected = [EVERYWHERE if even else slow_place(one) for one, even in zip(maps, flat, strict=True)]
    assert places(maps, cells) == expected
    if maps[0].size > 20:
        assert len(set(expected)) > 3


@pytest.mark.parametrize(("grid", "native"), [((4, 6), (4, 6)), ((14, 14), (8, 8)), ((4, 6), (2, 3))])
def test_the_tops_are_those_of_each_map_alone(grid: tuple[int, int], native: tuple[int, int]) -> None:
    store, maps, smooth = MapStore(), random_maps(5, grid), smooth_projection(grid, (96, 64))
    assert [store.place(one) for one in (*maps, maps[2])] == [0, 1, 2, 3, 4, 2]
    tops = store.tops(smooth, native)
    for place, one in enumerate(maps):
        assert tops.smooth[place] == pytest.approx(smooth.highest(one[None]), rel=1e-6)
        assert tops.cells[place] == one.max()
        assert tops.native[place] == pytest.approx(unstretch(one[None], native).max(), rel=1e-6)
    assert store.peak() == maps.max()


def test_a_store_without_maps_has_no_tops() -> None:
    assert [top.shape for top in MapStore().tops(smooth_projection((4, 6), (96, 64)), (4, 6))] == [(0,)] * 3
    assert MapStore().peak() == 1.0
