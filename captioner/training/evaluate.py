"""Captions for every photo of a split, scored, with the health of the attention beside the scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tqdm import tqdm

from captioner.attention_health import attention_health
from captioner.beam_search import SearchOptions
from captioner.errors import DataError
from captioner.photo import open_photo
from captioner.training.data import SPLITS, CaptionData, Example
from captioner.training.grounding import PhraseReading, check_phrases, read_phrases, summarise
from captioner.training.localisation import localise, object_nouns
from captioner.training.objects import measure_objects
from captioner.training.repeats import count_repeats
from captioner.training.report import EvaluationReport, WidthReport
from captioner.training.scoring import CaptionScores, check_tokenizer, score_caption_sets, try_scorer

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.captioner import Captioner


@dataclass(frozen=True)
class EvaluateOptions:
    """What to evaluate and how.

    Attributes:
        split: "train", "val" or "test".
        widths: beam widths, ascending; all are searched in one run.
        batch_size: photos described together, 1 or more.
        limit: only the split's first photos, 1 or more; None for all. CIDEr weighs words by the photos at hand, so
            it is comparable only between runs over the same photos.
        tokenizer: see `captioner.training.scoring.TOKENIZERS`.
        grounding: also hold the maps against the boxes of annotated phrases (see `captioner.training.grounding` and
            `captioner.training.localisation`).

    Raises:
        DataError: a value lies outside its range.
        SearchError: the widths are none that can be searched.
    """

    split: str = "val"
    widths: tuple[int, ...] = (1, 3, 5, 10)
    batch_size: int = 16
    limit: int | None = None
    tokenizer: str = "ptb"
    grounding: bool = False

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise DataError(f"expected a split out of {', '.join(SPLITS)}, got {self.split!r}")
        if self.batch_size < 1:
            raise DataError(f"expected a batch of 1 photo or more, got {self.batch_size}")
        if self.limit is not None and self.limit < 1:
            raise DataError(f"expected a limit of 1 photo or more, got {self.limit}")
        check_tokenizer(self.tokenizer)
        SearchOptions(widths=self.widths)  # refuses widths that cannot be searched


def evaluate(
    captioner: Captioner, data: CaptionData, options: EvaluateOptions | None = None, progress: bool = True
) -> EvaluationReport:
    """Describe every photo of a split and judge the best caption of every beam width.

    Args:
        captioner: the model.
        data: the captioned photos.
        options: what to evaluate and how.
        progress: show progress bars with the time left.

    Raises:
        DataError: the split is empty, scoring is not possible, or nothing has boxes for grounding (all found out
            before the first photo). Where scoring fails after all, the report says so and has what could be scored.
        PhotoError: a photo cannot be read; the message names it.
    """
    options = options or EvaluateOptions()
    examples = data.split(options.split)[: options.limit]
    references = {example.filename: example.captions for example in examples}
    try_scorer(references, options.tokenizer)
    if options.grounding:
        check_phrases(examples)
    nouns = object_nouns(data.examples) if options.grounding else None
    began = time.perf_counter()
    best, readings = _describe(captioner, examples, options, progress)
    seconds = (time.perf_counter() - began) / len(examples)
    sets = [{e.filename: c.text for e, c in zip(examples, best[width], strict=True)} for width in options.widths]
    scores, problem = _score(sets, references, options.tokenizer, progress)
    reports = [
        _width_report(width, examples, best[width], scored, nouns)
        for width, scored in zip(options.widths, scores, strict=True)
    ]
    grounding = summarise(readings) if options.grounding else None
    about = (captioner.card.name, options.split, len(examples), seconds)
    people = count_repeats(caption for example in examples for caption in example.captions)
    return EvaluationReport(*about, tuple(reports), people, grounding, problem)


def _score(
    sets: Sequence[Mapping[str, str]], references: Mapping[str, Sequence[str]], tokenizer: str, progress: bool
) -> tuple[tuple[CaptionScores, ...], str]:
    """Scores, without METEOR or by the simple tokenizer where Java fails now, and why: captions took long to make."""
    problem = ""
    for split, meteor in ((tokenizer, True), (tokenizer, False), ("simple", False)):
        try:
            scores = score_caption_sets(sets, references, split, progress, meteor)
        except DataError as error:
            problem = problem or str(error)
            continue
        return scores, problem
    raise DataError(problem)


def _describe(
    captioner: Captioner, examples: Sequence[Example], options: EvaluateOptions, progress: bool
) -> tuple[dict[int, list[Caption]], list[PhraseReading]]:
    """The best caption of every photo, by beam width, and the readings of their phrases when asked for; every photo
    is encoded once."""
    search = SearchOptions(widths=options.widths)
    best: dict[int, list[Caption]] = {width: [] for width in options.widths}
    readings: list[PhraseReading] = []
    with tqdm(total=len(examples), desc="describing", unit="photo", disable=not progress) as bar:
        for first in range(0, len(examples), options.batch_size):
            group = examples[first : first + options.batch_size]
            grid = captioner.encode([open_photo(example.path) for example in group])
            for description in captioner.search(grid, search):
                for width, captions in best.items():
                    captions.append(description.at_width(width)[0])
            if options.grounding:
                readings += read_phrases(captioner, grid, group)
            bar.update(len(group))
    return best, readings


def _width_report(
    width: int,
    examples: Sequence[Example],
    captions: Sequence[Caption],
    scores: CaptionScores,
    nouns: frozenset[str] | None,
) -> WidthReport:
    texts = {example.filename: caption.text for example, caption in zip(examples, captions, strict=True)}
    return WidthReport(
        width=width,
        scores=scores,
        captions=texts,
        words_used=len({word for caption in captions for word in caption.words}),
        mean_words=sum(len(caption.words) for caption in captions) / len(captions),
        unfinished=sum(not caption.finished for caption in captions),
        health=attention_health(captions),
        objects=measure_objects(examples, texts),
        localisation=None if nouns is None else localise(examples, captions, nouns),
    )
