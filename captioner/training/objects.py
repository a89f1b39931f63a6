"""Whether captions name the things that are in the photo, and nothing else.

Naming what is there is counted over photos whose labels name things of the 80 COCO classes. What is not there is
counted as CHAIR does (Rohrbach et al. 2018, "Object Hallucination in Image Captioning", section 2): a thing is there
when a label or any human caption of the photo says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from captioner.errors import DataError
from captioner.training.object_names import Mention, ObjectNames, coco_names
from captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from captioner.training.data import Example

DOG = "dog"
DOG_WORDS = frozenset({"dog", "dogs"})


@dataclass(frozen=True)
class Category:
    """One class of objects.

    Attributes:
        name: the class, as labels have it.
        photos: how many have this label.
        named: of these, how many have a caption that names it.
        invented: times captions of labelled photos name it where it is not; a name of several classes ("bike") counts
            for each of them, and only where none is there.
    """

    name: str
    photos: int
    named: int
    invented: int

    def __post_init__(self) -> None:
        if not 0 <= self.named <= self.photos or self.invented < 0:
            raise DataError(f"expected at most as many photos named as there are, got {self}")


@dataclass(frozen=True)
class ObjectReport:
    """What the captions of one beam width name.

    Attributes:
        photos: whose labels name something of the classes, 1 or more.
        named: of these, how many have a caption that names one of their labels.
        mentions: objects named in the captions of these photos.
        invented: of these, those that are not there.
        inventing: captions, one per photo, with at least one such.
        dogless: photos of the split, labelled or not, for which neither label nor human caption tells of a dog.
        dogs_said: of these, those whose caption says "dog" or "dogs" ("hot dog" is none).
        categories: most photos first.
    """

    photos: int
    named: int
    mentions: int
    invented: int
    inventing: int
    dogless: int
    dogs_said: int
    categories: tuple[Category, ...]

    def __post_init__(self) -> None:
        if self.photos < 1 or not 0 <= self.named <= self.photos or not 0 <= self.inventing <= self.photos:
            raise DataError(f"expected counts of one labelled photo or more, got {self}")
        if not self.inventing <= self.invented <= self.mentions or not 0 <= self.dogs_said <= self.dogless:
            raise DataError(f"expected at most as many objects invented as named, got {self}")

    @property
    def recall(self) -> float:
        """Share of the photos with labels whose caption names one of them, 0 to 1."""
        return self.named / self.photos

    @property
    def chair_i(self) -> float | None:
        """CHAIRi: share of the objects named that are not there, 0 to 1; None when none is named."""
        return self.invented / self.mentions if self.mentions else None

    @property
    def chair_s(self) -> float:
        """CHAIRs: share of the captions that name an object that is not there, 0 to 1."""
        return self.inventing / self.photos

    @property
    def dog_share(self) -> float | None:
        """Share of the captions of photos without a dog that say "dog", 0 to 1; None when all have one."""
        return self.dogs_said / self.dogless if self.dogless else None

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name."""
        names = ("photos", "named", "recall", "mentions", "invented", "chair_i", "inventing", "chair_s", "dogless")
        return {
            **{name: getattr(self, name) for name in (*names, "dogs_said", "dog_share")},
            "categories": {
                category.name: {"photos": category.photos, "named": category.named, "invented": category.invented}
                for category in self.categories
            },
        }


def measure_objects(
    examples: Sequence[Example], captions: Mapping[str, str], names: ObjectNames | None = None
) -> ObjectReport | None:
    """Hold the objects that captions name against labels and human captions.

    Args:
        examples: photos, with labels and without; labels that are none of the classes are passed over.
        captions: filename to the caption to judge, as text.
        names: what names what (default: the COCO classes).

    Returns:
        None when no photo has a label of the classes.
    """
    names = names or coco_names()
    photos, totals = Counter[str](), Counter[str]()
    named, invented = Counter[str](), Counter[str]()
    for example in examples:
        labels = frozenset(label.name for label in example.labels) & names.classes.keys()
        there = labels | names.named_in(example.captions)
        mentions = names.mentions(tokenize(captions[example.filename]))
        if DOG not in there:
            totals["dogless"] += 1
            totals["dogs_said"] += any(_says_dog(mention) for mention in mentions)
        if not labels:
            continue
        said = frozenset().union(*(mention.classes for mention in mentions))
        wrong = [mention for mention in mentions if not mention.classes & there]
        photos.update(labels)
        named.update(labels & said)
        invented.update(name for mention in wrong for name in mention.classes)
        totals.update(photos=1, named=bool(labels & said), mentions=len(mentions))
        totals.update(invented=len(wrong), inventing=bool(wrong))
    if not totals["photos"]:
        return None
    categories = [Category(name, photos[name], named[name], invented[name]) for name in {**photos, **invented}]
    categories.sort(key=lambda category: (-category.photos, -category.invented, category.name))
    return ObjectReport(
        photos=totals["photos"],
        named=totals["named"],
        mentions=totals["mentions"],
        invented=totals["invented"],
        inventing=totals["inventing"],
        dogless=totals["dogless"],
        dogs_said=totals["dogs_said"],
        categories=tuple(categories),
    )


def _says_dog(mention: Mention) -> bool:
    return DOG in mention.classes and not DOG_WORDS.isdisjoint(mention.words)
