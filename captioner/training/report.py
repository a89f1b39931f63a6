"""What an evaluation found, as numbers, as JSON and as a table for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.attention_health import AttentionHealth
from captioner.training.grounding import GroundingReport
from captioner.training.localisation import Localisation
from captioner.training.objects import ObjectReport
from captioner.training.repeats import REPEATS_HEADER, Repeats, count_repeats, find_repeats
from captioner.training.scoring import TABLE_HEADER, CaptionScores
from captioner.whole_file import write_whole

OBJECT_HEADER = "named  CHAIRi  CHAIRs  says dog"
LOCALISATION_HEADER = "F1_all  F1_loc   pooled: F1_all  F1_loc  centre    words said  named  pointed"


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
        objects: what the captions name, where photos have labels.
        localisation: whether they look at it, where that was asked for and photos have phrases with boxes.
    """

    width: int
    scores: CaptionScores
    captions: Mapping[str, str]
    words_used: int
    mean_words: float
    unfinished: int
    health: AttentionHealth
    objects: ObjectReport | None = None
    localisation: Localisation | None = None

    @property
    def distinct(self) -> int:
        """Captions that differ from each other."""
        return len(set(self.captions.values()))

    @property
    def distinct_share(self) -> float:
        """Distinct captions per photo, above 0 to 1."""
        return self.distinct / len(self.captions)

    @property
    def repeats(self) -> Repeats:
        """What the captions say twice."""
        return count_repeats(self.captions.values())

    def as_dict(self) -> dict[str, Any]:
        """All numbers by name, without the captions."""
        record: dict[str, Any] = {
            "scores": self.scores.as_dict(),
            "distinct_captions": self.distinct,
            "distinct_share": self.distinct_share,
            "words_used": self.words_used,
            "mean_words": self.mean_words,
            "unfinished": self.unfinished,
            "repeats": self.repeats.as_dict(),
            "attention": self.health.as_dict(),
        }
        if self.objects is not None:
            record["objects"] = self.objects.as_dict()
        if self.localisation is not None:
            record["localisation"] = self.localisation.as_dict()
        return record


@dataclass(frozen=True)
class EvaluationReport:
    """How a model did on one split.

    Attributes:
        model: its name.
        split: "train", "val" or "test".
        photos: how many were described.
        seconds_per_photo: wall time of opening and describing, all widths in one run; with grounding, that too.
        widths: one report per beam width, ascending.
        people: what people's own captions of these photos say twice.
        grounding: of people's sentences, where that was asked for.
        problem: why scores are missing, or not by the tokenizer that was asked for; empty when none is.
    """

    model: str
    split: str
    photos: int
    seconds_per_photo: float
    widths: tuple[WidthReport, ...]
    people: Repeats
    grounding: GroundingReport | None = None
    problem: str = ""

    def as_dict(self, captions: bool = False) -> dict[str, Any]:
        """Everything as plain JSON values; with `captions`, also those of `captions_dict`."""
        record: dict[str, Any] = {
            "model": self.model,
            "split": self.split,
            "photos": self.photos,
            "seconds_per_photo": self.seconds_per_photo,
            "beam_width": {str(report.width): report.as_dict() for report in self.widths},
            "people": {"repeats": self.people.as_dict()},
        }
        if self.problem:
            record["problem"] = self.problem
        if self.grounding is not None:
            record["grounding"] = self.grounding.as_dict()
        return {**record, **self.captions_dict()} if captions else record

    def captions_dict(self) -> dict[str, Any]:
        """{"captions": {filename: {width: caption}}, "repeats": {filename: {width: what it repeats}}}; only captions
        that repeat something are in the second (see `find_repeats`)."""
        captions = {
            name: {str(report.width): report.captions[name] for report in self.widths}
            for name in self.widths[0].captions
        }
        repeats = {
            name: {width: found for width, caption in own.items() if (found := find_repeats(caption))}
            for name, own in captions.items()
        }
        return {"captions": captions, "repeats": {name: own for name, own in repeats.items() if own}}

    def table(self) -> str:
        """The report for people: one line per beam width for scores in percent, variety, attention, objects,
        localisation and words said twice; then grounding by type and objects by class."""
        lines = [f"{self.model}: {self.photos} photos of {self.split}, {self.seconds_per_photo:.3f} s a photo"]
        for header, rows in (*self._width_blocks(), *self._object_blocks(), *self._localisation_blocks()):
            lines += ["", f"width  {header}"]
            lines += [f"{report.width:5d}  {row}" for report, row in zip(self.widths, rows, strict=True)]
        lines += self._repeat_lines()
        lines += [""] + [f"width {r.width}: {_verdict(r.health)}" for r in self.widths]
        if self.grounding is not None:
            lines += ["", self.grounding.table()]
        return "\n".join(lines + self._category_lines())

    def _width_blocks(self) -> list[tuple[str, list[str]]]:
        tokenizer = self.widths[0].scores.tokenizer
        note = "" if tokenizer == "ptb" else ", simple tokenizer: not comparable with published scores"
        return [
            (f"{TABLE_HEADER}   (percent{note})", [report.scores.table_line() for report in self.widths]),
            ("distinct  words used  words a caption  unfinished", [_variety_line(r) for r in self.widths]),
            ("effective cells    peak  next word  all words  photos", [_health_line(r.health) for r in self.widths]),
        ]

    def _object_blocks(self) -> list[tuple[str, list[str]]]:
        found = [report.objects for report in self.widths if report.objects is not None]
        if not found:
            return []
        about = f"(percent; {found[0].photos} photos with labels, {found[0].dogless} without a dog)"
        return [(f"{OBJECT_HEADER}   {about}", [_object_line(objects) for objects in found])]

    def _localisation_blocks(self) -> list[tuple[str, list[str]]]:
        found = [report.localisation for report in self.widths if report.localisation is not None]
        if not found:
            return []
        about = f"(percent; {found[0].pooled.objects} objects of {found[0].nouns} nouns)"
        return [(f"{LOCALISATION_HEADER}   {about}", [_localisation_line(own) for own in found])]

    def _repeat_lines(self) -> list[str]:
        about = "(percent of captions: a content word more than once, any word twice in a row)"
        rows = [f"{report.width:5d}  {report.repeats.table_line()}" for report in self.widths]
        people = f"people {self.people.table_line()}   ({self.people.captions} captions of the same photos)"
        return ["", f"width  {REPEATS_HEADER}   {about}", *rows, people]

    def _category_lines(self) -> list[str]:
        """For each class, how many photos have it and how many captions of each width name it, or invent it."""
        found = {report.width: report.objects for report in self.widths if report.objects is not None}
        if not found:
            return []
        heads = "".join(f"{f'width {width}':>12}" for width in found)
        by_width = [{c.name: c for c in objects.categories} for objects in found.values()]
        lines = ["", f"photos labelled, of these named + times named where it is not\n{'':16}photos{heads}"]
        for name in dict.fromkeys(name for own in by_width for name in own):
            counts = [own.get(name) for own in by_width]
            photos = max(count.photos for count in counts if count is not None)
            cells = "".join(f"{'0 + 0' if c is None else f'{c.named} + {c.invented}':>12}" for c in counts)
            lines.append(f"{name:16}{photos:6d}{cells}")
        return lines


