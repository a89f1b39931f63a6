"""One caption of a photo, free of any framework: words, and where each of them looked, as NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from captioner.errors import RecordError
from captioner.glimpses import ROUNDING, Alternatives, check_readings
from captioner.vocabulary import detokenize

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)  # arrays have no truth value to compare with
class Caption:
    """One caption of one photo, with where each of its T words looked on the H x W grid.

    Attributes:
        words: T words.
        log_probs: (T,) natural-log probability of each word given those before it, <= 0.
        end_log_prob: log-probability of stopping after the last word; None when unfinished.
        attention: (T, H, W), each map sums to 1; computed just before the word was chosen.
        gate: (T,) mean of the gate, 0 (context shut out) to 1.
        alternatives: per word, the best few (word, log-probability) of that step, best first.
        score: what the search ranked by, the length-normalised log-probability.
        finished: whether the model chose to stop, rather than being cut off.

    Raises:
        RecordError: the parts do not hold together, or a number lies outside its range.
    """

    words: tuple[str, ...]
    log_probs: Floats
    end_log_prob: float | None
    attention: Floats
    gate: Floats
    alternatives: tuple[Alternatives[str], ...]
    score: float
    finished: bool

    def __post_init__(self) -> None:
        count = len(self.words)
        if self.attention.ndim != 3 or len(self.attention) != count:
            raise RecordError(f"expected attention ({count}, height, width), got {self.attention.shape}")
        if self.log_probs.shape != (count,):
            raise RecordError(f"expected log_probs for {count} words, got shape {self.log_probs.shape}")
        check_readings(self.attention, self.gate, self.alternatives, count, "word")
        if self.finished != (self.end_log_prob is not None):
            raise RecordError("expected end_log_prob for a finished caption and none for an unfinished one")
        said = np.append(self.log_probs, [self.score, self.end_log_prob or 0.0])
        if not np.isfinite(said).all() or said.max() > ROUNDING:
            raise RecordError("expected log-probabilities and a score that are finite and not above 0")

    @property
    def text(self) -> str:
        """The words as people read them."""
        return detokenize(self.words)

    @property
    def log_prob(self) -> float:
        """Log-probability of the whole caption, its end included when finished."""
        return float(self.log_probs.sum(dtype=np.float64)) + (self.end_log_prob or 0.0)

    @property
    def probabilities(self) -> Floats:
        """(T,) probability of each word given those before it."""
        probabilities: Floats = np.exp(self.log_probs)
        return probabilities

    @property
    def effective_cells(self) -> Floats:
        """(T,) exp of the map's entropy: 1 when one cell has all the weight, H * W when all share it evenly."""
        return effective_cells(self.attention)


def effective_cells(attention: NDArray[np.floating[Any]]) -> Floats:
    """(T,) exp of the entropy of each map of (T, H, W): 1 to H * W cells."""
    weights = attention.astype(np.float64)
    entropy = -(weights * np.log(np.where(weights > 0, weights, 1.0))).sum(axis=(1, 2))  # (T,); 0 log 0 is 0
    cells: Floats = np.exp(entropy).astype(np.float32)
    return cells
