"""Hand-computable models for the beam search: a language gives the log-probabilities after a prefix."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.beam_search import SearchOptions, SearchResult, SearchTokens, StepResult, beam_search
from textbook import Language

START, END = 0, 1
A, B, C, D = 2, 3, 4, 5
TOKENS = SearchTokens(start=START, end=END, banned=(START,))
CELLS = 6  # a grid of 2 x 3

# From (row) to (column) with this probability. The greedy path is A C D; A D is more probable as a whole.
TABLE = [
    # START END  A     B     C     D
    [0.00, 0.00, 0.60, 0.40, 0.00, 0.00],  # START
    [0.00, 1.00, 0.00, 0.00, 0.00, 0.00],  # END
    [0.00, 0.10, 0.00, 0.00, 0.50, 0.40],  # A
    [0.00, 0.06, 0.00, 0.00, 0.90, 0.04],  # B
    [0.00, 0.30, 0.10, 0.20, 0.00, 0.40],  # C
    [0.00, 0.80, 0.15, 0.00, 0.05, 0.00],  # D
]


def table_language(table: Sequence[Sequence[float]]) -> Language:
    """A language in which only the last word counts; `table` holds probabilities."""
    rows = [[math.log(p) if p else -math.inf for p in row] for row in table]
    return lambda words: rows[words[-1] if words else START]


def random_language(seed: int, vocabulary: int, peak: float) -> Language:
    """A language in which every word of the prefix counts; a higher peak makes it surer of itself."""

    def log_probs(words: tuple[int, ...]) -> list[float]:
        logits = peak * np.random.default_rng([seed, len(words), *words]).normal(size=vocabulary)
        exact: NDArray[np.float64] = logits - np.log(np.exp(logits).sum())
        return [float(value) for value in exact.astype(np.float32)]  # what a step can give without rounding

    return log_probs


def attention_after(words: Sequence[int]) -> NDArray[np.float32]:
    """(CELLS,) the attention of the step that follows `words`; different for every prefix."""
    weights = np.random.default_rng([99, len(words), *words]).random(CELLS)
    normalised: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return normalised


def gate_after(words: Sequence[int]) -> float:
    """The mean gate of the step that follows `words`; different for every prefix."""
    return float(np.float32(np.random.default_rng([98, len(words), *words]).random()))


@dataclass(frozen=True)
class Prefixes:
    """A search state that remembers all tokens given so far, so that a row mixed up with another shows."""

    tokens: Tensor  # (G, R, t)

    @classmethod
    def start(cls, groups: int = 1) -> Prefixes:
        """Nothing given yet, one row per group."""
        return cls(torch.zeros((groups, 1, 0), dtype=torch.int64))

    def take(self, rows: Tensor) -> Prefixes:
        """Row r of group g becomes row rows[g, r]."""
        group = torch.arange(len(rows)).unsqueeze(1)  # (G, 1)
        return Prefixes(self.tokens[group, rows])


class LanguageStep:
    """A step function over one language per group; keeps the prefixes it was asked about, [step][group][row]."""

    def __init__(self, *languages: Language) -> None:
        self.languages = languages
        self.asked: list[list[list[tuple[int, ...]]]] = []

    def __call__(self, token_ids: Tensor, state: Prefixes) -> StepResult:
        """Log-probabilities, attention and gate after each row's prefix."""
        assert token_ids.shape == state.tokens.shape[:2] == (len(self.languages), token_ids.shape[1])
        assert token_ids.dtype == torch.int64
        given = torch.cat([state.tokens, token_ids.unsqueeze(-1)], dim=-1)  # (G, R, t + 1)
        prefixes = [[tuple(row[1:]) for row in rows] for rows in given.tolist()]  # without <start>
        self.asked.append(prefixes)
        return StepResult(
            torch.tensor(
                [[language(p) for p in rows] for language, rows in zip(self.languages, prefixes, strict=True)]
            ),
            torch.from_numpy(np.array([[attention_after(p) for p in rows] for rows in prefixes])),
            torch.tensor([[gate_after(p) for p in rows] for rows in prefixes]),
            Prefixes(given),
        )


def search(
    language: Language, options: SearchOptions, tokens: SearchTokens = TOKENS, prefix: tuple[int, ...] = ()
) -> dict[int, SearchResult]:
    """What all widths find in one group."""
    return beam_search(LanguageStep(language), Prefixes.start(), tokens, options, prefix=prefix)[0]


def outcome(result: SearchResult) -> list[tuple[tuple[int, ...], float, bool]]:
    """(words, score, finished) of each hypothesis, best first."""
    return [(hypothesis.tokens, hypothesis.score, hypothesis.finished) for hypothesis in result.hypotheses]


def brute_force(language: Language, words: range, max_steps: int) -> dict[tuple[int, ...], float]:
    """Total of every sequence there is: finished within max_steps tokens, or max_steps words long."""
    totals = {}
    for length in range(max_steps + 1):
        for sequence in itertools.product(words, repeat=length):
            tokens = (*sequence, END) if length < max_steps else sequence
            totals[sequence] = sum(language(tokens[:place])[token] for place, token in enumerate(tokens))
    return totals
