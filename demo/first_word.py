"""Which word of a caption is shown first: one that names something, and whose map is sharp."""

from __future__ import annotations

from collections.abc import Sequence

# Words that stand in every caption and show little of any photo. A caption in a language that is not here has none.
_FUNCTION_WORDS = (
    "a an the this that these those some another other each its his her their it he she they them him who which "
    "and or but while as if than is are was were be been being has have had do does "
    "of in on at to by for from with without into onto over under near next through across along around behind "
    "between during against about above below beside inside outside up down off out there very"
)
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())


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
