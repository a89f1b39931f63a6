"""What a beam search is asked: which tokens are special, how wide, how long, how ranked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from captioner.errors import SearchError

MAX_WIDTH = 100
MAX_LENGTH_NORMALISATION = 10.0


@dataclass(frozen=True)
class SearchTokens:
    """The tokens the search has to know.

    Attributes:
        start: first input of every sequence.
        end: finishes a hypothesis.
        banned: never appear in one (<unk>, <pad>, <start>).

    Raises:
        SearchError: an id is negative, or `end` is banned.
    """

    start: int
    end: int
    banned: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.start, self.end, *self.banned) < 0:
            raise SearchError(f"expected token ids of 0 or more, got {self}")
        if self.end in self.banned:
            raise SearchError(f"expected an end token that is allowed, got {self.end} among the banned ones")


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        widths: beam widths, each 1 to MAX_WIDTH, ascending.
        max_steps: the most tokens a hypothesis has, <end> counted; 1 or more.
        length_normalisation: a in score = log-probability / tokens ** a, <end> counted (Jean et al. 2015 divide by
            the length, a = 1); 0 to MAX_LENGTH_NORMALISATION, 0 is the tutorial's plain sum. It ranks what the beam
            ended with and does not steer the beam.
        min_words: <end> cannot come before this many words; below max_steps.
        top_words: best words reported per step; 1 or more.
        any_token: let <unk>, <pad> and <start> be said, as the tutorial does.

    Raises:
        SearchError: a value lies outside its range.
    """

    widths: tuple[int, ...] = tuple(range(1, 11))
    max_steps: int = 30
    length_normalisation: float = 0.7
    min_words: int = 1
    top_words: int = 5
    any_token: bool = False

    @classmethod
    def preset(cls, name: str, widths: tuple[int, ...] | None = None) -> SearchOptions:
        """The options of a named preset, for beam widths of one's own.

        Raises:
            SearchError: there is no preset of that name.
        """
        if name not in PRESETS:
            raise SearchError(f"expected a preset out of {', '.join(PRESETS)}, got {name!r}")
        return replace(PRESETS[name], widths=PRESETS[name].widths if widths is None else widths)

    def __post_init__(self) -> None:
        if not self.widths or not all(isinstance(width, int) and 1 <= width <= MAX_WIDTH for width in self.widths):
            raise SearchError(f"expected beam widths of 1 to {MAX_WIDTH}, got {self.widths}")
        if list(self.widths) != sorted(set(self.widths)):
            raise SearchError(f"expected ascending beam widths, none twice, got {self.widths}")
        if self.max_steps < 1:
            raise SearchError(f"expected a limit of 1 step or more, got {self.max_steps}")
        a = self.length_normalisation
        if not (math.isfinite(a) and 0 <= a <= MAX_LENGTH_NORMALISATION):
            raise SearchError(f"expected a length normalisation of 0 to {MAX_LENGTH_NORMALISATION:g}, got {a}")
        if not 0 <= self.min_words < self.max_steps:
            raise SearchError(f"expected a least number of words of 0 to {self.max_steps - 1}, got {self.min_words}")
        if self.top_words < 1:
            raise SearchError(f"expected 1 top word or more per step, got {self.top_words}")


# "tutorial" is what the PyTorch tutorial's caption.py does: the plain sum of log-probabilities ranks, every token may
# come at any step, and its loop breaks off after its 51st.
DEFAULT_PRESET = "saywhere"
PRESETS = {
    DEFAULT_PRESET: SearchOptions(),
    "tutorial": SearchOptions(max_steps=51, length_normalisation=0.0, min_words=0, any_token=True),
}
