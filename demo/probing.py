"""Answers to experiments on one caption, for the page ("Test this map") and for the API (`/probe`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from captioner.errors import PhotoError, SearchError
from captioner.gaze import Gaze
from captioner.search_options import SearchOptions
from demo import text
from demo.boxes import boxes_of
from demo.callbacks import read_beam_width, read_preset
from demo.view import DEFAULT_WIDTH, build_view
from demo.view_types import ResultView

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.description import Description
    from captioner.encoder import FeatureGrid

Question = Mapping[str, Any]
Answer = dict[str, Any]
MAX_WORDS = 100
RATES_FILE = Path(__file__).resolve().parent.parent / "assets" / "probes.json"


@dataclass(frozen=True, eq=False)
class Subject:
    """What an experiment is made on.

    Attributes:
        captioner: who speaks.
        photo: opens the photo, which few experiments need.
        grid: its features.
    """

    captioner: Captioner
    photo: Callable[[], Image.Image]
    grid: FeatureGrid


def probe_json(subject: Subject, question: Question) -> Answer:
    """{"test": "map" | "seen" | "second" | "boxes" | "shuffled" | "gaze" | "erase", ...} as plain JSON values.

    Without "words" the caption tested is the best one of beam width 5.

    Raises:
        PhotoError: what is to be erased is nothing, everything, or no outline.
        SearchError: there is no such experiment, or it asks for something impossible.
    """
    test = question.get("test")
    if isinstance(test, str) and test in TESTS:
        return {"kind": test, **TESTS[test](subject, question)}
    width = read_beam_width(question.get("beam_width", DEFAULT_WIDTH))
    options = SearchOptions(widths=(width,))
    if test == "gaze":
        return {"kind": test, **_brushed(subject, question, options).to_json(width)}
    if test == "erase":
        told, promised, _ = _erased(subject, question, options)
        return {"kind": test, **told.to_json(width), "outlook": promised}
    raise SearchError(text.known_tests(EXPERIMENTS))


def probe_view(subject: Subject, question: Question) -> Answer:
    """The same for the page: where a caption is told again, the whole result of it, all widths."""
    test = question.get("test")
    if test not in TOLD_AGAIN:
        return probe_json(subject, question)
    preset = read_preset(question.get("preset"))
    options = SearchOptions.preset(preset)
    if test == "gaze":
        result = _view(subject, _brushed(subject, question, options), subject.photo(), preset)
        return {"kind": test, "result": result, "rate": brush_rate(subject.captioner.card.name)}
    told, promised, erased = _erased(subject, question, options)
    return {"kind": test, "result": _view(subject, told, erased, preset), "outlook": promised}


def brush_rate(model: str, file: Path = RATES_FILE) -> Answer | None:
    """How often brushing worked for this model, as `python -m captioner probe --json` wrote it; None when not measured.

    Raises:
        ValueError: the file is none of its reports.
    """
    if not file.is_file():
        return None
    report = json.loads(file.read_text(encoding="utf-8"))
    return dict(report["brush"]) if report["model"] == model and "brush" in report else None


def _view(subject: Subject, told: Description, photo: Image.Image, preset: str) -> ResultView:
    return build_view(told, photo, subject.captioner.card.trained_on, preset=preset)


def _brushed(subject: Subject, question: Question, options: SearchOptions) -> Description:
    """ "weights": rows of numbers on the grid; "step": the word it holds for, those before it stay; none: all words."""
    grid = subject.grid
    try:
        weights = np.array(question.get("weights"), dtype=np.float32)
    except (TypeError, ValueError) as problem:
        raise SearchError(text.NO_GAZE) from problem
    if weights.shape != (grid.height, grid.width):
        raise SearchError(text.NO_GAZE)
    if question.get("step") is None:
        return subject.captioner.search(grid, options, gaze=Gaze(weights))[0]
    words, step = _words(subject, question), _step(question)
    if step >= len(words):
        raise SearchError(text.beyond_caption(len(words), step + 1))
    return subject.captioner.search(grid, options, words[:step], Gaze(weights, step))[0]


def _erased(subject: Subject, question: Question, options: SearchOptions) -> tuple[Description, Answer, Image.Image]:
    """ "outline": [[x, y], ...] in shares of the photo; "fill": "inpaint" or "flat"."""
    from captioner.probes.erasing import erase, outlook

    outline, words = _outline(question.get("outline")), _words(subject, question)
    erased = erase(subject.photo(), outline, question.get("fill", "inpaint"))
    told = subject.captioner.describe(erased, options)
    before = subject.captioner.replay(subject.grid, words)
    width = min(told.widths, key=lambda one: abs(one - DEFAULT_WIDTH))
    return told, asdict(outlook(before, told.at_width(width)[0], outline)), erased


def _map(subject: Subject, question: Question) -> Answer:
    from captioner.probes.map_test import map_test

    test = map_test(subject.captioner, subject.grid, _words(subject, question), _step(question))
    return {**asdict(test), "loss": test.loss, "verdict": test.verdict}


def _seen(subject: Subject, question: Question) -> Answer:
    from captioner.probes.seen import seen_or_guessed

    words = _words(subject, question)
    seen = seen_or_guessed(subject.captioner, subject.grid, words)
    return {"words": list(words), **asdict(seen), "gains": seen.gains}


def _second(subject: Subject, question: Question) -> Answer:
    from captioner.probes.second import second_opinion

    opinion = second_opinion(subject.captioner, subject.grid, _words(subject, question), _step(question))
    maps = {"attention": opinion.attention.tolist(), "attribution": opinion.attribution.tolist()}
    told = {"agreement": opinion.agreement, "verdict": opinion.verdict, "correlation": opinion.correlation}
    return {**maps, **told}


def _boxes(subject: Subject, question: Question) -> Answer:
    from captioner.probes.box_check import check_boxes

    boxes = boxes_of(subject.photo())
    if not boxes:
        raise PhotoError(text.NO_BOXES)
    caption = subject.captioner.replay(subject.grid, _words(subject, question))
    drawn = {word: [(left, top, right, bottom) for left, top, right, bottom in found] for word, found in boxes.items()}
    return {"words": [asdict(check) for check in check_boxes(caption, drawn)]}


def _shuffled(subject: Subject, question: Question) -> Answer:
    from captioner.probes.shuffling import shuffled_maps

    words = _words(subject, question)
    return {"words": list(words), "maps": shuffled_maps(subject.captioner, subject.grid, words).tolist()}


def _words(subject: Subject, question: Question) -> tuple[str, ...]:
    words = question.get("words")
    if words is None:
        return subject.captioner.search(subject.grid, SearchOptions(widths=(DEFAULT_WIDTH,)))[0].captions[0].words
    if not isinstance(words, list) or len(words) > MAX_WORDS or not all(isinstance(word, str) for word in words):
        raise SearchError(text.UNKNOWN_QUESTION)
    return tuple(words)


def _step(question: Question) -> int:
    step = question.get("step", 0)
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise SearchError(text.NO_STEP)
    return step


def _outline(outline: object) -> Sequence[tuple[float, float]]:
    try:
        points = np.array(outline, dtype=np.float64)
    except (TypeError, ValueError) as problem:
        raise PhotoError(text.NO_OUTLINE) from problem
    if points.ndim != 2 or points.shape[1] != 2:
        raise PhotoError(text.NO_OUTLINE)
    return [(float(x), float(y)) for x, y in points]


TESTS: dict[str, Callable[[Subject, Question], Answer]] = {
    "map": _map,
    "seen": _seen,
    "second": _second,
    "boxes": _boxes,
    "shuffled": _shuffled,
}
TOLD_AGAIN = ("gaze", "erase")  # the caption itself changes
EXPERIMENTS = (*TESTS, *TOLD_AGAIN)
