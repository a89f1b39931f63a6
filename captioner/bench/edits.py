"""What a visitor changes after a first caption, each as a share of that first caption: the photo is not encoded again.

Ours end where the page's view begins: what the browser is sent is `demo.view`'s, which this library does not know. So
does the first caption here, from the bytes of a file to all widths with all maps; beside the page's own it is shorter,
and the shares are larger.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from captioner.bench.shares import Share, measure_shares
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.description import Description
from captioner.gaze import Gaze
from captioner.photo import open_photo
from captioner.search_options import SearchOptions

WIDTHS = tuple(range(1, 11))
LOOKED_UP = 5  # the beam width whose best caption is changed
GOAL = 0.1  # of a first caption


@dataclass(frozen=True)
class Edits:
    """The shares; what is said on the cached grid is what is said from the photo."""

    shares: tuple[Share, ...]
    same: bool

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"shares": [share.record() for share in self.shares], "same": self.same}

    def lines(self) -> list[str]:
        """To be read."""
        said = "same answer" if self.same else "OTHER ANSWER"
        return [*(share.line() for share in self.shares), f"{'a forced word, cached grid against photo':55s} {said}"]


def measure_edits(task: Task) -> Edits:
    """With the shipped model."""
    buffer = io.BytesIO()
    task.photo.save(buffer, "JPEG", quality=95)
    return edits(Captioner.load(default_checkpoint(), str(task.device)), buffer.getvalue(), task)


def edits(captioner: Captioner, content: bytes, task: Task) -> Edits:
    """A word forced in the middle of a caption, a gaze brushed for that word, and one brushed for all words.

    Args:
        captioner: what is measured.
        content: the bytes of a photo's file.
        task: its options and `tell`; not its photo.
    """
    search = SearchOptions(widths=WIDTHS)

    def first() -> Description:
        return captioner.describe(open_photo(content), search)

    grid = captioner.encode([open_photo(content)])
    prefix = first().at_width(LOOKED_UP)[0].words
    middle = len(prefix) // 2
    kept, forced = prefix[:middle], prefix[: middle + 1]
    gaze = np.zeros((grid.height, grid.width), np.float32)
    gaze[: (grid.height + 1) // 2, : (grid.width + 1) // 2] = 1

    def again(words: tuple[str, ...], seen: Gaze | None = None) -> Callable[[], Description]:
        return lambda: captioner.search(grid, search, words, seen)[0]

    def anew() -> Description:
        return captioner.describe(open_photo(content), search, forced)

    parts: list[tuple[str, Callable[[], object], float | None]] = [
        ("a first caption's photo: opened and encoded", lambda: captioner.encode([open_photo(content)]), None),
        ("a first caption's search", again(()), None),
        (f"word {middle + 1} of {len(prefix)} forced, photo encoded again", anew, None),
        (f"word {middle + 1} of {len(prefix)} forced, cached grid", again(forced), GOAL),
        (f"a gaze brushed for word {middle + 1}, cached grid", again(kept, Gaze(gaze, middle)), GOAL),
        ("a gaze brushed for all words, cached grid", again((), Gaze(gaze)), GOAL),
    ]
    shares = measure_shares(parts, first, task.options.rounds, task.tell)
    return Edits(shares, told(again(forced)()) == told(anew()))


def told(description: Description) -> dict[int, list[tuple[str, ...]]]:
    """What is said at every width, best first."""
    return {width: [caption.words for caption in description.at_width(width)] for width in description.widths}
