from __future__ import annotations

import pytest

from demo.first_word import first_word


@pytest.mark.parametrize(
    ("words", "cells", "place"),
    [
        (("a", "man", "in", "the", "Water"), (2.0, 9.0, 1.0, 1.0, 5.0), 4),  # sharper ones say nothing of the photo
        (("two", "dogs"), (1.0, 80.0), 1),  # a number names nothing
        (("The", "dog"), (1.0, 80.0), 1),  # however wide
        (("of", "the"), (3.0, 2.0), 1),  # nothing else to show
        (("개가", "물에서", "달려요"), (3.0, 2.0, 7.0), 1),  # a language without a list
        (("red", "ball"), (4.0, 4.0), 0),
        ((), (), 0),
    ],
)
def test_the_sharpest_map_of_a_content_word_is_shown_first(
    words: tuple[str, ...], cells: tuple[float, ...], place: int
) -> None:
    assert first_word(words, cells) == place
