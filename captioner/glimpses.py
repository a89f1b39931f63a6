"""What the decoder said while a search went on: one glimpse per prefix, however many beams went through it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from captioner.errors import RecordError

Word = TypeVar("Word", int, str)  # a token in the search, a word of the vocabulary outside it
Alternatives = tuple[tuple[Word, float], ...]
ROUNDING = 1e-4  # what it may add to a number at the end of its range


@dataclass(frozen=True, eq=False)  # arrays have no truth value to compare with
class Glimpses(Generic[Word]):
    """M glimpses of one photo: what the decoder said at every distinct prefix a search advanced, at all its widths.

    A glimpse belongs to the prefix: every word that could follow was chosen from the same one, taken or pruned.

    Attributes:
        attention: (M, L) in a search, (M, H, W) in a description; each map sums to 1.
        gate: (M,) mean of the gate, 0 (context shut out) to 1.
        alternatives: per glimpse, the best few (word, log-probability) that could follow, best first; none at a
            dead end.

    Raises:
        RecordError: the parts do not hold together, or a number lies outside its range.
    """

    attention: NDArray[np.float32]
    gate: NDArray[np.float32]
    alternatives: tuple[Alternatives[Word], ...]

    def __post_init__(self) -> None:
        if self.attention.ndim not in (2, 3):
            raise RecordError(
                f"expected attention (glimpses, cells) or (glimpses, height, width), got {self.attention.shape}"
            )
        check_readings(self.attention, self.gate, self.alternatives, len(self.attention), "glimpse")

    def __len__(self) -> int:
        return len(self.gate)


def check_readings(
    attention: NDArray[np.float32],
    gate: NDArray[np.float32],
    alternatives: Sequence[Alternatives[Word]],
    count: int,
    of: str,
) -> None:
    """Refuse what no decoder can have said.

    Args:
        attention: (count, ...), a map per item.
        gate: (count,).
        alternatives: per item (word, log-probability).
        count: how many items there are.
        of: what an item is called in the message.

    Raises:
        RecordError: a length is wrong, or a number lies outside its range.
    """
    if gate.shape != (count,):
        raise RecordError(f"expected gate for {count} {of}s, got shape {gate.shape}")
    if len(alternatives) != count:
        raise RecordError(f"expected alternatives for {count} {of}s, got {len(alternatives)}")
    sums = attention.sum(axis=tuple(range(1, attention.ndim)))  # (count,)
    if not (np.abs(sums - 1.0) <= 1e-2).all() or (attention < 0).any():
        raise RecordError(f"expected attention that is not negative and sums to 1 for every {of}")
    if not ((gate >= 0) & (gate <= 1 + ROUNDING)).all():
        raise RecordError(f"expected a gate of 0 to 1 for every {of}")
    said = [log_prob for item in alternatives for _, log_prob in item]
    if not math.isfinite(sum(said)) or max(said, default=0.0) > ROUNDING:
        raise RecordError(
            f"expected alternatives with log-probabilities that are finite and not above 0 for every {of}"
        )


NO_GLIMPSES: Glimpses[str] = Glimpses(np.zeros((0, 0, 0), np.float32), np.zeros(0, np.float32), ())
