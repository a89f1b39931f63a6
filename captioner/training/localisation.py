"""Whether a model's own captions name what is in the photo and look at it: the localisation F1 of Zhou et al. 2019.

After "Grounded Video Description" (section 5 and appendix), whose models choose among boxes; ours have maps, so a word
points right when the centre of its map's highest cell lies in a box, instead of by the overlap of two boxes.

Exactly: an object noun is the singular of a boxed phrase's last word, scenes left out, that the data set has at least
`LEAST_PHRASES` times; words for colours, numbers and sides are none. The objects of a photo are the object nouns of
the boxed phrases of all its sentences, each with the boxes of all phrases that end with it. Words said are the object
nouns of the caption, each noun once, with the map at its first mention; a noun that the photo's sentences use without
a box is passed over. A word said is named right when it is an object of the photo, and points right when its map then
does. With

    precision_all = points right / said      recall_all = points right / objects of the photos

F1_all is their harmonic mean, and F1_loc = points right / named right: there recall asks for the named objects alone,
so precision and recall are one number. As in the paper, both are means over nouns (of the nouns that these photos are
annotated with; one never said counts 0), where rare nouns weigh as much as "man"; `pooled` counts all words alike.
The paper matches one caption with one sentence; here a photo's five sentences together say what is there, so recall
asks more than any caption can say, and F1_all is comparable between runs of this program only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from captioner.errors import DataError
from captioner.function_words import FUNCTION_WORDS
from captioner.training.grounding import SCENE
from captioner.training.nouns import singular
from captioner.training.pointing import centre_hit, pointing
from captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.training.data import Example
    from captioner.training.views import Box

LEAST_PHRASES = 50  # as in the paper: rarer nouns would each weigh as much as "man"
# Last words of phrases that are no things: "a man in blue", "the top"; function words ("the other") are none either.
_NO_THINGS = (
    "back black blue bottom brown front gold gray green grey left middle orange pink purple red right side silver tan "
    "thing top white yellow"
)
NOT_OBJECTS = FUNCTION_WORDS | frozenset(_NO_THINGS.split())


@dataclass(frozen=True)
class NounCount:
    """What happened to one object noun, or to all: times it was said, is an object, was named right, pointed right,
    and would have been pointed at by the centre of the photo."""

    said: int = 0
    objects: int = 0
    named: int = 0
    pointed: int = 0
    centre: int = 0

    def __post_init__(self) -> None:
        if not 0 <= max(self.pointed, self.centre) <= self.named <= min(self.said, self.objects):
            raise DataError(f"expected at most as many right as said or there, got {self}")

    @property
    def precision(self) -> float:
        """Share of the words said that point right, 0 to 1; 0 when none was said."""
        return self.pointed / self.said if self.said else 0.0

    @property
    def recall(self) -> float:
        """Share of the objects that are pointed at, 0 to 1; 0 when there is none."""
        return self.pointed / self.objects if self.objects else 0.0

    @property
    def located(self) -> float:
        """Share of the words named right that point right, 0 to 1; 0 when there is none."""
        return self.pointed / self.named if self.named else 0.0


@dataclass(frozen=True)
class Localisation:
    """The localisation of a model's captions; the module says how it is counted.

    Attributes:
        photos: with objects.
        nouns: object nouns that these photos are annotated with.
        pooled: all nouns together.
        precision, recall: of F1_all, means over the nouns, 0 to 1.
        f1_loc: mean over the nouns, 0 to 1.
    """

    photos: int
    nouns: int
    pooled: NounCount
    precision: float
    recall: float
    f1_loc: float

    @property
    def f1_all(self) -> float:
        """Over the nouns, 0 to 1."""
        return harmonic_mean(self.precision, self.recall)

    @property
    def pooled_f1_all(self) -> float:
        """Over all words, 0 to 1."""
        return harmonic_mean(self.pooled.precision, self.pooled.recall)

    @property
    def pooled_f1_loc(self) -> float:
        """Over all words, 0 to 1."""
        return self.pooled.located

    @property
    def centre_f1_loc(self) -> float:
        """What `pooled_f1_loc` would be if every word pointed at the centre of the photo, 0 to 1."""
        return self.pooled.centre / self.pooled.named if self.pooled.named else 0.0

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        names = ("f1_all", "f1_loc", "pooled_f1_all", "pooled_f1_loc", "centre_f1_loc")
        return {
            "photos": self.photos,
            "nouns": self.nouns,
            **{name: getattr(self, name) for name in names},
            "pooled": asdict(self.pooled),
        }


def harmonic_mean(precision: float, recall: float) -> float:
    """2 p r / (p + r); 0 when both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def object_nouns(examples: Sequence[Example], least: int = LEAST_PHRASES) -> frozenset[str]:
    """The nouns, in the singular, that end at least `least` phrases with boxes, scenes left out."""
    counts: Counter[str] = Counter()
    for example in examples:
        for sentence in example.sentences:
            words = tokenize(sentence.caption)
            heads = [singular(words[p.end - 1]) for p in sentence.phrases if p.boxes and SCENE not in p.types]
            counts.update(heads)
    return frozenset(noun for noun, count in counts.items() if count >= least and noun not in NOT_OBJECTS)


def localise(examples: Sequence[Example], captions: Sequence[Caption], nouns: frozenset[str]) -> Localisation | None:
    """Count how often the captions name objects and point at them.

    Args:
        examples: photos; those without objects are passed over.
        captions: one for each photo.
        nouns: the object nouns (see `object_nouns`).

    Returns:
        None when no photo has an object.
    """
    counts: dict[str, Counter[str]] = {}
    photos = 0
    for example, caption in zip(examples, captions, strict=True):
        objects = _objects(example, nouns)
        photos += bool(objects)
        for noun in objects:
            counts.setdefault(noun, Counter())["objects"] += 1
        if objects:
            _count_words(example, caption, objects, nouns, counts)
    annotated = [NounCount(**count) for count in counts.values() if count["objects"]]
    if not annotated:
        return None
    pooled = NounCount(**sum(counts.values(), Counter()))
    precision, recall, located = (
        float(np.mean([getattr(count, name) for count in annotated])) for name in ("precision", "recall", "located")
    )
    return Localisation(photos, len(annotated), pooled, precision, recall, located)


def _objects(example: Example, nouns: frozenset[str]) -> dict[str, list[Box]]:
    """The photo's objects and where they are."""
    objects: dict[str, list[Box]] = {}
    for sentence in example.sentences:
        words = tokenize(sentence.caption)
        for phrase in sentence.phrases:
            noun = singular(words[phrase.end - 1])
            if phrase.boxes and SCENE not in phrase.types and noun in nouns:
                objects[noun] = list(dict.fromkeys([*objects.get(noun, ()), *phrase.boxes]))
    return objects


def _count_words(
    example: Example,
    caption: Caption,
    objects: Mapping[str, list[Box]],
    nouns: frozenset[str],
    counts: dict[str, Counter[str]],
) -> None:
    """Add what the words of one caption do to `counts`."""
    spoken_of = {singular(word) for sentence in example.sentences for word in tokenize(sentence.caption)}
    said = [singular(word) for word in caption.words]
    for noun in dict.fromkeys(said):
        if noun not in nouns or (noun in spoken_of and noun not in objects):
            continue
        count = counts.setdefault(noun, Counter())
        count["said"] += 1
        if noun in objects:
            place = said.index(noun)
            attention = caption.attention[place : place + 1].astype(np.float64)  # (1, H, W)
            count["named"] += 1
            count["pointed"] += int(pointing(attention, objects[noun])[0] > 0.5)
            count["centre"] += int(centre_hit(objects[noun]))
