"""The official caption scores: pycocoevalcap's tokenizer, BLEU, METEOR, ROUGE-L and CIDEr, safe to call twice.

The tokenizer and METEOR are Java programs that pycocoevalcap brings along; they run as child processes (java.py) which
are gone when the call returns, whatever went wrong. pycocoevalcap itself is imported only when something is scored.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from tqdm import tqdm

from captioner.errors import DataError
from captioner.training.java import INSTALL_ADVICE, meteor_score, running_meteor, tokenize_lines
from captioner.vocabulary import tokenize

TOKENIZERS = ("ptb", "simple")  # "ptb" is the official one; "simple" needs no Java and leaves METEOR out
TABLE_HEADER = " BLEU-1  BLEU-2  BLEU-3  BLEU-4  METEOR ROUGE-L   CIDEr"

_Tokenized = dict[str, list[str]]  # photo -> captions, their tokens joined by single spaces


@dataclass(frozen=True)
class CaptionScores:
    """How close the captions of a set of photos come to what people wrote.

    Attributes:
        bleu_1, bleu_2, bleu_3, bleu_4: over the whole set, 0 to 1 (Papineni et al. 2002).
        meteor: 0 to 1 (Denkowski and Lavie 2014), or None where it was left out, as with the simple tokenizer.
        rouge_l: mean over photos, 0 to 1 (Lin 2004).
        cider: CIDEr-D, mean over photos, 0 to 10 (Vedantam et al. 2015); 0 for a single photo, since a word that
            every photo shares weighs nothing.
        tokenizer: "ptb" (comparable with papers) or "simple".
    """

    bleu_1: float
    bleu_2: float
    bleu_3: float
    bleu_4: float
    meteor: float | None
    rouge_l: float
    cider: float
    tokenizer: str = "ptb"

    def __post_init__(self) -> None:
        check_tokenizer(self.tokenizer)
        for name, value in self.as_dict().items():
            highest = 10.0 if name == "cider" else 1.0
            if isinstance(value, float) and not -1e-9 <= value <= highest + 1e-9:
                raise DataError(f"expected a {name} of 0 to {highest:g}, got {value}")

    def as_dict(self) -> dict[str, float | str | None]:
        """All scores by name, as fractions."""
        return asdict(self)

    def table_line(self) -> str:
        """All scores in percent, as papers print them, in the columns of `TABLE_HEADER`; "-" for no METEOR."""
        values = (self.bleu_1, self.bleu_2, self.bleu_3, self.bleu_4, self.meteor, self.rouge_l, self.cider)
        return " ".join("      -" if value is None else f"{100 * value:7.1f}" for value in values)


def score_captions(
    candidates: Mapping[str, str], references: Mapping[str, Sequence[str]], tokenizer: str = "ptb"
) -> CaptionScores:
    """Score one caption per photo with the official scorer.

    Args:
        candidates: photo -> the caption to be scored, as text; it may be empty.
        references: the same photos -> what people wrote, as text.
        tokenizer: "ptb", the official one, or "simple", which needs no Java and gives no METEOR.

    Raises:
        DataError: the photos differ or there are none, a photo has no reference with a word in it, pycocoevalcap is
            not installed, or Java is missing or fails.
    """
    return score_caption_sets([candidates], references, tokenizer)[0]


def score_caption_sets(
    sets: Sequence[Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    tokenizer: str = "ptb",
    progress: bool = False,
    meteor: bool = True,
) -> tuple[CaptionScores, ...]:
    """Score several sets of captions for the same photos, one beam width each, say; METEOR starts only once.

    Args:
        sets, references, tokenizer: as in `score_captions`.
        progress: show a progress bar with the time left.
        meteor: False leaves METEOR out, with the simple tokenizer it is left out in any case.

    Raises:
        DataError: as `score_captions`.
    """
    for candidates in sets:
        _check_photos(candidates, references)
    check_scorer(tokenizer)
    scorers = _official_scorers()
    given, written = _tokenized(sets, references, _splitter(tokenizer))
    bar = tqdm(given, desc="scoring", unit="set", disable=not progress)
    with bar, ExitStack() as stack:
        running = stack.enter_context(running_meteor(scorers.meteor)) if meteor and tokenizer == "ptb" else None
        return tuple(_scores(scorers, running, captions, written, tokenizer) for captions in bar)


def try_scorer(references: Mapping[str, Sequence[str]], tokenizer: str = "ptb") -> None:
    """Find out that scoring is possible before an hour is spent on captions, by scoring what people wrote.

    Raises:
        DataError: as `score_captions`.
    """
    check_scorer(tokenizer)
    _, written = _tokenized([], references, _splitter(tokenizer))
    if tokenizer == "ptb":
        photo, captions = next(iter(written.items()))
        with running_meteor(_official_scorers().meteor) as meteor:
            meteor_score(meteor, {photo: captions[:1]}, {photo: captions})


def quick_cider(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> float:
    """CIDEr-D (0 to 10) on simply tokenised captions, without Java: close enough to stop a training run by.

    Raises:
        DataError: as `score_captions`, Java apart.
    """
    _check_photos(candidates, references)
    scorers = _official_scorers()
    given, written = _tokenized([candidates], references, _simply_tokenized)
    cider, _ = scorers.cider().compute_score(written, given[0])
    return float(cider)


def check_scorer(tokenizer: str = "ptb") -> None:
    """Find out at once whether what scoring needs is there; `try_scorer` finds out whether it works.

    Raises:
        DataError: the tokenizer is unknown, or what it needs is not installed.
    """
    check_tokenizer(tokenizer)
    _official_scorers()
    if tokenizer == "ptb" and shutil.which("java") is None:
        raise DataError(f"the official tokenizer and METEOR need Java, which was not found: {INSTALL_ADVICE}")


def check_tokenizer(tokenizer: str) -> None:
    """Raise DataError for a name that is not among `TOKENIZERS`."""
    if tokenizer not in TOKENIZERS:
        raise DataError(f"expected a tokenizer out of {', '.join(TOKENIZERS)}, got {tokenizer!r}")


def _check_photos(candidates: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> None:
    if not candidates:
        raise DataError("expected at least one caption to score, got none")
    odd = sorted(candidates.keys() ^ references.keys())
    if odd:
        lacking = "reference" if odd[0] in candidates else "caption"
        raise DataError(f"expected captions and references for the same photos, {odd[0]} has no {lacking}")


class _Scorers(NamedTuple):
    bleu: Any
    meteor: Any  # the module, for its jar
    rouge: Any
    cider: Any
    tokenizer: Any  # the module, for its list of punctuation and its jar


def _official_scorers() -> _Scorers:
    try:
        from pycocoevalcap.bleu.bleu import Bleu
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.meteor import meteor
        from pycocoevalcap.rouge.rouge import Rouge
        from pycocoevalcap.tokenizer import ptbtokenizer
    except ImportError as problem:
        advice = "install it with pip install -r captioner/training/requirements.txt"
        raise DataError(f"scoring needs the package pycocoevalcap: {advice}") from problem
    return _Scorers(Bleu, meteor, Rouge, Cider, ptbtokenizer)


def _scores(scorers: _Scorers, meteor: Any, given: _Tokenized, written: _Tokenized, tokenizer: str) -> CaptionScores:
    bleu, _ = scorers.bleu(4).compute_score(written, given, verbose=0)
    rouge_l, _ = scorers.rouge().compute_score(written, given)
    cider, _ = scorers.cider().compute_score(written, given)
    bleu_1, bleu_2, bleu_3, bleu_4 = (float(value) for value in bleu)
    by_meteor = None if meteor is None else meteor_score(meteor, given, written)
    return CaptionScores(bleu_1, bleu_2, bleu_3, bleu_4, by_meteor, float(rouge_l), float(cider), tokenizer)


def _tokenized(
    sets: Sequence[Mapping[str, str]],
    references: Mapping[str, Sequence[str]],
    split: Callable[[Sequence[str]], list[str]],
) -> tuple[list[_Tokenized], _Tokenized]:
    """Tokenise everything in one go: each set of captions, and the references, in the references' order of photos."""
    sentences = [sentence for photo in references for sentence in references[photo]]
    lines = iter(split([*sentences, *(candidates[photo] for candidates in sets for photo in references)]))
    written = {photo: [next(lines) for _ in references[photo]] for photo in references}
    given = [{photo: [next(lines)] for photo in references} for _ in sets]
    for photo, captions in written.items():
        if not any(captions):
            raise DataError(f"{photo} has no reference with a word in it: write one, or leave the photo out")
    return given, written


def _splitter(tokenizer: str) -> Callable[[Sequence[str]], list[str]]:
    return _ptb_tokenized if tokenizer == "ptb" else _simply_tokenized


def _simply_tokenized(sentences: Sequence[str]) -> list[str]:
    return [" ".join(tokenize(sentence)) for sentence in sentences]


def _ptb_tokenized(sentences: Sequence[str]) -> list[str]:
    """What pycocoevalcap's PTBTokenizer gives: its program's tokens but for punctuation."""
    module = _official_scorers().tokenizer
    dropped = set(module.PUNCTUATIONS)
    # One line a caption; "|||" separates captions in METEOR's own protocol.
    lines = tokenize_lines(module, [" ".join(sentence.replace("|||", " ").split()) for sentence in sentences])
    return [" ".join(token for token in line.split() if token not in dropped) for line in lines]
