"""Words to token ids and back; the only module that knows the four special tokens."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from captioner.errors import VocabularyError

PAD, START, END, UNK = "<pad>", "<start>", "<end>", "<unk>"
SPECIAL_TOKENS = (PAD, START, END, UNK)

# A word is letters and digits, inner hyphens kept; a clitic ('s, n't) is a token of its own, as in the Penn Treebank
# convention that the official scorer follows. An apostrophe elsewhere is a quotation mark and is dropped.
_WORD = re.compile(
    r"[^\W_]+(?:-[^\W_]+)*(?=n't)"  # what stands before n't
    r"|n't"
    r"|[^\W_]+(?:-[^\W_]+)*"
    r"|(?<=[^\W_])'[^\W_]+"  # a clitic behind its word
    r"|'(?:s|m|d|ll|re|ve)\b"  # a clitic already split off
)


def tokenize(caption: str) -> list[str]:
    """Split a caption into lower-case words, punctuation dropped.

    >>> tokenize("A man's T-shirt isn't red .")
    ['a', 'man', "'s", 't-shirt', 'is', "n't", 'red']
    """
    return _WORD.findall(caption.lower().replace("’", "'"))


def detokenize(words: Sequence[str]) -> str:
    """Join words into the text people read; clitics attach to the word before them.

    >>> detokenize(["a", "man", "'s", "hat"])
    "a man's hat"
    """
    return "".join(word if word.startswith("'") or word == "n't" else f" {word}" for word in words).strip()


@dataclass(frozen=True)
class Vocabulary:
    """A fixed list of tokens; a token's id is its place in the list.

    Args:
        tokens: all tokens, the four special ones among them, none twice.

    Raises:
        VocabularyError: a special token is missing, or a token is empty or listed twice.
    """

    tokens: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ids = {token: index for index, token in enumerate(self.tokens)}
        missing = [token for token in SPECIAL_TOKENS if token not in ids]
        if missing:
            raise VocabularyError(f"expected the special tokens {' '.join(SPECIAL_TOKENS)}, got none of {missing}")
        if len(ids) != len(self.tokens) or not all(self.tokens):
            repeated = [token for token, count in Counter(self.tokens).items() if count > 1 or not token]
            raise VocabularyError(f"expected every token once and none empty, got {repeated[:5]}")
        object.__setattr__(self, "_ids", ids)

    @classmethod
    def from_captions(cls, captions: Iterable[str], min_count: int = 5) -> Vocabulary:
        """Count words and keep those seen at least `min_count` times, most frequent first.

        Give the captions of the training split only: a word learnt from the test split is a leak.
        """
        counts = Counter(word for caption in captions for word in tokenize(caption))
        kept = sorted((word for word, count in counts.items() if count >= min_count), key=lambda w: (-counts[w], w))
        if not kept:
            raise VocabularyError(f"expected words seen {min_count} times or more, got none: give more captions")
        return cls(SPECIAL_TOKENS + tuple(kept))

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    @property
    def pad(self) -> int:
        """Id of `<pad>`, which fills up batches of captions."""
        return self._ids[PAD]

    @property
    def start(self) -> int:
        """Id of `<start>`, the decoder's first input."""
        return self._ids[START]

    @property
    def end(self) -> int:
        """Id of `<end>`, the decoder's last output."""
        return self._ids[END]

    @property
    def unk(self) -> int:
        """Id of `<unk>`, which stands for every word outside the vocabulary."""
        return self._ids[UNK]

    def encode(self, words: Iterable[str]) -> list[int]:
        """Token ids of `words`; a word outside the vocabulary becomes `<unk>`."""
        return [self._ids.get(word, self.unk) for word in words]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Tokens of `ids`.

        Raises:
            VocabularyError: an id lies outside 0 .. len - 1.
        """
        ids = list(ids)
        wrong = [index for index in ids if not 0 <= index < len(self.tokens)]
        if wrong:
            raise VocabularyError(f"expected token ids from 0 to {len(self.tokens) - 1}, got {wrong[0]}")
        return [self.tokens[index] for index in ids]
