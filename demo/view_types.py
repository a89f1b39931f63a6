"""The shapes of what the page is sent: plain data, as JSON holds it."""

from __future__ import annotations

from typing import Literal, TypedDict

from demo.boxes import Boxes
from demo.packing import MatrixView, PhotoView
from demo.tree import TreesView


class RivalView(TypedDict):
    """A word that was likely at some step; the empty word is the caption's end."""

    word: str
    probability: float


class GlimpseView(TypedDict):
    """What the decoder said before a word; `map` is its place among the maps, `place` 0 to 8 in reading order or
    EVERYWHERE."""

    gate: float
    cells: float
    place: int
    map: int
    rivals: list[RivalView]


class WordView(GlimpseView):
    """One word of a caption, with what the decoder said before it."""

    word: str
    probability: float
    log_prob: float


class CaptionView(TypedDict):
    """One caption of `tokens` words and, when finished, its end; `smooth`, `cells` and `native` are the tops of its
    scale, `first` the word shown first."""

    text: str
    log_prob: float
    tokens: int
    finished: bool
    words: list[WordView]
    smooth: float
    cells: float
    native: float
    first: int


class MapsView(TypedDict):
    """Every distinct map: fractions of `peak`, one after the other."""

    fractions: str
    peak: float


class ResultView(TypedDict):
    """Everything about one photo; `native_cells` is there where the grid is stretched."""

    kind: Literal["result"]
    photo: PhotoView
    grid: list[int]
    native: list[int]
    maps: MapsView
    smooth: MatrixView
    cells: MatrixView
    native_cells: MatrixView | None
    palette: str
    captions: list[CaptionView]
    glimpses: list[GlimpseView]
    trees: TreesView
    ranking: dict[str, list[int]]
    normalisation: float
    preset: str
    width: int
    model: str
    trained_on: str
    guessing: bool
    strangeness: float | None
    recorded: bool
    source: dict[str, str] | None
    without_gpu: bool
    preview: bool  # whether this is only the small preview in a camera's raw file
    boxes: Boxes


class ProblemView(TypedDict):
    """One sentence that says what is wrong and what to do."""

    kind: Literal["problem"]
    message: str


class FaultView(ProblemView):
    """A problem that the same photo may not meet a second time."""

    again: Literal[True]


class GoneView(ProblemView):
    """The photo's file is no longer on the server; the browser may have it still."""

    gone: Literal[True]


class FullView(TypedDict):
    """So many wait that no more may; after so many seconds there is room again."""

    kind: Literal["full"]
    message: str
    seconds: int


View = ResultView | ProblemView
