from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from skimage.transform import pyramid_expand

from captioner.overlay import (
    Floats,
    Projection,
    cell_projection,
    colour_layers,
    native_projection,
    palette,
    render_overlays,
    smooth_projection,
)
from captioner.photo import CellGeometry
from captioner.stretch import unstretch

GRID = (3, 5)  # rows, columns


def random_maps(count: int, grid: tuple[int, int], seed: int = 0) -> Floats:
    maps: Floats = np.random.default_rng(seed).random((count, *grid)).astype(np.float32)
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    return maps


@pytest.mark.parametrize("grid", [(14, 14), (3, 5), (1, 4), (2, 1)])
def test_smoothing_equals_pyramid_expand_at_24_pixels_a_cell(grid: tuple[int, int]) -> None:
    maps = random_maps(4, grid)
    expected = np.stack([pyramid_expand(one, 24, 8) for one in maps.astype(np.float64)])  # type: ignore[no-untyped-call]
    smoothed = smooth_projection(grid, (grid[1] * 24, grid[0] * 24)).apply(maps)
    np.testing.assert_allclose(smoothed, expected, atol=1e-6)


def test_smoothing_at_another_size_is_the_same_surface() -> None:
    maps = random_maps(1, GRID)
    fine = smooth_projection(GRID, (5 * 72, 3 * 72)).apply(maps)[0]
    coarse = smooth_projection(GRID, (5 * 24, 3 * 24)).apply(maps)[0]
    middles = fine[1::3, 1::3]  # the pixel centres of the coarse layer
    np.testing.assert_allclose(middles, coarse, atol=2e-3 * maps.max())


def test_a_non_square_photo_on_a_non_square_grid_has_the_photos_shape() -> None:
    layers = smooth_projection(GRID, (101, 37)).apply(random_maps(2, GRID))
    assert layers.shape == (2, 37, 101)


@pytest.mark.parametrize("size", [(100, 61), (50, 30), (7, 4)])
@pytest.mark.parametrize("cell", [(0, 0), (2, 4), (1, 3)])
def test_a_one_hot_map_lights_exactly_its_rectangle(size: tuple[int, int], cell: tuple[int, int]) -> None:
    one_hot = np.zeros((1, *GRID), dtype=np.float32)
    one_hot[0, cell[0], cell[1]] = 1.0
    layer = cell_projection(GRID, size).apply(one_hot)[0]
    left, top, right, bottom = CellGeometry(size[0], size[1], *GRID).cell_box(*cell)
    for y, x in np.ndindex(layer.shape):
        inside = left <= x + 0.5 < right and top <= y + 0.5 < bottom
        assert layer[y, x] == (1.0 if inside else 0.0), (y, x)


def test_outside_the_lit_cell_the_photo_is_untouched() -> None:
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8))
    one_hot = np.zeros((1, *GRID), dtype=np.float32)
    one_hot[0, 1, 2] = 1.0
    (overlay,) = render_overlays(photo, one_hot, cell_projection(GRID, photo.size), top=1.0)
    changed = (np.asarray(overlay) != np.asarray(photo)).any(axis=2)
    assert changed[10:20, 20:30].all()
    changed[10:20, 20:30] = False
    assert not changed.any()


def test_every_pixel_is_what_alpha_compositing_the_whole_palette_gives() -> None:
    """Every place of the palette over every grey, and over colours."""
    random = np.random.default_rng(0)
    for ground in (np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 256, 3)), random.bytes(256 * 256 * 3)):
        pixels = np.frombuffer(ground, np.uint8) if isinstance(ground, bytes) else ground
        photo = Image.fromarray(pixels.reshape(256, 256, 3))
        weights = np.linspace(-0.1, 1.2, 256, dtype=np.float32)[None, None]  # (1, 1, 256), some beyond the scale
        every = Projection(np.ones((256, 1), np.float32), np.eye(256, dtype=np.float32))
        (overlay,) = render_overlays(photo, weights, every, top=1.0)
        places = np.rint(np.clip(weights[0], 0, 1) * 255).astype(int)
        layer = Image.fromarray(np.ascontiguousarray(np.broadcast_to(palette()[places], (256, 256, 4))))
        expected = Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")
        np.testing.assert_array_equal(np.asarray(overlay), np.asarray(expected))


