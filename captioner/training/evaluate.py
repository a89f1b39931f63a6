"""Captions for every photo of a split, scored, with the health of the attention beside the scores."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from captioner.beam_search import SearchOptions
from captioner.caption import Caption, write_whole
from captioner.errors import DataError
from captioner.photo import open_photo
from captioner.training.attention_health import AttentionHealth, attention_health
from captioner.training.data import SPLITS, CaptionData, Example
from captioner.training.scoring import TABLE_HEADER, CaptionScores, check_scorer, check_tokenizer, score_caption_sets

if TYPE_CHECKING:
    from PIL import Image

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

    Raises:
        DataError: a value lies outside its range.
        SearchError: the widths are none that can be searched.
    """

    split: str = "val"
    widths: tuple[int, ...] = (1, 3, 5, 10)
    batch_size: int = 16
    limit: int | None = None
    tokenizer: str = "ptb"

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise DataError(f"expected a split out of {', '.join(SPLITS)}, got {self.split!r}")
        if self.batch_size < 1:
            raise DataError(f"expected a batch of 1 photo or more, got {self.batch_size}")
        if self.limit is not None and self.limit < 1:
            raise DataError(f"expected a limit of 1 photo or more, got {self.limit}")
        check_tokenizer(self.tokenizer)
        SearchOptions(widths=self.widths)  # refuses widths that cannot be searched


