"""Which words of a caption name which of the 80 COCO classes; the list itself is `objects.json` beside this file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from captioner.errors import DataError
from captioner.training.nouns import singular
from captioner.vocabulary import tokenize

Words = tuple[str, ...]
LIST = Path(__file__).with_name("objects.json")


class Mention(NamedTuple):
    """A place where a caption names an object: its words, the classes it may mean ("bike": two of them), and the place
    of its first word in the caption."""

    words: Words
    classes: frozenset[str]
    first: int


@dataclass(frozen=True)
class ObjectNames:
    """Names of object classes.

    Args:
        classes: class to its names, in the singular; one name may stand for several classes. A plural is given only
            where it is irregular or means something else ("oranges", while "orange" is mostly a colour).
        no_objects: names in which the name of a class means none ("bus stop").

    Raises:
        DataError: a name has no word, or names both a class and no object.
    """

    classes: Mapping[str, Sequence[str]]
    no_objects: Sequence[str] = ()
    _meanings: dict[Words, frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        meanings: dict[Words, frozenset[str]] = {}
        for name, own in self.classes.items():
            for words in _words(own):
                meanings[words] = meanings.get(words, frozenset()) | {name}
        for words in _words(self.no_objects):
            if words in meanings:
                raise DataError(f"{' '.join(words)!r} is listed both for {min(meanings[words])!r} and for no object")
            meanings[words] = frozenset()
        object.__setattr__(self, "_meanings", meanings)

    def mentions(self, words: Sequence[str]) -> list[Mention]:
        """The objects that a caption's lower-case words name, in their order.

        The longest name wins: a "hot dog" names no dog and a "teddy bear" no bear.
        """
        found = []
        longest = max(map(len, self._meanings), default=0)
        first = 0
        while first < len(words):
            starting = (tuple(words[first : first + count]) for count in range(longest, 0, -1))
            said = next((name for name in starting if self._meaning(name) is not None), (words[first],))
            classes = self._meaning(said)
            if classes:
                found.append(Mention(said, classes, first))
            first += len(said)
        return found

    def named_in(self, captions: Iterable[str]) -> frozenset[str]:
        """Every class that captions, as written, may mean."""
        return frozenset().union(*(m.classes for caption in captions for m in self.mentions(tokenize(caption))))

    def _meaning(self, said: Words) -> frozenset[str] | None:
        """The classes of a name as it is said, else of its singular; None when it is not listed."""
        meaning = self._meanings.get(said)
        return self._meanings.get((*said[:-1], singular(said[-1]))) if meaning is None else meaning


@cache
def coco_names() -> ObjectNames:
    """The names of the 80 COCO classes."""
    content = json.loads(LIST.read_text(encoding="utf-8"))
    return ObjectNames(content["classes"], content["no_objects"])


def _words(names: Iterable[str]) -> Iterable[Words]:
    for name in names:
        words = tuple(tokenize(name))
        if not words:
            raise DataError(f"expected a name with words, got {name!r}")
        yield words
