"""CIDEr-D of single captions equals the official scorer's, number by number."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pycocoevalcap.cider.cider_scorer import CiderScorer

from captioner.training.reward import CiderReward

WORDS = ["a", "dog", "man", "red", "ball", "in", "the", "grass", "runs", "water", "two", "of"]


def words(text: str) -> list[str]:
    return text.split()


def random_captions(seed: int, ended: bool) -> tuple[dict[int, list[list[str]]], dict[int, list[str]]]:
    """References and one caption to score for each of 36 photos; of the latter some break off, some are copies."""
    chance = random.Random(seed)

    def some(longest: int) -> list[str]:
        return [chance.choice(WORDS[: chance.randint(3, len(WORDS))]) for _ in range(chance.randint(1, longest))]

    end = ["<end>"] if ended else []
    references = {photo: [some(9) + end for _ in range(chance.randint(1, 5))] for photo in range(36)}
    given = {photo: some(14) + (end if photo % 3 else []) for photo in range(36)}
    for photo in range(0, 36, 4):
        given[photo] = list(references[photo][0])
    return references, given


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_agrees_with_the_official_scorer(seed: int, ended: bool) -> None:
    references, given = random_captions(seed, ended)
    official = CiderScorer(n=4, sigma=6.0)
    for photo, own in references.items():
        official += (" ".join(given[photo]), [" ".join(caption) for caption in own])
    _, expected = official.compute_score()
    reward = CiderReward(references)
    scores = [reward.score(photo, given[photo]) for photo in references]
    np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)
    assert np.ptp(scores) > 1


def test_ids_score_as_words_do() -> None:
    references, given = random_captions(2, ended=True)
    number = {word: place for place, word in enumerate([*WORDS, "<end>"])}
    by_words = CiderReward(references)
    by_ids = CiderReward(
        {photo: [[number[word] for word in caption] for caption in own] for photo, own in references.items()}
    )
    for photo, caption in given.items():
        assert by_ids.score(photo, [number[word] for word in caption]) == pytest.approx(by_words.score(photo, caption))


def test_the_only_reference_scores_ten_and_what_shares_nothing_scores_nothing() -> None:
    reward = CiderReward({0: [words("a red dog runs here")], 1: [words("two men in the water")]})
    assert reward.score(0, words("a red dog runs here")) == pytest.approx(10)
    assert reward.score(1, words("a red dog runs here")) == 0
    assert reward.score(0, ["unheard"]) == reward.score(0, []) == 0


def test_a_caption_that_breaks_off_scores_less_than_one_that_ends() -> None:
    reward = CiderReward({0: [words("a dog with a ball <end>")], 1: [words("a man runs <end>")]})
    assert reward.score(0, words("a dog with a ball")) < reward.score(0, words("a dog with a ball <end>"))


def test_a_photo_without_references_cannot_be_scored() -> None:
    with pytest.raises(KeyError):
        CiderReward({0: [["a", "dog"]]}).score(1, ["a", "dog"])
