"""Words said twice: how often captions repeat themselves, and how often people do.

A caption says a word twice when it has it more than once, whatever stands between; that is counted for content words,
all but `FUNCTION_WORDS`. Said twice in a row is counted for every word. Words are compared in lower case, as they are
spelt: "dog" and "dogs" are two words, because people set one beside many on purpose ("a dog beside two smaller dogs").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from captioner.errors import DataError
from captioner.function_words import FUNCTION_WORDS
from captioner.vocabulary import tokenize

REPEATS_HEADER = "said twice  in a row"


@dataclass(frozen=True)
class Repeats:
    """What captions repeat.

    Attributes:
        captions: how many there are, 1 or more.
        said_twice: captions that have a content word more than once.
        in_a_row: captions that have any word twice in a row.
    """

    captions: int
    said_twice: int
    in_a_row: int

    def __post_init__(self) -> None:
        if self.captions < 1 or not all(0 <= own <= self.captions for own in (self.said_twice, self.in_a_row)):
            raise DataError(f"expected counts out of one caption or more, got {self}")

    @property
    def said_twice_share(self) -> float:
        """Share of the captions that have a content word more than once, 0 to 1."""
        return self.said_twice / self.captions

    @property
    def in_a_row_share(self) -> float:
        """Share of the captions that have any word twice in a row, 0 to 1."""
        return self.in_a_row / self.captions

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        names = ("captions", "said_twice", "said_twice_share", "in_a_row", "in_a_row_share")
        return {name: getattr(self, name) for name in names}

    def table_line(self) -> str:
        """Both shares in percent, in the columns of `REPEATS_HEADER`."""
        return f"{100 * self.said_twice_share:10.1f}  {100 * self.in_a_row_share:8.1f}"


def words_said_twice(words: Sequence[str]) -> tuple[str, ...]:
    """The content words that stand more than once among lower-case words, in the order of their first mention.

    >>> words_said_twice(["a", "boat", "boat", "on", "a", "boat"])
    ('boat',)
    """
    return tuple(word for word, count in Counter(words).items() if count > 1 and word not in FUNCTION_WORDS)


def words_in_a_row(words: Sequence[str]) -> tuple[str, ...]:
    """The words, of any kind, that follow themselves, each once, in the order of their first mention.

    >>> words_in_a_row(["a", "boat", "boat", "on", "the", "the", "water"])
    ('boat', 'the')
    """
    return tuple(dict.fromkeys(word for word, following in pairwise(words) if word == following))


def find_repeats(caption: str) -> dict[str, list[str]]:
    """What one caption, as written, repeats: "said_twice" and "in_a_row" with their words; empty where it does not."""
    words = tokenize(caption)
    found = {"said_twice": words_said_twice(words), "in_a_row": words_in_a_row(words)}
    return {name: list(repeated) for name, repeated in found.items() if repeated}


def count_repeats(captions: Iterable[str]) -> Repeats:
    """Count the captions that repeat something.

    Raises:
        DataError: there is no caption.
    """
    found = [find_repeats(caption) for caption in captions]
    return Repeats(len(found), sum("said_twice" in own for own in found), sum("in_a_row" in own for own in found))
