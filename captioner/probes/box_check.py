"""Does a word's map lie on the thing it names? Mass and hit against boxes drawn by hand, beside a centre baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from captioner.caption import Caption
from captioner.errors import RecordError
from captioner.training.nouns import singular
from captioner.training.pointing import centre_map, mass_inside, pointing
from captioner.training.views import Box


@dataclass(frozen=True)
class BoxCheck:
    """One word of a caption against the boxes of the thing it names.

    Attributes:
        word, step: which.
        mass: share of the map inside the boxes, 0 to 1.
        hit: whether the map's highest cell has its centre in a box (a share of them where several are equally high).
        centre_mass, centre_hit: the same for a map that always looks at the middle, whatever the photo.
    """

    word: str
    step: int
    mass: float
    hit: float
    centre_mass: float
    centre_hit: float

    def __post_init__(self) -> None:
        shares = (self.mass, self.hit, self.centre_mass, self.centre_hit)
        if not all(-1e-6 <= share <= 1 + 1e-6 for share in shares):
            raise RecordError(f"expected shares of 0 to 1, got {shares}")


def check_boxes(caption: Caption, boxes: Mapping[str, Sequence[Box]]) -> tuple[BoxCheck, ...]:
    """Check every word that has boxes.

    Args:
        boxes: word -> boxes, each (left, top, right, bottom) in shares of the photo; a plural finds its singular's.
    """
    rows, columns = caption.attention.shape[1:]
    centre = centre_map(rows, columns)[None]  # (1, H, W)
    found = []
    for step, word in enumerate(caption.words):
        drawn = boxes.get(word, boxes.get(singular(word)))
        if drawn:
            own = caption.attention[step][None].astype(np.float64)
            numbers = [float(measure(maps, drawn)[0]) for maps in (own, centre) for measure in (mass_inside, pointing)]
            found.append(BoxCheck(word, step, *numbers))
    return tuple(found)
