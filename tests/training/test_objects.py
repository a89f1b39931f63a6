"""Objects in captions: what names what, and recall, CHAIR and dogs counted by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from captioner.errors import DataError
from captioner.training.data import Example
from captioner.training.nouns import singular
from captioner.training.object_names import LIST, ObjectNames, coco_names
from captioner.training.objects import Category, ObjectReport, measure_objects
from captioner.training.phrases import Label
from captioner.vocabulary import tokenize


def example(name: str, labels: tuple[str, ...] = (), captions: tuple[str, ...] = ("Something .",)) -> Example:
    return Example(name, Path(name), "val", captions, tuple(map(Label, labels)))


def named(caption: str) -> list[set[str]]:
    return [set(mention.classes) for mention in coco_names().mentions(tokenize(caption))]


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        *[("dogs", "dog"), ("horses", "horse"), ("buses", "bus"), ("benches", "bench"), ("glasses", "glasses")],
        *[("puppies", "puppy"), ("ties", "tie"), ("women", "woman"), ("firemen", "fireman"), ("people", "person")],
        *[("children", "child"), ("grandchildren", "grandchild"), ("knives", "knife"), ("dresses", "dress")],
        *[("bus", "bus"), ("grass", "grass"), ("tennis", "tennis"), ("'s", "'s"), ("dog", "dog"), ("boxes", "box")],
    ],
)
def test_plurals_become_singular(plural: str, expected: str) -> None:
    assert singular(plural) == expected


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A dog .", [{"dog"}]),
        ("Two dogs and puppies", [{"dog"}, {"dog"}]),
        ("A hot dog .", [{"hot dog"}]),
        ("Hot dogs for a dog", [{"hot dog"}, {"dog"}]),
        ("a teddy bear and a bear", [{"teddy bear"}, {"bear"}]),
        ("traffic lights beside fire hydrants", [{"traffic light"}, {"fire hydrant"}]),
        ("The women's purse", [{"person"}, {"handbag"}]),
        ("tennis players with rackets", [{"person"}, {"tennis racket"}]),
        ("a baby elephant with a baby", [{"elephant"}, {"person"}]),
        ("an orange shirt", []),
        ("three oranges", [{"orange"}]),
        ("a bus stop", []),
        ("a bus at a stop", [{"bus"}]),
        ("a couple of cats", [{"cat"}]),
        ("a couple on a bike", [{"person"}, {"bicycle", "motorcycle"}]),
        ("a glass of wine and wine glasses", [{"wine glass"}, {"wine glass"}]),
        ("a man wearing glasses", [{"person"}]),
        ("a boy ties his shoe", [{"person"}]),
        ("men in ties", [{"person"}, {"tie"}]),
        ("the catcher's mitt", [{"baseball glove"}]),
        ("a train on train tracks", [{"train"}]),
        ("a T-shirt .", []),
        ("", []),
    ],
)
def test_captions_name_objects(caption: str, expected: list[set[str]]) -> None:
    assert named(caption) == expected


def test_the_list_holds_the_80_classes_each_by_its_own_name() -> None:
    classes = coco_names().classes
    assert len(classes) == 80
    for name in classes:
        assert named(name) == ([{name}] if name != "orange" else [])
    for name, own in classes.items():
        assert len(own) == len(set(own)), name
        assert all(name in set().union(*named(other)) for other in own), name


def test_a_list_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(DataError, match="'hot dog' is listed both for 'food' and for no object"):
        ObjectNames({"food": ("hot dog",)}, ("hot dog",))
    with pytest.raises(DataError, match=r"expected a name with words, got '\?'"):
        ObjectNames({"food": ("?",)})
    assert ObjectNames({}).mentions(["a", "dog"]) == []
    assert set(json.loads(LIST.read_text(encoding="utf-8"))) == {"classes", "no_objects"}


def test_recall_and_chair_by_hand() -> None:
    examples = [
        example("cat.png", ("cat", "chair"), ("A kitten on a chair .", "It sleeps on a book .")),
        example("dog.png", ("dog", "person"), ("A man and his dog .",)),
        example("bus.png", ("bus",)),
        example("plain.png", (), ("A hill .",)),
        example("own.png", ("volcano",), ("A puppy .",)),  # none of the classes: only its dog counts
    ]
    captions = {
        "cat.png": "a dog on a book and a cat",  # the dog is invented; the book is known from a human caption
        "dog.png": "two puppies",
        "bus.png": "a dog and a dog on a table",
        "plain.png": "a dog",
        "own.png": "a cat",
    }
    report = measure_objects(examples, captions)
    assert report is not None
    assert (report.photos, report.named) == (3, 2)
    assert report.recall == pytest.approx(2 / 3)
    assert (report.mentions, report.invented, report.inventing) == (3 + 1 + 3, 1 + 0 + 3, 2)
    assert report.chair_i == pytest.approx(4 / 7)
    assert report.chair_s == pytest.approx(2 / 3)
    assert (report.dogless, report.dogs_said, report.dog_share) == (3, 3, 1.0)
    assert report.categories == (
        Category("dog", 1, 1, 3),
        Category("bus", 1, 0, 0),
        Category("cat", 1, 1, 0),
        Category("chair", 1, 0, 0),
        Category("person", 1, 0, 0),
        Category("dining table", 0, 0, 1),
    )


def test_categories_come_most_photos_first() -> None:
    examples = [example("a", ("cat",)), example("b", ("cat", "cup")), example("c", ("bed",))]
    report = measure_objects(examples, {"a": "a cat", "b": "a cup", "c": "a zebra and a sofa and a zebra"})
    assert report is not None
    assert report.categories == (
        Category("cat", 2, 1, 0),
        Category("bed", 1, 0, 0),
        Category("cup", 1, 1, 0),
        Category("zebra", 0, 0, 2),
        Category("couch", 0, 0, 1),
    )


def test_a_name_of_several_classes_is_invented_only_where_none_is_there() -> None:
    captions = {"a": "a bike", "b": "a bike"}
    report = measure_objects([example("a", ("motorcycle",)), example("b", ("car",))], captions)
    assert report is not None
    assert (report.named, report.mentions, report.invented) == (1, 2, 1)
    assert {c.name: c.invented for c in report.categories} == {"motorcycle": 1, "bicycle": 1, "car": 0}


@pytest.mark.parametrize(
    ("caption", "said"),
    [("a dog", 1), ("dogs", 1), ("a hot dog", 0), ("a puppy", 0), ("a sheep dog", 1), ("a doghouse", 0), ("", 0)],
)
def test_a_hot_dog_is_no_dog(caption: str, said: int) -> None:
    report = measure_objects([example("a", ("hot dog",))], {"a": caption})
    assert report is not None
    assert (report.dogless, report.dogs_said) == (1, said)


def test_a_dog_in_a_human_caption_is_there() -> None:
    report = measure_objects([example("a", ("cat",), ("A terrier .",))], {"a": "a dog"})
    assert report is not None
    assert (report.dogless, report.dog_share, report.invented) == (0, None, 0)


def test_photos_without_labels_have_no_report() -> None:
    assert measure_objects([example("a"), example("b", ("volcano",))], {"a": "a dog", "b": "a cat"}) is None


def test_silence_has_no_chair() -> None:
    report = measure_objects([example("a", ("cat",))], {"a": "nothing at all"})
    assert report is not None
    assert (report.recall, report.chair_i, report.chair_s) == (0, None, 0)
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "wrong", [{"photos": 0}, {"named": 9}, {"invented": 3}, {"inventing": 2}, {"dogs_said": 4}, {"inventing": 9}]
)
def test_impossible_counts_are_refused(wrong: dict[str, Any]) -> None:
    counts = {"photos": 4, "named": 2, "mentions": 2, "invented": 1, "inventing": 1, "dogless": 3, "dogs_said": 1}
    ObjectReport(**counts, categories=())
    with pytest.raises(DataError, match="expected"):
        ObjectReport(**{**counts, **wrong}, categories=())
    with pytest.raises(DataError, match="at most as many photos named"):
        Category("cat", 1, 2, 0)
