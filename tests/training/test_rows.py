"""Rows: which words are learnt, with what weight, and which of them have boxes."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders import WORDS
from captioner.training.data import Example
from captioner.training.phrases import Label, Phrase, Sentence
from captioner.training.rows import MOST_LABELS, RowOptions, labelled_phrases, make_rows, mirror_ids
from captioner.training.views import Box
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *WORDS, "left", "right", "person", "t-shirt"))
LEFT: tuple[Box, ...] = ((0.0, 0.0, 0.5, 1.0),)
RIGHT: tuple[Box, ...] = ((0.5, 0.0, 1.0, 1.0), (0.5, 0.5, 0.75, 1.0))


def example(
    *captions: str, labels: tuple[Label, ...] = (), sentences: tuple[Sentence, ...] = (), name: str = "p"
) -> Example:
    return Example(name, Path(name), "train", captions, labels, sentences)


def spoken(ids: tuple[int, ...]) -> list[str]:
    return VOCABULARY.decode(ids)


def test_captions_become_ids_longest_first() -> None:
    rows = make_rows(example("A dog", "Two men in the water", "!"), VOCABULARY, RowOptions())
    assert [spoken(row.ids) for row in rows] == [
        ["<start>", "two", "<unk>", "in", "the", "water", "<end>"],
        ["<start>", "a", "dog", "<end>"],
    ]
    assert [row.length for row in rows] == [6, 3]
    assert all(row.sentence for row in rows)


def test_a_cut_caption_does_not_end_and_a_whole_one_does() -> None:
    (cut,) = make_rows(example("a dog in the water"), VOCABULARY, RowOptions(max_words=4))
    assert spoken(cut.ids) == ["<start>", "a", "dog", "in", "the"]
    assert len(cut.weights) == len(cut.boxes) == 4
    (whole,) = make_rows(example("a dog in water"), VOCABULARY, RowOptions(max_words=4))
    assert spoken(whole.ids) == ["<start>", "a", "dog", "in", "water", "<end>"]


@pytest.mark.parametrize(("captions", "weight"), [(1, 3.0), (2, 1.5), (3, 1.0), (5, 1.0)])
def test_photos_of_few_captions_weigh_more_in_each(captions: int, weight: float) -> None:
    rows = make_rows(example(*["a dog runs"] * captions), VOCABULARY, RowOptions(lone_weight=3.0))
    assert [row.weights for row in rows] == [(weight,) * 4] * captions


def test_phrase_boxes_land_on_their_words() -> None:
    annotated = Sentence(
        "The man 's dog , a red one , runs .", (Phrase(0, 4, boxes=LEFT), Phrase(4, 7, boxes=RIGHT), Phrase(7, 8))
    )
    written = "The man's dog, a red one, runs."  # as the data set spells it elsewhere
    (row, plain) = make_rows(example(written, "a red ball", sentences=(annotated,)), VOCABULARY, RowOptions())
    told = dict(zip(enumerate(spoken(row.ids[1:])), row.boxes, strict=True))
    assert told == {
        (0, "the"): LEFT,
        (1, "man"): LEFT,
        (2, "'s"): LEFT,
        (3, "dog"): LEFT,
        (4, "a"): RIGHT,
        (5, "red"): RIGHT,
        (6, "<unk>"): RIGHT,
        (7, "runs"): (),
        (8, "<end>"): (),
    }
    assert plain.boxes == ((),) * 4


def test_words_that_name_a_boxed_label_get_its_boxes() -> None:
    labels = (Label("person", LEFT), Label("hot dog", RIGHT), Label("bicycle", RIGHT), Label("dog"))
    (row,) = make_rows(example("a man in a bike ball", labels=labels), VOCABULARY, RowOptions())
    assert row.boxes == ((), LEFT, (), (), (), (), ())  # "bike" may be a motorcycle too
    (row,) = make_rows(example("two dogs", labels=labels), VOCABULARY, RowOptions())
    assert row.boxes == ((), (), ())  # a label without boxes
    assert labelled_phrases(["a", "hot", "dog"], {"hot dog": RIGHT, "dog": LEFT}) == [Phrase(1, 3, boxes=RIGHT)]


def test_annotated_phrases_go_before_labels() -> None:
    annotated = Sentence("a man", (Phrase(0, 1, boxes=RIGHT),))
    (row,) = make_rows(
        example("a man", labels=(Label("person", LEFT),), sentences=(annotated,)), VOCABULARY, RowOptions()
    )
    assert row.boxes == (RIGHT, (), ())


def test_boxes_behind_the_cut_are_cut_too() -> None:
    annotated = Sentence("a man in red water", (Phrase(0, 2, boxes=LEFT), Phrase(3, 5, boxes=RIGHT)))
    (row,) = make_rows(example(annotated.caption, sentences=(annotated,)), VOCABULARY, RowOptions(max_words=4))
    assert row.boxes == (LEFT, LEFT, (), RIGHT)


def test_of_a_label_only_its_own_words_are_learnt() -> None:
    labels = (Label("red ball", LEFT), Label("in water"))
    first, second = make_rows(example(labels=labels), VOCABULARY, RowOptions(label_weight=0.5))
    assert spoken(first.ids) == ["<start>", "a", "red", "ball"]  # no end: people do not speak like that
    assert first.weights == (0.0, 0.5, 0.5)
    assert first.boxes == ((), LEFT, LEFT)
    assert not first.sentence
    assert spoken(second.ids) == ["<start>", "<unk>", "in", "water"]  # "an", which these captions never say
    assert second.boxes == ((),) * 3


def test_labels_that_are_unspoken_unknown_or_wordless_are_left_out() -> None:
    labels = tuple(map(Label, ("person", "zebra", "red zebra", "?", "T-shirt")))
    rows = make_rows(example(labels=labels), VOCABULARY, RowOptions(label_weight=1.0))
    assert [spoken(row.ids) for row in rows] == [["<start>", "a", "t-shirt"]]


def test_labels_without_a_weight_and_too_many_labels_are_left_out() -> None:
    labels = (Label("person"), *map(Label, ("dog", "man", "ball", "grass", "water")))
    assert make_rows(example(labels=labels), VOCABULARY, RowOptions(label_weight=0.0)) == []
    rows = make_rows(example(labels=labels), VOCABULARY, RowOptions(label_weight=1.0))
    assert [spoken(row.ids)[2] for row in rows] == ["dog", "man", "ball", "grass"]
    assert len(rows) == MOST_LABELS


def test_labels_stand_among_the_captions_by_length() -> None:
    rows = make_rows(example("runs", "a dog runs", labels=(Label("man"),)), VOCABULARY, RowOptions(label_weight=1.0))
    assert [(row.length, row.sentence) for row in rows] == [(4, True), (2, True), (2, False)]


def test_a_mirrored_photo_swaps_left_and_right() -> None:
    ids = VOCABULARY.encode(["the", "left", "dog", "runs", "right", "left"])
    assert VOCABULARY.decode(mirror_ids(ids, VOCABULARY)) == ["the", "right", "dog", "runs", "left", "right"]
    one_side = Vocabulary((*SPECIAL_TOKENS, "left", "dog"))
    assert mirror_ids([4, 5], one_side) == [4, 5]  # there is no word for the other side