@dataclass(frozen=True)
class WidthReport:
    """How one beam width did.

    Attributes:
        width: the beam width.
        scores: of the best caption per photo.
        captions: filename -> the best caption, as text.
        words_used: distinct words.
        mean_words: words per caption.
        unfinished: captions cut off at the word limit.
        health: of the best captions' attention.
    """

    width: int
    scores: CaptionScores
    captions: Mapping[str, str]
    words_used: int
    mean_words: float
    unfinished: int
    health: AttentionHealth

    @property
    def distinct(self) -> int:
        """Captions that differ from each other."""
        return len(set(self.captions.values()))

    @property
    def distinct_share(self) -> float:
        """Distinct captions per photo, above 0 to 1."""
        return self.distinct / len(self.captions)

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name, without the captions."""
        return {
            "scores": self.scores.as_dict(),
            "distinct_captions": self.distinct,
            "distinct_share": self.distinct_share,
            "words_used": self.words_used,
            "mean_words": self.mean_words,
            "unfinished": self.unfinished,
            "attention": self.health.as_dict(),
        }


@dataclass(frozen=True)
class EvaluationReport:
    """How a model did on one split.

    Attributes:
        model: its name.
        split: "train", "val" or "test".
        photos: how many were described.
        seconds_per_photo: wall time of opening and describing, all widths in one run.
        widths: one report per beam width, ascending.
    """

    model: str
    split: str
    photos: int
    seconds_per_photo: float
    widths: tuple[WidthReport, ...]

    def as_dict(self, captions: bool = False) -> dict[str, Any]:
        """Everything as plain JSON values; with `captions`, also {filename: {width: caption}}."""
        record: dict[str, Any] = {
            "model": self.model,
            "split": self.split,
            "photos": self.photos,
            "seconds_per_photo": self.seconds_per_photo,
            "beam_width": {str(report.width): report.as_dict() for report in self.widths},
        }
        if captions:
            filenames = self.widths[0].captions
            record["captions"] = {
                name: {str(report.width): report.captions[name] for report in self.widths} for name in filenames
            }
        return record

    def table(self) -> str:
        """The report for people: scores in percent, then variety, then attention, one line per beam width."""
        tokenizer = self.widths[0].scores.tokenizer
        note = "" if tokenizer == "ptb" else ", simple tokenizer: not comparable with published scores"
        about = f"{self.model}: {self.photos} photos of {self.split}, {self.seconds_per_photo:.3f} s a photo"
        blocks = [
            (f"{TABLE_HEADER}   (percent{note})", [report.scores.table_line() for report in self.widths]),
            ("distinct  words used  words a caption  unfinished", [_variety_line(r) for r in self.widths]),
            ("effective cells    peak  next word  all words  photos", [_health_line(r.health) for r in self.widths]),
        ]
        lines = [about]
        for header, rows in blocks:
            lines += ["", f"width  {header}"]
            lines += [f"{report.width:5d}  {row}" for report, row in zip(self.widths, rows, strict=True)]
        lines += [""] + [f"width {r.width}: {_verdict(r.health)}" for r in self.widths]
        return "\n".join(lines)


def evaluate(
    captioner: Captioner, data: CaptionData, options: EvaluateOptions | None = None, progress: bool = True
) -> EvaluationReport:
    """Describe every photo of a split and score the best caption of every beam width.

    Args:
        captioner: the model.
        data: the captioned photos.
        options: what to evaluate and how.
        progress: show progress bars with the time left.

    Raises:
        DataError: the split is empty, or scoring is not possible (found out before the first photo).
        PhotoError: a photo cannot be read; the message names it.
    """
    options = options or EvaluateOptions()
    examples = data.split(options.split)[: options.limit]
    check_scorer(options.tokenizer)
    began = time.perf_counter()
    best = _describe(captioner, examples, options, progress)
    seconds = (time.perf_counter() - began) / len(examples)
    sets = [{e.filename: c.text for e, c in zip(examples, best[width], strict=True)} for width in options.widths]
    references = {example.filename: example.captions for example in examples}
    scores = score_caption_sets(sets, references, options.tokenizer, progress)
    reports = [
        _width_report(width, best[width], texts, scored)
        for width, texts, scored in zip(options.widths, sets, scores, strict=True)
    ]
    return EvaluationReport(captioner.card.name, options.split, len(examples), seconds, tuple(reports))


def write_report(report: EvaluationReport, path: Path, captions: bool = False) -> None:
    """Write the report as JSON; the file appears whole or not at all.

    Raises:
        CaptionerError: the folder does not exist or cannot be written.
    """
    write_whole(path, json.dumps(report.as_dict(captions), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _describe(
    captioner: Captioner, examples: Sequence[Example], options: EvaluateOptions, progress: bool
) -> dict[int, list[Caption]]:
    """The best caption of every photo, by beam width."""
    search = SearchOptions(widths=options.widths)
    best: dict[int, list[Caption]] = {width: [] for width in options.widths}
    with tqdm(total=len(examples), desc="describing", unit="photo", disable=not progress) as bar:
        for photos in _batches(examples, options.batch_size):
            for description in captioner.describe_many(photos, search):
                for width, captions in best.items():
                    captions.append(description.at_width(width)[0])
            bar.update(len(photos))
    return best


def _batches(examples: Sequence[Example], size: int) -> Iterator[list[Image.Image]]:
    for first in range(0, len(examples), size):
        yield [open_photo(example.path) for example in examples[first : first + size]]


def _width_report(
    width: int, captions: Sequence[Caption], texts: Mapping[str, str], scores: CaptionScores
) -> WidthReport:
    return WidthReport(
        width=width,
        scores=scores,
        captions=texts,
        words_used=len({word for caption in captions for word in caption.words}),
        mean_words=sum(len(caption.words) for caption in captions) / len(captions),
        unfinished=sum(not caption.finished for caption in captions),
        health=attention_health(captions),
    )


def _variety_line(report: WidthReport) -> str:
    distinct = f"{100 * report.distinct_share:.1f}%"
    return f"{distinct:>8}  {report.words_used:10d}  {report.mean_words:15.1f}  {report.unfinished:10d}"


def _health_line(health: AttentionHealth) -> str:
    cells = f"{health.effective_cells:.1f} of {health.cells}"
    next_word, all_words = _share(health.next_word_difference), _share(health.word_difference)
    return f"{cells:>15}  {health.peak:6.3f}  {next_word:>9}  {all_words:>9}  {_share(health.photo_difference):>6}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _verdict(health: AttentionHealth) -> str:
    return f"attention {'COLLAPSED' if health.collapsed else 'not collapsed'}. {health.reason}"
