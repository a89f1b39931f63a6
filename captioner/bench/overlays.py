"""Drawing a caption's maps on its photo: ours against one pyramid and one matplotlib panel for every word."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from skimage.transform import pyramid_expand

from captioner.bench.harness import Comparisons, Pair, compare_all
from captioner.bench.shares import Share, measure_shares
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.overlay import Bytes, Floats, render_overlays, smooth_projection
from captioner.search_options import SearchOptions

UPSCALE, SIGMA = 24, 8  # the tutorial's: pixels of a cell's side, and of the Gaussian
COLUMNS = 5  # of its figure
DOTS = 100  # of an inch
ALPHA = 0.8  # of its maps
SIDES = (336, 640)  # pixels: a map of 14 x 14 cells at 24 a cell, and the page's layer
GOAL = 0.15  # of the whole
TOLERANCE = 1e-5  # between the smoothed maps, in shares of the highest weight
BEAM = 5


@dataclass(frozen=True)
class Drawn:
    """What the tutorial's way gives.

    Attributes:
        smoothed: (T, h, w) weights.
        panels: a picture for each word, (h, w, 4) red, green, blue, alpha.
    """

    smoothed: NDArray[np.float64]
    panels: tuple[Bytes, ...]


@dataclass(frozen=True)
class Overlays:
    """Against the tutorial's way, and beside the whole."""

    pairs: Comparisons
    shares: tuple[Share, ...]

    @property
    def same(self) -> bool:
        """Whether both ways smooth alike."""
        return self.pairs.same

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"pairs": self.pairs.record(), "shares": [share.record() for share in self.shares]}

    def lines(self) -> list[str]:
        """To be read."""
        return [*self.pairs.lines(), *(share.line() for share in self.shares)]


def measure_overlays(task: Task) -> Overlays:
    """All words of the shipped model's best caption: against the tutorial's way, and as a share of photo in, maps,
    overlays out."""
    captioner, photo = Captioner.load(default_checkpoint(), str(task.device)), task.photo
    search = SearchOptions(widths=(BEAM,))

    def look() -> Floats:
        return captioner.describe(photo, search).at_width(BEAM)[0].attention

    maps, rounds = look(), task.options.rounds
    pairs = compare_all([overlay_pair(photo, maps)], rounds, task.tell)
    shares: list[Share] = []
    for side in SIDES:
        size = (side, max(1, round(side * photo.height / photo.width)))
        name = f"drawing {len(maps)} words at {size[0]} x {size[1]}, of the whole"
        part, whole = partial(draw, photo, maps, size), partial(_whole, look, photo, size)
        shares += measure_shares([(name, part, GOAL)], whole, rounds, task.tell)
    return Overlays(pairs, tuple(shares))


def _whole(look: Callable[[], Floats], photo: Image.Image, size: tuple[int, int]) -> list[Image.Image]:
    return draw(photo, look(), size)


def overlay_pair(photo: Image.Image, maps: Floats) -> Pair[list[Image.Image], Drawn]:
    """Both ways to the same pictures, `UPSCALE` pixels a cell; that their maps are smoothed alike is asked.

    Args:
        photo: RGB.
        maps: (T, H, W).
    """
    size = (maps.shape[2] * UPSCALE, maps.shape[1] * UPSCALE)

    def same(ours: list[Image.Image], theirs: Drawn) -> bool:
        smoothed = smooth_projection((maps.shape[1], maps.shape[2]), size).apply(maps)
        sizes = {one.size for one in ours} | {panel.shape[1::-1] for panel in theirs.panels}
        alike = np.allclose(smoothed, theirs.smoothed, rtol=0, atol=TOLERANCE * float(maps.max()))
        return alike and sizes == {size} and len(ours) == len(theirs.panels) == len(maps)

    name = f"overlays of {len(maps)} words, {size[0]} x {size[1]} pixels"
    return Pair(name, lambda: draw(photo, maps, size), lambda: tutorial_overlays(photo, maps), same)


def draw(photo: Image.Image, maps: Floats, size: tuple[int, int]) -> list[Image.Image]:
    """Our way: as `captioner.sheet` and the page's pictures do it."""
    projection = smooth_projection((maps.shape[1], maps.shape[2]), size)
    return render_overlays(photo, maps, projection, projection.highest(maps))


def tutorial_overlays(photo: Image.Image, maps: Floats) -> Drawn:
    """The tutorial's way: word by word a pyramid and a panel of one figure, which is then drawn to pixels.

    Shares nothing with `captioner.overlay`. Its words are left out, since ours has none either.
    """
    height, width = maps.shape[1] * UPSCALE, maps.shape[2] * UPSCALE
    rows = math.ceil(len(maps) / COLUMNS)
    figure = Figure(figsize=(COLUMNS * width / DOTS, rows * height / DOTS), dpi=DOTS)
    canvas = FigureCanvasAgg(figure)
    small = photo.resize((width, height), Image.Resampling.LANCZOS)
    smoothed = []
    for place, one in enumerate(maps):
        row, column = divmod(place, COLUMNS)
        panel = figure.add_axes((column / COLUMNS, 1 - (row + 1) / rows, 1 / COLUMNS, 1 / rows))
        panel.imshow(small, aspect="auto")
        smoothed.append(pyramid_expand(one.astype(np.float64), upscale=UPSCALE, sigma=SIGMA))  # type: ignore[no-untyped-call]
        panel.imshow(smoothed[-1], alpha=ALPHA, cmap="Greys_r", aspect="auto")
        panel.set_axis_off()
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    corners = [(place // COLUMNS * height, place % COLUMNS * width) for place in range(len(maps))]
    panels = tuple(pixels[top : top + height, left : left + width].copy() for top, left in corners)
    return Drawn(np.stack(smoothed), panels)
