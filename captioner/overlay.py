"""Attention maps to coloured layers on the photo: smoothing, the shared scale, colours. Neither torch nor gradio.

Smoothing is what the well-known PyTorch captioning tutorial does, `skimage.transform.pyramid_expand(map,
upscale=24, sigma=8)`: linear interpolation followed by a Gaussian a third of a cell wide. Both are linear and
separable, so one pair of small matrices does it for every word at once, here and in the browser:

    layer (h, w) = rows (h, H) @ map (H, W) @ columns (w, W).T
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian
from skimage.transform import resize

from captioner.stretch import pooling_matrix

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SIGMA_CELLS = 8 / 24  # the tutorial's sigma of 8 pixels at 24 pixels a cell
PEAK_SAMPLES = 8  # points a cell at which the highest smoothed weight is looked for
COLOUR_MAP = "inferno"  # perceptually uniform
COLOUR_RANGE = (0.30, 0.95)  # its near-black start would darken the photo, its near-white end reads as glare
SHAPES_KEPT = 64  # matrices of about 40 kilobytes; photos have few shapes, and each takes milliseconds
STRONGEST_ALPHA = 0.82  # the photo stays visible under the highest weight
ALPHA_POWER = 0.7  # below 1, so that a thin spread still shows as a tint


@dataclass(frozen=True)
class Projection:
    """The linear way from the grid to a layer of h x w pixels.

    Attributes:
        rows: (h, H); entries of 0 to 1. A row that sums to 1 gives a mean of the cells it names.
        columns: (w, W); the same along the other axis.
    """

    rows: Floats
    columns: Floats

    def __post_init__(self) -> None:
        for name, matrix in (("rows", self.rows), ("columns", self.columns)):
            if matrix.ndim != 2 or not ((matrix >= 0) & (matrix <= 1 + 1e-4)).all():
                raise ValueError(f"expected {name} as a matrix of shares of 0 to 1, got shape {matrix.shape}")

    def apply(self, maps: Floats, out: Floats | None = None) -> Floats:
        """Spread T maps over the layer, all at once.

        Args:
            maps: (T, H, W) weight of each cell.
            out: (T, h, w), where the layers are to lie.

        Returns:
            (T, h, w) weight per cell at each pixel, the same unit as the maps.

        Raises:
            ValueError: the maps lie on another grid.
        """
        grid = (self.rows.shape[1], self.columns.shape[1])
        if maps.ndim != 3 or maps.shape[1:] != grid:
            raise ValueError(f"expected maps (words, {grid[0]}, {grid[1]}), got {maps.shape}")
        layers: Floats = np.matmul(np.matmul(self.rows, maps), self.columns.T, out=out)  # (T, h, w)
        return layers

    def highest(self, maps: Floats) -> float:
        """The largest weight the layers of these maps reach, looked for at `PEAK_SAMPLES` points a cell."""
        return float(self.peaks(maps).max(initial=0.0))

    def peaks(self, maps: Floats) -> Floats:
        """(T,) the largest weight that the layer of each map (T, H, W) reaches; see `highest`."""
        sparse = Projection(_thin(self.rows), _thin(self.columns))
        largest: Floats = sparse.apply(maps).max(axis=(1, 2), initial=0.0)
        return largest


def smooth_projection(grid: tuple[int, int], size: tuple[int, int]) -> Projection:
    """The tutorial's smoothing at the photo's own shape.

    At 24 pixels a cell it equals `pyramid_expand(map, upscale=24, sigma=8)`; at any other size it is the same
    surface sampled at that size.

    Args:
        grid: (H, W) cells.
        size: (w, h) pixels of the layer, in Pillow's order.
    """
    (height, width), (layer_width, layer_height) = _checked(grid, size)
    return Projection(_smooth_matrix(height, layer_height), _smooth_matrix(width, layer_width))


def cell_projection(grid: tuple[int, int], size: tuple[int, int]) -> Projection:
    """The raw cells: each pixel takes the weight of the cell its centre lies in."""
    (height, width), (layer_width, layer_height) = _checked(grid, size)
    return Projection(_cell_matrix(height, layer_height), _cell_matrix(width, layer_width))


def native_projection(grid: tuple[int, int], native: tuple[int, int], size: tuple[int, int]) -> Projection:
    """The cells that the network computed before its grid was stretched: each pixel takes the weight that its native
    cell had in the context (see `captioner.stretch`).

    Args:
        grid: (H, W) cells of the maps.
        native: (rows, columns) that the network computed.
        size: (w, h) pixels of the layer, in Pillow's order.
    """
    (height, width), (layer_width, layer_height) = _checked(grid, size)
    rows = _cell_matrix(native[0], layer_height) @ pooling_matrix(height, native[0]).T  # (h, H)
    columns = _cell_matrix(native[1], layer_width) @ pooling_matrix(width, native[1]).T  # (w, W)
    return Projection(rows, columns)


@cache
def palette() -> Bytes:
    """(256, 4) red, green, blue, alpha from weight 0 to the top of the scale.

    Alpha grows with the weight: where the network did not look, the photo is left as it is.
    """
    fractions = np.linspace(0.0, 1.0, 256)
    low, high = COLOUR_RANGE
    colours = colormaps[COLOUR_MAP](low + (high - low) * fractions)  # (256, 4)
    colours[:, 3] = STRONGEST_ALPHA * fractions**ALPHA_POWER
    table: Bytes = np.rint(colours * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def colour_layers(layers: Floats, top: float) -> Bytes:
    """Weights to colours on one scale from 0 to `top`.

    Args:
        layers: (T, h, w) weights, from `Projection.apply`.
        top: the weight that gets the strongest colour; the same for all words of a caption, so that a flat map
            looks flat and a sharp one sharp.

    Returns:
        (T, h, w, 4) red, green, blue, alpha.
    """
    colours = np.empty((*layers.shape, 4), dtype=np.uint8)
    colour = _Colouring(layers.shape[1:], top)
    for layer, coloured in zip(layers, colours, strict=True):  # one at a time: it stays in the processor's cache
        colour(layer, coloured)
    return colours


def render_overlays(photo: Image.Image, maps: Floats, projection: Projection, top: float) -> list[Image.Image]:
    """The photo at the layer's size once per word, with that word's layer on it."""
    shape = (len(projection.rows), len(projection.columns))
    ground = photo.convert("RGB").resize(shape[::-1], Image.Resampling.LANCZOS)
    layer, coloured = np.empty((1, *shape), dtype=np.float32), np.empty((*shape, 4), dtype=np.uint8)
    colour, overlays = _Colouring(shape, top), []
    for one in maps[:, None]:  # (1, H, W)
        colour(projection.apply(one, layer)[0], coloured)
        overlays.append(_laid_on(ground, coloured))
    return overlays


class _Colouring:
    """Colours one layer after the other by way of the same memory: asking for fresh memory takes longer than the work.

    Args:
        shape: (h, w) of the layers.
        top: see `colour_layers`.
    """

    def __init__(self, shape: tuple[int, ...], top: float) -> None:
        self._table = palette().view(np.uint32)[:, 0]  # (256,) four bytes a pixel, moved as one number
        self._steps = np.float32(255 / top if top > 0 else 0)
        self._shares = np.empty(shape, dtype=np.float32)
        self._places = np.empty(shape, dtype=np.uint8)

    def __call__(self, layer: Floats, coloured: Bytes) -> None:
        """Fill `coloured` (h, w, 4) with the colours of a layer (h, w)."""
        shares, places = self._shares, self._places
        np.clip(np.multiply(layer, self._steps, out=shares), 0, 255, out=shares)
        np.copyto(places, np.rint(shares, out=shares), casting="unsafe")
        pixels = coloured.view(np.uint32)[..., 0]
        np.take(self._table, places, out=pixels, mode="clip")  # "clip" writes into `pixels` without a buffer


def _laid_on(ground: Image.Image, layer: Bytes) -> Image.Image:
    """What `Image.alpha_composite` makes of an opaque ground, without the division it needs for others."""
    overlay, colours = ground.copy(), Image.fromarray(layer)
    overlay.paste(colours, (0, 0), colours)
    return overlay


@lru_cache(SHAPES_KEPT)
def _smooth_matrix(cells: int, length: int) -> Floats:
    """(length, cells): what pyramid_expand's two operations make of each unit vector along one axis."""
    units = np.eye(cells)
    spread = resize(units, (length, cells), order=1, mode="reflect", anti_aliasing=False)  # type: ignore[no-untyped-call]
    sigma = (SIGMA_CELLS * length / cells, 0.0)  # pixels along the axis, nothing across the unit vectors
    blurred = gaussian(spread, sigma=sigma, mode="reflect")  # type: ignore[no-untyped-call]
    matrix = np.asarray(blurred, dtype=np.float32)
    matrix.flags.writeable = False  # all who ask for this shape share it
    return matrix


def _cell_matrix(cells: int, length: int) -> Floats:
    """(length, cells): a single 1 per row, at the cell that holds the pixel's centre."""
    centres = (np.arange(length) + 0.5) * cells / length
    matrix: Floats = np.eye(cells, dtype=np.float32)[centres.astype(int)]
    return matrix


def _thin(matrix: Floats) -> Floats:
    length, cells = matrix.shape
    return matrix[:: max(1, length // (cells * PEAK_SAMPLES))]


def _checked(grid: tuple[int, int], size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    if min(*grid, *size) < 1:
        raise ValueError(f"expected a grid and a size of at least 1 x 1, got {grid} and {size}")
    return grid, size
