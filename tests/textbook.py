"""Plain textbook versions of clever code: slow, short, written without looking at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

# The log-probability of every token after these words (the words without <start>).
Language = Callable[[tuple[int, ...]], Sequence[float]]


@dataclass
class TextbookBeam:
    """What a plain beam search ends with: (words, total log-probability), in the order in which they ended."""

    finished: list[tuple[tuple[int, ...], float]] = field(default_factory=list)
    cut: list[tuple[tuple[int, ...], float]] = field(default_factory=list)

    def ranked(self, length_normalisation: float) -> list[tuple[tuple[int, ...], float, bool]]:
        """(words, score, finished), finished ones first."""
        done = [(words, total / (len(words) + 1) ** length_normalisation, True) for words, total in self.finished]
        alive = [(words, total / len(words) ** length_normalisation, False) for words, total in self.cut]
        return sorted(done, key=lambda entry: -entry[1]) + sorted(alive, key=lambda entry: -entry[1])


def textbook_beam_search(
    language: Language,
    k: int,
    end: int,
    banned: Sequence[int],
    max_steps: int,
    min_words: int,
    prefix: tuple[int, ...] = (),
) -> TextbookBeam:
    """The PyTorch captioning tutorial's loop for one photo and one width.

    All sequences of the beam are advanced by one word, the k best of the flattened (sequences x vocabulary) scores
    are taken, those that end leave the beam, and k shrinks by their number. A prefix is where the only sequence of
    the first round stands.
    """
    beam = TextbookBeam()
    total = 0.0
    for place, token in enumerate(prefix):
        total += language(prefix[:place])[token]
    sequences = [(prefix, total)]
    for step in range(len(prefix), max_steps):
        flat: list[tuple[float, tuple[int, ...], int]] = []
        for words, total in sequences:
            for token, log_prob in enumerate(language(words)):
                impossible = token in banned or (token == end and step < min_words)
                flat.append((float("-inf") if impossible else total + log_prob, words, token))
        flat.sort(key=lambda entry: entry[0], reverse=True)  # stable: equal totals stay in their flat order
        best = [entry for entry in flat[:k] if entry[0] > float("-inf")]
        sequences = []
        for total, words, token in best:
            if token == end:
                beam.finished.append((words, total))
            else:
                sequences.append(((*words, token), total))
        k = k - (len(best) - len(sequences))
        if k == 0 or not sequences:
            return beam
    beam.cut = sequences
    return beam
