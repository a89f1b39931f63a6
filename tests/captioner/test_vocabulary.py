"""Captions to words, words to ids, and back to the text people read."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import WORDS, tiny_vocabulary
from captioner import vocabulary as vocabulary_module
from captioner.errors import VocabularyError
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary, detokenize, tokenize


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("A dog runs.", ["a", "dog", "runs"]),
        ("A man's hat", ["a", "man", "'s", "hat"]),
        ("a man 's hat", ["a", "man", "'s", "hat"]),  # already split, as Flickr8k writes it
        ("It isn't red", ["it", "is", "n't", "red"]),
        ("it is n't red", ["it", "is", "n't", "red"]),
        ("They can't; we won't", ["they", "ca", "n't", "we", "wo", "n't"]),
        ("we're, I'm, he'd, she'll, they've", ["we", "'re", "i", "'m", "he", "'d", "she", "'ll", "they", "'ve"]),
        ("a man’s hat isn’t his", ["a", "man", "'s", "hat", "is", "n't", "his"]),
        ("a t-shirt - and a black-and-white dog-", ["a", "t-shirt", "and", "a", "black-and-white", "dog"]),
        ("number 12, 3rd of 2,500", ["number", "12", "3rd", "of", "2", "500"]),
        ("one o'clock", ["one", "o", "'clock"]),
        ("a slip 'n' slide", ["a", "slip", "n", "slide"]),
        ("a man 'riding' a bike; the dogs' toys", ["a", "man", "riding", "a", "bike", "the", "dogs", "toys"]),
        ("Two women at the café", ["two", "women", "at", "the", "café"]),
        ("a\tdog\n\nin_water", ["a", "dog", "in", "water"]),
        ("<start> a <unk> <end>", ["start", "a", "unk", "end"]),
        ("", []),
        (" .,!?-'\" ", []),
    ],
)
def test_tokenize(caption: str, words: list[str]) -> None:
    assert tokenize(caption) == words


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["a", "dog"], "a dog"),
        (["a", "man", "'s", "hat"], "a man's hat"),
        (["it", "is", "n't", "red"], "it isn't red"),
        (["they", "ca", "n't"], "they can't"),
        (["o", "'clock"], "o'clock"),
        (["a", "t-shirt"], "a t-shirt"),
        (["'s", "dog"], "'s dog"),
        (["dog"], "dog"),
        ([], ""),
    ],
)
def test_detokenize(words: list[str], text: str) -> None:
    assert detokenize(words) == text


@settings(deadline=None, derandomize=True, database=None)
@given(st.text() | st.text(alphabet="ant'ds -’é_1"))
def test_text_of_words_reads_back_as_the_same_words(caption: str) -> None:
    words = tokenize(caption)
    assert tokenize(detokenize(words)) == words
    assert not set(words) & set(SPECIAL_TOKENS)
    assert all(words)


def test_an_id_is_a_place_in_the_list() -> None:
    vocabulary = Vocabulary(("cat", "<end>", "<pad>", "<unk>", "<start>", "dog"))
    assert (vocabulary.end, vocabulary.pad, vocabulary.unk, vocabulary.start) == (1, 2, 3, 4)
    assert vocabulary.encode(["dog", "cat", "<end>"]) == [5, 0, 1]
    assert vocabulary.decode([0, 5]) == ["cat", "dog"]
    assert len(vocabulary) == 6


def test_unknown_words_become_unk() -> None:
    vocabulary = tiny_vocabulary()
    assert vocabulary.encode(["a", "zebra", "", "dog", "Dog"]) == [4, 3, 3, 5, 3]
    assert "dog" in vocabulary
    assert "zebra" not in vocabulary
    assert vocabulary.decode([3]) == ["<unk>"]


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(st.sampled_from(SPECIAL_TOKENS + WORDS)))
def test_ids_of_known_words_decode_to_them(words: list[str]) -> None:
    vocabulary = tiny_vocabulary()
    assert vocabulary.decode(vocabulary.encode(words)) == words


@pytest.mark.parametrize("wrong", [-1, 16, 10_000])
def test_an_id_outside_the_vocabulary_is_an_error(wrong: int) -> None:
    with pytest.raises(VocabularyError, match=f"token ids from 0 to 15, got {wrong}$"):
        tiny_vocabulary().decode([4, wrong])


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ((), "special tokens"),
        (("<pad>", "<start>", "<end>", "a"), "got none of .'<unk>'."),
        ((*SPECIAL_TOKENS, "a", "dog", "a"), "every token once and none empty, got .'a'."),
        ((*SPECIAL_TOKENS, "<pad>"), "got .'<pad>'."),
        ((*SPECIAL_TOKENS, ""), "none empty"),
    ],
)
def test_tokens_that_are_no_vocabulary(tokens: tuple[str, ...], message: str) -> None:
    with pytest.raises(VocabularyError, match=message):
        Vocabulary(tokens)


def test_words_are_counted_and_the_most_frequent_come_first() -> None:
    captions = ["A red dog.", "a red DOG", "a cat's ball", "a ball"]
    # a 4; ball, dog, red 2 each, by name; 's, cat 1 each.
    assert Vocabulary.from_captions(captions, min_count=2).tokens == (*SPECIAL_TOKENS, "a", "ball", "dog", "red")
    assert Vocabulary.from_captions(captions, min_count=1).tokens[8:] == ("'s", "cat")
    assert Vocabulary.from_captions(captions, min_count=3).tokens[4:] == ("a",)


def test_only_the_captions_given_are_counted() -> None:
    training, held_out = ["a dog", "a dog"], ["a zebra", "a zebra"]
    assert "zebra" not in Vocabulary.from_captions(training, min_count=2)
    assert "zebra" in Vocabulary.from_captions(training + held_out, min_count=2)


def test_five_sightings_make_a_word_unless_told_otherwise() -> None:
    vocabulary = Vocabulary.from_captions(["dog"] * 5 + ["cat"] * 4)
    assert vocabulary.tokens[4:] == ("dog",)


def test_the_order_of_captions_does_not_matter() -> None:
    captions = ["b a", "a c", "c b", "d d"]
    expected = Vocabulary.from_captions(captions, min_count=1)
    assert expected.tokens[4:] == ("a", "b", "c", "d")
    assert Vocabulary.from_captions(reversed(captions), min_count=1) == expected


@pytest.mark.parametrize("captions", [[], ["", "..."], ["a dog", "a cat"]])
def test_captions_without_enough_words_are_an_error(captions: list[str]) -> None:
    with pytest.raises(VocabularyError, match="words seen 3 times or more, got none: give more captions"):
        Vocabulary.from_captions(captions, min_count=3)


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert doctest.testmod(vocabulary_module) == (0, 2)