def write_report(report: EvaluationReport, path: Path, captions: bool = False) -> None:
    """Write the report as JSON; the file appears whole or not at all.

    Raises:
        CaptionerError: the folder does not exist or cannot be written.
    """
    write_whole(path, json.dumps(report.as_dict(captions), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_captions(report: EvaluationReport, path: Path) -> None:
    """Write every caption, and what it repeats, as JSON; the file appears whole or not at all.

    Raises:
        CaptionerError: the folder does not exist or cannot be written.
    """
    write_whole(path, json.dumps(report.captions_dict(), indent=2, ensure_ascii=False) + "\n")


def _variety_line(report: WidthReport) -> str:
    distinct = f"{100 * report.distinct_share:.1f}%"
    return f"{distinct:>8}  {report.words_used:10d}  {report.mean_words:15.1f}  {report.unfinished:10d}"


def _health_line(health: AttentionHealth) -> str:
    cells = f"{health.effective_cells:.1f} of {health.cells}"
    next_word, all_words = _share(health.next_word_difference), _share(health.word_difference)
    return f"{cells:>15}  {health.peak:6.3f}  {next_word:>9}  {all_words:>9}  {_share(health.photo_difference):>6}"


def _object_line(objects: ObjectReport) -> str:
    chair_i, dog = _percent(objects.chair_i), _percent(objects.dog_share)
    return f"{_percent(objects.recall):>5}  {chair_i:>6}  {_percent(objects.chair_s):>6}  {dog:>8}"


def _localisation_line(found: Localisation) -> str:
    shares = (found.f1_all, found.f1_loc, found.pooled_f1_all, found.pooled_f1_loc, found.centre_f1_loc)
    f1_all, f1_loc, *pooled = (_percent(share) for share in shares)
    counts = f"{found.pooled.said:14d}  {found.pooled.named:5d}  {found.pooled.pointed:7d}"
    return f"{f1_all:>6}  {f1_loc:>6}  {pooled[0]:>15}  {pooled[1]:>6}  {pooled[2]:>6}{counts}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _verdict(health: AttentionHealth) -> str:
    return f"attention {'COLLAPSED' if health.collapsed else 'not collapsed'}. {health.reason}"
