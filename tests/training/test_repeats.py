"""Words said twice, counted by hand."""

from __future__ import annotations

import pytest

from captioner.errors import DataError
from captioner.training.repeats import Repeats, count_repeats, find_repeats, words_in_a_row, words_said_twice


@pytest.mark.parametrize(
    ("caption", "said_twice", "in_a_row"),
    [
        ("a boat boat on a boat", ["boat"], ["boat"]),
        ("a bathroom bathroom with a sink sink", ["bathroom", "sink"], ["bathroom", "sink"]),
        ("a traffic light light light light cars on a city street", ["light"], ["light"]),
        ("a man and a man is riding a bike", ["man"], []),
        ("A train train .", ["train"], ["train"]),
        ("A Train next to a TRAIN.", ["train"], []),
        ("a dog beside two dogs", [], []),  # people set one beside many on purpose
        ("two men and two women in front of the the house", [], ["the"]),  # function words count only in a row
        ("a man's dog and a woman's cat", [], []),  # clitics are function words
        ("a red ball on a red box", ["red"], []),  # colours are content words
        ("a trash can beside a can", ["can"], []),
        ("a t-shirt and a shirt", [], []),
        ("the cat the cat", ["cat"], []),
        ("a cat", [], []),
        ("", [], []),
    ],
)
def test_repeats_of_one_caption(caption: str, said_twice: list[str], in_a_row: list[str]) -> None:
    expected = {"said_twice": said_twice, "in_a_row": in_a_row}
    assert find_repeats(caption) == {name: words for name, words in expected.items() if words}


def test_repeated_words_are_listed_once_in_order_of_mention() -> None:
    words = ["sink", "sink", "and", "cat", "sink", "sink", "cat"]
    assert words_said_twice(words) == ("sink", "cat")
    assert words_in_a_row(words) == ("sink",)


def test_shares_are_of_all_captions() -> None:
    found = count_repeats(["a boat on a boat", "a boat boat", "the the boat", "a boat", ""])
    assert found == Repeats(captions=5, said_twice=2, in_a_row=2)
    assert found.as_dict() == {
        "captions": 5,
        "said_twice": 2,
        "said_twice_share": pytest.approx(0.4),
        "in_a_row": 2,
        "in_a_row_share": pytest.approx(0.4),
    }


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(DataError, match="counts out of one caption or more"):
        count_repeats([])
    with pytest.raises(DataError, match="counts out of one caption or more"):
        Repeats(captions=2, said_twice=3, in_a_row=0)
    with pytest.raises(DataError, match="counts out of one caption or more"):
        Repeats(captions=2, said_twice=0, in_a_row=-1)
