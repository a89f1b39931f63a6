"""Which word of a caption is shown first: one that names something, and whose map is sharp."""

from __future__ import annotations

from collections.abc import Sequence

from captioner.function_words import FUNCTION_WORDS


def first_word(words: Sequence[str], cells: Sequence[float]) -> int:
    """The place of the word to show first: the sharpest map among the words that say what is in the photo.

    Args:
        words: of the caption; none gives 0.
        cells: (T,) effective cells of each word's map; few is sharp.

    Returns:
        the place of the sharpest map of a content word, or of any word where there is no content word.
    """
    places = [place for place, word in enumerate(words) if word.lower() not in FUNCTION_WORDS]
    return min(places or range(len(words)), key=cells.__getitem__, default=0)
