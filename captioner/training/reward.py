"""CIDEr-D of single captions, fast enough to be asked a hundred times a step (Vedantam et al. 2015, section 3)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

LONGEST_NGRAM = 4
DEVIATION = 6.0  # of the penalty on a length that differs from the reference's

Ngram = tuple[Hashable, ...]


@dataclass(frozen=True)
class _Weighted:
    """A caption's n-grams: for each n their tf-idf weights and the norm of these, and the caption's length."""

    weights: tuple[dict[Ngram, float], ...]
    norms: tuple[float, ...]
    length: int


class CiderReward:
    """Scores captions against the references of their photos, with document frequencies of all references.

    Tokens may be words or ids. An `<end>` given with references and captions is a token like others: a caption that
    breaks off then scores less (otherwise training on this score teaches captions to end in "with a").

    Args:
        references: photo -> its captions as tokens.
    """

    def __init__(self, references: Mapping[int, Sequence[Sequence[Hashable]]]) -> None:
        counted = {photo: [_ngrams(tokens) for tokens in own] for photo, own in references.items()}
        self.frequencies = Counter(ngram for own in counted.values() for ngram in set().union(*own))
        self.log_photos = math.log(max(len(counted), 1))
        self.references = {photo: [self._weigh(ngrams) for ngrams in own] for photo, own in counted.items()}

    def score(self, photo: int, tokens: Sequence[Hashable]) -> float:
        """CIDEr-D, 0 to 10, of one caption of a photo; KeyError for a photo without references."""
        given = self._weigh(_ngrams(tokens))
        references = self.references[photo]
        return 10 * sum(_likeness(given, reference) for reference in references) / len(references)

    def _weigh(self, ngrams: Counter[Ngram]) -> _Weighted:
        weights: tuple[dict[Ngram, float], ...] = tuple({} for _ in range(LONGEST_NGRAM))
        for ngram, count in ngrams.items():
            weights[len(ngram) - 1][ngram] = count * (self.log_photos - math.log(max(1, self.frequencies[ngram])))
        norms = tuple(math.sqrt(sum(value * value for value in own.values())) for own in weights)
        # The official scorer takes the number of bigrams for the length.
        return _Weighted(weights, norms, sum(count for ngram, count in ngrams.items() if len(ngram) == 2))


def _ngrams(tokens: Sequence[Hashable]) -> Counter[Ngram]:
    return Counter(
        tuple(tokens[start : start + n]) for n in range(1, LONGEST_NGRAM + 1) for start in range(len(tokens) - n + 1)
    )


def _likeness(given: _Weighted, reference: _Weighted) -> float:
    """Mean over n of the clipped cosine of two captions, less for other lengths."""
    total = 0.0
    for own, theirs, norm, other in zip(given.weights, reference.weights, given.norms, reference.norms, strict=True):
        if norm and other:
            shared = sum(min(value, theirs[ngram]) * theirs[ngram] for ngram, value in own.items() if ngram in theirs)
            total += shared / (norm * other)
    penalty = math.exp(-((given.length - reference.length) ** 2) / (2 * DEVIATION**2))
    return penalty * total / LONGEST_NGRAM