def test_a_word_s_overlay_does_not_depend_on_the_words_beside_it() -> None:
    maps, photo = random_maps(4, GRID), Image.new("RGB", (50, 30), (10, 120, 200))
    projection = smooth_projection(GRID, photo.size)
    together = render_overlays(photo, maps, projection, top=0.2)
    alone = [render_overlays(photo, one, projection, top=0.2)[0] for one in maps[:, None]]
    for given, expected in zip(together, alone, strict=True):
        np.testing.assert_array_equal(np.asarray(given), np.asarray(expected))
    assert len({overlay.tobytes() for overlay in together}) == 4


def test_a_flat_map_looks_flat_beside_a_sharp_one() -> None:
    flat = np.full((1, *GRID), 1 / 15, dtype=np.float32)
    sharp = np.zeros((1, *GRID), dtype=np.float32)
    sharp[0, 0, 0] = 1.0
    for projection in (smooth_projection(GRID, (50, 30)), cell_projection(GRID, (50, 30))):
        layers = colour_layers(projection.apply(np.concatenate([flat, sharp])), top=1.0)
        assert len(np.unique(layers[0].reshape(-1, 4), axis=0)) == 1
        assert tuple(layers[0, 0, 0]) == tuple(palette()[17])  # 255 / 15
        assert layers[0, 0, 0, 3] < 40 < layers[1, 0, 0, 3]


def test_one_weight_has_one_colour_whatever_the_word() -> None:
    weights = np.array([[[0.02, 0.04]], [[0.04, 0.08]]], dtype=np.float32)
    colours = colour_layers(weights, top=0.08)
    assert tuple(colours[0, 0, 1]) == tuple(colours[1, 0, 0]) == tuple(palette()[128])
    assert tuple(colours[1, 0, 1]) == tuple(palette()[255])


def test_weights_above_the_top_and_a_top_of_zero_stay_in_the_palette() -> None:
    assert tuple(colour_layers(np.array([[[9.0]]], dtype=np.float32), top=1.0)[0, 0, 0]) == tuple(palette()[255])
    assert tuple(colour_layers(np.array([[[0.0]]], dtype=np.float32), top=0.0)[0, 0, 0]) == tuple(palette()[0])


def test_the_highest_weight_is_found_without_the_whole_layer() -> None:
    maps = random_maps(6, (14, 14))
    smooth, cells = smooth_projection((14, 14), (640, 480)), cell_projection((14, 14), (640, 480))
    assert smooth.highest(maps) == pytest.approx(float(smooth.apply(maps).max()), rel=0.01)
    assert cells.highest(maps) == float(maps.max())
    assert smooth.highest(np.zeros((0, 14, 14), dtype=np.float32)) == 0.0


def test_the_palette_starts_invisible_and_grows_both_in_alpha_and_in_brightness() -> None:
    table = palette().astype(float)
    assert table.shape == (256, 4)
    assert table[0, 3] == 0
    assert (np.diff(table[:, 3]) >= 0).all()
    brightness = table[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(brightness) > -1).all()
    assert brightness[-1] > brightness[0] + 100


def test_maps_on_another_grid_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected maps \(words, 3, 5\), got \(1, 5, 3\)"):
        smooth_projection(GRID, (50, 30)).apply(np.zeros((1, 5, 3), dtype=np.float32))
    with pytest.raises(ValueError, match="at least 1 x 1"):
        cell_projection((0, 5), (50, 30))
    with pytest.raises(ValueError, match="shares of 0 to 1"):
        Projection(np.full((2, 2), 1.5, dtype=np.float32), np.eye(2, dtype=np.float32))


@pytest.mark.parametrize("projection", [smooth_projection, cell_projection])
def test_every_row_of_a_projection_of_the_grid_sums_to_one(
    projection: Callable[[tuple[int, int], tuple[int, int]], Projection],
) -> None:
    found = projection(GRID, (31, 17))
    np.testing.assert_allclose(found.rows.sum(axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(found.columns.sum(axis=1), 1.0, rtol=1e-5)


def test_a_native_cell_shows_the_weight_it_had_in_the_context() -> None:
    maps = random_maps(3, (3, 7))
    layers = native_projection((3, 7), (2, 4), (40, 20)).apply(maps)
    weights = unstretch(maps, (2, 4))
    for row, column in np.ndindex(2, 4):
        block = layers[:, row * 10 : row * 10 + 10, column * 10 : column * 10 + 10]
        np.testing.assert_allclose(block, np.broadcast_to(weights[:, row, column, None, None], block.shape), rtol=1e-5)


def test_native_cells_of_a_grid_that_is_not_stretched_are_its_own() -> None:
    maps = random_maps(2, GRID)
    native, cells = native_projection(GRID, GRID, (50, 30)), cell_projection(GRID, (50, 30))
    np.testing.assert_array_equal(native.apply(maps), cells.apply(maps))
