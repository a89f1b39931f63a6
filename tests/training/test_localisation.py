"""Localisation F1 of generated captions, counted by hand on a grid of 1 x 2 cells: left and right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import caption
from captioner.caption import Caption
from captioner.errors import DataError
from captioner.training.data import Example
from captioner.training.localisation import NounCount, harmonic_mean, localise, object_nouns
from captioner.training.phrases import Phrase, Sentence
from captioner.training.views import Box

LEFT: Box = (0.0, 0.0, 0.4, 1.0)
RIGHT: Box = (0.6, 0.0, 1.0, 1.0)
NOUNS = frozenset({"man", "dog", "ball", "cat"})


def said(text: str, sides: str) -> Caption:
    """A caption whose words look left (l) or right (r), one letter each."""
    words = tuple(text.split())
    maps = [[[0.9, 0.1]] if side == "l" else [[0.1, 0.9]] for side in sides]
    return replace(caption(words, 1, 2), attention=np.array(maps, dtype=np.float32))


def sentence(text: str, *phrases: tuple[int, int, Box | None], kind: str = "other") -> Sentence:
    return Sentence(text, tuple(Phrase(first, end, (kind,), (box,) if box else ()) for first, end, box in phrases))


def example(*sentences: Sentence) -> Example:
    return Example("a.png", Path("a.png"), "val", tuple(s.caption for s in sentences), sentences=sentences)


MAN_LEFT_DOG_RIGHT = example(
    sentence("A man and his dogs .", (0, 2, LEFT), (3, 5, RIGHT)), sentence("A man .", (0, 2, LEFT))
)


def test_words_that_name_and_point_right_by_hand() -> None:
    found = localise([MAN_LEFT_DOG_RIGHT], [said("a man with a dog", "rlrrl")], NOUNS)
    assert found is not None
    # Two objects, both said and named; the man's map points to him, the dog's does not.
    assert found.pooled == NounCount(said=2, objects=2, named=2, pointed=1, centre=0)
    assert (found.photos, found.nouns) == (1, 2)
    assert (found.precision, found.recall, found.f1_loc) == (0.5, 0.5, 0.5)
    assert (found.f1_all, found.pooled_f1_all, found.pooled_f1_loc, found.centre_f1_loc) == (0.5, 0.5, 0.5, 0.0)


def test_what_is_not_there_counts_against_f1_all_alone() -> None:
    found = localise([MAN_LEFT_DOG_RIGHT], [said("a man with a ball", "rlrrl")], NOUNS)
    assert found is not None
    assert found.pooled == NounCount(said=2, objects=2, named=1, pointed=1)
    assert (found.pooled_f1_all, found.pooled_f1_loc) == (0.5, 1.0)
    # Over the annotated nouns, man and dog: the dog, never said, counts 0 in both; the ball is no noun of these photos.
    assert (found.precision, found.recall, found.f1_loc) == (0.5, 0.5, 0.5)


def test_a_noun_the_photo_is_not_annotated_with_is_passed_over_when_people_said_it() -> None:
    seen = example(sentence("A man with a ball .", (0, 2, LEFT), (3, 5, None)), sentence("A cat .", kind="scene"))
    found = localise([seen], [said("a man and a ball and a cat and a dog", "lllllllllll")], NOUNS)
    assert found is not None
    assert found.pooled == NounCount(said=2, objects=1, named=1, pointed=1)  # man, and the dog nobody saw


def test_plurals_and_repetitions_are_one_noun_at_its_first_mention() -> None:
    found = localise([MAN_LEFT_DOG_RIGHT], [said("dogs and dog and men", "rrlll")], NOUNS)
    assert found is not None
    assert found.pooled == NounCount(said=2, objects=2, named=2, pointed=2)


def test_all_boxes_of_a_noun_count() -> None:
    seen = example(sentence("A man and a man .", (0, 2, LEFT), (3, 5, RIGHT)))
    for side in "lr":
        found = localise([seen], [said("man", side)], NOUNS)
        assert found is not None
        assert found.pooled == NounCount(said=1, objects=1, named=1, pointed=1)


def test_several_photos_are_averaged_over_nouns_or_pooled() -> None:
    only_man = example(sentence("A man .", (0, 2, (0.0, 0.0, 1.0, 1.0))))
    nothing = example(sentence("A sky .", (0, 2, None)))
    captions = [said("a man and a dog", "llllr"), said("a dog", "ll"), said("a dog", "ll")]
    found = localise([MAN_LEFT_DOG_RIGHT, only_man, nothing], captions, NOUNS)
    assert found is not None
    assert found.photos == 2
    # man: said once, two objects; dog: said twice, once where there is none.
    assert found.pooled == NounCount(said=3, objects=3, named=2, pointed=2, centre=0)
    assert found.precision == pytest.approx((1 / 1 + 1 / 2) / 2)
    assert found.recall == pytest.approx((1 / 2 + 1 / 1) / 2)
    assert found.f1_all == pytest.approx(0.75)
    assert found.f1_loc == 1.0
    assert found.pooled_f1_all == pytest.approx(2 / 3)
    assert found.as_dict()["pooled"] == {"said": 3, "objects": 3, "named": 2, "pointed": 2, "centre": 0}


def test_silence_is_zero_and_nothing_to_see_is_none() -> None:
    found = localise([MAN_LEFT_DOG_RIGHT], [said("the sky", "ll")], NOUNS)
    assert found is not None
    assert (found.f1_all, found.f1_loc, found.pooled_f1_loc, found.centre_f1_loc) == (0, 0, 0, 0)
    assert localise([example()], [said("a man", "ll")], NOUNS) is None
    assert localise([MAN_LEFT_DOG_RIGHT], [said("a man", "ll")], frozenset()) is None
    assert harmonic_mean(0, 0) == 0
    assert harmonic_mean(1, 0.5) == pytest.approx(2 / 3)


def test_object_nouns_are_frequent_heads_of_boxed_phrases() -> None:
    scene = Sentence("A beach .", (Phrase(0, 2, ("scene",), (LEFT,)),))
    examples = [MAN_LEFT_DOG_RIGHT, example(scene, sentence("A man in red .", (0, 2, LEFT), (3, 4, LEFT)))]
    assert object_nouns(examples, least=1) == {"man", "dog"}
    assert object_nouns(examples, least=2) == {"man"}
    assert object_nouns(examples) == frozenset()


def test_more_right_than_said_is_refused() -> None:
    with pytest.raises(DataError, match="at most as many right"):
        NounCount(said=1, objects=1, named=2)
    with pytest.raises(DataError, match="at most as many right"):
        NounCount(said=1, objects=1, named=0, pointed=1)
