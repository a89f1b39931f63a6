"""How far the experiments of `captioner.probes` can be trusted: their verdicts against boxes and deletion, on a split.

A verdict ("mattered") comes from shuffling a word's map. Deleting the cells that the map points at is another
experiment, so the words it calls important should lose more by it. And brushing the gaze over a thing that the caption
does not name should sometimes bring its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from captioner.encoder import FeatureGrid
from captioner.errors import DataError
from captioner.gaze import Gaze
from captioner.photo import open_photo
from captioner.probes.map_test import MapTest, map_test
from captioner.search_options import SearchOptions
from captioner.training.data import Example
from captioner.training.localisation import object_nouns
from captioner.training.nouns import singular
from captioner.training.pointing import inside_share
from captioner.training.second_opinions import SecondReport, ask_twice
from captioner.training.views import Box

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.captioner import Captioner

OPTIONS = SearchOptions(widths=(3,))
LEAST_SHARE = 0.02  # of the photo: smaller things than that are not brushed


@dataclass(frozen=True)
class VerdictReport:
    """What deletion says of the verdicts.

    Attributes:
        words: words tested.
        mattered, barely: shares of them with that verdict.
        flagged_loss, other_loss: mean nats that words whose map mattered, and the others, lose when their map's cells
            are deleted.
        auc: probability that a word whose map mattered loses more by it than one whose map did not.
        nouns: of them, names of things.
        beats_chance, beats_centre: shares of the nouns that lose more by attention's order than by chance, or than
            from the centre.
    """

    words: int
    mattered: float
    barely: float
    flagged_loss: float
    other_loss: float
    auc: float
    nouns: int
    beats_chance: float
    beats_centre: float


@dataclass(frozen=True)
class BrushReport:
    """How often brushing the gaze over a thing brings its name.

    Attributes:
        photos: with a boxed thing that the caption does not name.
        always: share in which looking there at every step names it.
        once: share in which looking there at the one step that said the caption's first noun names it.
        elsewhere: share in which looking at every step at the box mirrored left to right and upside down names it.
        changed: share in which the caption changes at all when looking there at every step.
    """

    photos: int
    always: float
    once: float
    elsewhere: float
    changed: float


@dataclass(frozen=True)
class ProbeReport:
    """All three, with whose they are and how many photos were looked at."""

    model: str
    photos: int
    verdicts: VerdictReport
    brush: BrushReport
    second: SecondReport

    def as_dict(self) -> dict[str, object]:
        """All numbers by name."""
        return asdict(self)


def probe(captioner: Captioner, examples: Sequence[Example], limit: int | None = None, seed: int = 0) -> ProbeReport:
    """Run the experiments on photos with boxed phrases.

    Args:
        examples: what is a thing's name is learnt from all of them.
        limit: how many of them to look at, picked at random; None: all.

    Raises:
        DataError: no photo has boxed phrases, or none of the captions can be tested.
    """
    nouns = object_nouns(examples)
    if not nouns:
        raise DataError("expected photos with boxed phrases, got none: give a folder with phrase_boxes.json")
    random = np.random.default_rng(seed)
    chosen = [examples[place] for place in random.permutation(len(examples))[:limit]]
    tests: list[tuple[MapTest, bool]] = []
    brushed: list[tuple[bool, bool, bool, bool]] = []
    for number, example in enumerate(tqdm(chosen, desc="probing", unit="photo")):
        grid = captioner.encode([open_photo(example.path)])
        caption = captioner.search(grid, OPTIONS)[0].at_width(3)[0]
        for step, word in enumerate(caption.words):
            tests.append((map_test(captioner, grid, caption.words, step, seed + number), singular(word) in nouns))
        thing = unnamed_thing(example, caption, nouns, random, captioner)
        if thing is not None:
            brushed.append(brush_at(captioner, grid, caption, *thing, nouns))
    if not tests or not brushed:
        raise DataError("expected captions with words and things they do not name, got none: give more photos")
    always, once, elsewhere, changed = np.mean(np.array(brushed, dtype=np.float64), axis=0).tolist()
    brush = BrushReport(len(brushed), always, once, elsewhere, changed)
    second = ask_twice(captioner, examples, limit, seed)
    return ProbeReport(captioner.card.name, len(chosen), judge_verdicts(tests), brush, second)


def judge_verdicts(tests: Sequence[tuple[MapTest, bool]]) -> VerdictReport:
    """Hold verdicts against deletion.

    Args:
        tests: each with whether its word names a thing.
    """
    verdicts = [test.verdict for test, _ in tests]
    losses = np.array([test.deletion.mean_loss(test.log_prob) for test, _ in tests])  # (N, 3)
    flagged = np.array([verdict == "mattered" for verdict in verdicts])
    nouns = np.array([is_noun for _, is_noun in tests])
    named = losses[nouns]
    return VerdictReport(
        words=len(tests),
        mattered=float(flagged.mean()),
        barely=verdicts.count("barely") / len(tests),
        flagged_loss=_mean(losses[flagged, 0]),
        other_loss=_mean(losses[~flagged, 0]),
        auc=area_under_curve(losses[flagged, 0], losses[~flagged, 0]),
        nouns=int(nouns.sum()),
        beats_chance=_mean(named[:, 0] > named[:, 1]),
        beats_centre=_mean(named[:, 0] > named[:, 2]),
    )


def area_under_curve(positive: NDArray[np.floating], negative: NDArray[np.floating]) -> float:
    """Probability that one of `positive` is above one of `negative`, ties counting half; NaN without either."""
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    up_to = np.searchsorted(ordered, positive, side="right")
    return float((below + up_to).mean() / 2 / len(negative))


def unnamed_thing(
    example: Example, caption: Caption, nouns: frozenset[str], random: np.random.Generator, captioner: Captioner
) -> tuple[str, tuple[Box, ...]] | None:
    """A boxed thing that the caption does not name but has a word for, picked at random; None without one."""
    said = {singular(word) for word in caption.words}
    known: dict[str, list[Box]] = {}
    for sentence in example.sentences:
        words = sentence.caption.lower().split()
        for phrase in sentence.phrases:
            name = singular(words[phrase.end - 1].strip(".,")) if phrase.end <= len(words) else ""
            if phrase.boxes and name in nouns and name in captioner.vocabulary and "scene" not in phrase.types:
                known.setdefault(name, list(phrase.boxes))
    names = sorted(name for name in known if name not in said)
    names = [name for name in names if inside_share(known[name], 28, 28).mean() >= LEAST_SHARE]
    if not names:
        return None
    name = names[int(random.integers(len(names)))]
    return name, tuple(known[name])


def brush_at(
    captioner: Captioner,
    grid: FeatureGrid,
    caption: Caption,
    name: str,
    boxes: Sequence[Box],
    nouns: frozenset[str],
) -> tuple[bool, bool, bool, bool]:
    """Whether the thing is named when looked at always, once, and elsewhere; and whether the caption changes."""
    weights = inside_share(boxes, grid.height, grid.width).astype(np.float32)
    there = Gaze(weights)
    step = next((place for place, word in enumerate(caption.words) if singular(word) in nouns), 0)

    def tell(gaze: Gaze, prefix: Sequence[str] = ()) -> tuple[str, ...]:
        return captioner.search(grid, OPTIONS, prefix, gaze)[0].at_width(3)[0].words

    def names_it(words: Sequence[str]) -> bool:
        return name in {singular(word) for word in words}

    always = tell(there)
    once = tell(replace(there, step=step), caption.words[:step])
    elsewhere = tell(Gaze(np.ascontiguousarray(weights[::-1, ::-1])))
    return names_it(always), names_it(once), names_it(elsewhere), always != caption.words


def _mean(values: NDArray[np.bool_] | NDArray[np.floating]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
