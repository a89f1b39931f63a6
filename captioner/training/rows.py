"""What the decoder is taught about each photo: rows of token ids, with a weight and boxes for every token.

A row is a caption, or "a <label>" with nothing but the label's words to learn: what people marked in a photo teaches
words without teaching the decoder to speak in templates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from captioner.training.data import Example
from captioner.training.object_names import coco_names
from captioner.training.phrases import Label, Phrase
from captioner.training.views import Box
from captioner.vocabulary import Vocabulary, tokenize

# Captions call people men, women, boys, players: "a person" is what they hardly ever say.
UNSPOKEN_LABELS = frozenset({"person"})
MOST_LABELS = 4
SIDES = ("left", "right")


@dataclass(frozen=True)
class Row:
    """One sentence for teacher forcing.

    Attributes:
        ids: `<start>`, words, and `<end>` unless the sentence was cut.
        weights: one for each token to predict (`ids[1:]`), its weight in the word loss; 0 is not learnt.
        boxes: for each token to predict, where in the photo lies what it names; none for most.
        sentence: a caption, not a label.
    """

    ids: tuple[int, ...]
    weights: tuple[float, ...]
    boxes: tuple[tuple[Box, ...], ...]
    sentence: bool = True

    @property
    def length(self) -> int:
        """Tokens to predict."""
        return len(self.ids) - 1


@dataclass(frozen=True)
class RowOptions:
    """How rows are made.

    Attributes:
        max_words: longer captions are cut, and do not end: the model must not learn to stop there.
        lone_weight: weight of the tokens of a photo that has one caption; of n captions `lone_weight / n`, at least 1.
        label_weight: weight of the words of a label; 0 leaves labels out.
    """

    max_words: int = 24
    lone_weight: float = 1.0
    label_weight: float = 0.0


def make_rows(example: Example, vocabulary: Vocabulary, options: RowOptions) -> list[Row]:
    """The rows of one photo, longest first; wordless captions and labels of unknown words are left out."""
    phrases = {tuple(tokenize(sentence.caption)): sentence.phrases for sentence in example.sentences}
    boxed = {label.name: label.boxes for label in example.labels if label.boxes}
    weight = max(1.0, options.lone_weight / max(len(example.captions), 1))
    rows = [
        _caption_row(
            words, phrases.get(tuple(words)) or labelled_phrases(words, boxed), vocabulary, options.max_words, weight
        )
        for words in map(tokenize, example.captions)
        if words
    ]
    if options.label_weight:
        rows += _label_rows(example.labels, vocabulary, options.label_weight)
    return sorted(rows, key=lambda row: row.length, reverse=True)


def labelled_phrases(words: Sequence[str], boxed: Mapping[str, tuple[Box, ...]]) -> list[Phrase]:
    """The words of a caption that name a boxed label of the photo ("man" a "person"), as phrases.

    Args:
        words: of the caption.
        boxed: label, one of the 80 COCO classes, to its boxes; others name nothing.
    """
    if not boxed:
        return []
    return [
        Phrase(mention.first, mention.first + len(mention.words), boxes=boxed[name])
        for mention in coco_names().mentions(words)
        for name in mention.classes
        if len(mention.classes) == 1 and name in boxed
    ]


def _caption_row(
    words: Sequence[str], phrases: Sequence[Phrase], vocabulary: Vocabulary, max_words: int, weight: float
) -> Row:
    boxes: list[tuple[Box, ...]] = [()] * (len(words) + 1)
    for phrase in phrases:
        boxes[phrase.first : phrase.end] = [phrase.boxes] * (phrase.end - phrase.first)
    ids = [vocabulary.start, *vocabulary.encode(words[:max_words])]
    if len(words) <= max_words:
        ids.append(vocabulary.end)
    length = len(ids) - 1
    return Row(tuple(ids), (weight,) * length, tuple(boxes[:length]))


def _label_rows(labels: Sequence[Label], vocabulary: Vocabulary, weight: float) -> list[Row]:
    rows = []
    for label in labels:
        words = tokenize(label.name)
        if label.name in UNSPOKEN_LABELS or not words or not all(word in vocabulary for word in words):
            continue
        article = "an" if words[0][0] in "aeiou" else "a"
        ids = (vocabulary.start, *vocabulary.encode([article, *words]))
        rows.append(Row(ids, (0.0,) + (weight,) * len(words), ((),) + (label.boxes,) * len(words), sentence=False))
    return rows[:MOST_LABELS]


def mirror_ids(ids: Sequence[int], vocabulary: Vocabulary) -> list[int]:
    """The words for a mirrored photo: left becomes right and right becomes left."""
    if not all(side in vocabulary for side in SIDES):
        return list(ids)
    left, right = vocabulary.encode(SIDES)
    swapped = {left: right, right: left}
    return [swapped.get(token, token) for token in ids]
