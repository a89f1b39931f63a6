"""Teach a model to say when it is guessing: fit its familiarity, and measure it on photos of new things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from captioner.captioner import Captioner
from captioner.checkpoint import load_checkpoint, save_checkpoint
from captioner.errors import DataError
from captioner.familiarity import Familiarity, fit_familiarity, summarise
from captioner.photo import open_photo
from captioner.training.data import Example, load_folders
from captioner.training.rows import UNSPOKEN_LABELS
from captioner.vocabulary import Vocabulary, tokenize

TOGETHER = 16  # photos encoded in one run


@dataclass(frozen=True)
class CalibrateOptions:
    """What to calibrate on.

    Attributes:
        data: the folders the model was trained on; the first one's validation photos set the limit.
        checkpoint: the model; it is written again with its familiarity.
        photos: most training photos to look at.
        components: see `fit_familiarity`.
        false_alarms: share of the first folder's validation photos allowed beyond the limit.
        device: see Captioner.
    """

    data: tuple[Path, ...]
    checkpoint: Path
    photos: int = 4000
    components: int = 64
    false_alarms: float = 0.02
    device: str = "auto"


@dataclass(frozen=True)
class Calibration:
    """How well familiarity tells photos of things never trained on from validation photos.

    Attributes:
        auroc: data folder -> chance that a photo of a new thing is stranger than a validation photo of that folder.
        false_alarms: data folder -> share of its validation photos called unfamiliar.
        found: share of the photos of new things called unfamiliar.
        new_photos: how many photos of new things there were.
    """

    auroc: dict[str, float]
    false_alarms: dict[str, float]
    found: float
    new_photos: int


def calibrate(options: CalibrateOptions) -> Calibration:
    """Fit, measure, and write the checkpoint.

    New things are those of label photos none of whose labels is in the model's vocabulary: no photo of theirs was
    trained on.

    Raises:
        DataError: a split is missing, or there is no photo of a new thing.
        CheckpointError: the checkpoint cannot be used, or the photos are too few for the components.
    """
    captioner = Captioner.load(options.checkpoint, options.device)
    data = load_folders(options.data, labelled=True)
    told = [example for example in data.split("train") if example.captions]
    new = [example for example in data.split("train") if is_new(example, captioner.vocabulary)]
    if not new:
        raise DataError("no photo of things the model was never trained on: add a folder with labels of rare things")
    step = max(1, -(-len(told) // options.photos))  # every n-th, so that all folders have their share
    trained = _summaries(captioner, told[::step], "training photos")
    held_out = {
        name: _summaries(captioner, [e for e in data.split("val") if e.source == name], f"{name} validation")
        for name in dict.fromkeys(example.source for example in data.split("val"))
    }
    first = held_out[options.data[0].name]
    half = len(first) // 2  # the limit is set on one half and the false alarms are counted on the other
    familiarity = fit_familiarity(trained, first[:half], options.components, options.false_alarms)
    held_out[options.data[0].name] = first[half:]
    strange = familiarity.distances(_summaries(captioner, new, "photos of new things"))
    parts = replace(load_checkpoint(options.checkpoint), familiarity=familiarity)
    save_checkpoint(parts, options.checkpoint, torch.float16)
    return _measure(familiarity, held_out, strange)


def is_new(example: Example, vocabulary: Vocabulary) -> bool:
    """Whether a photo shows labelled things alone that the model has no words for."""
    names = [label.name for label in example.labels if label.name not in UNSPOKEN_LABELS]
    spoken = any(all(word in vocabulary for word in tokenize(name)) for name in names)
    return bool(names) and not example.captions and not spoken


def area_under_roc(low: Tensor, high: Tensor) -> float:
    """Chance that one of `high` is larger than one of `low`, ties counted half."""
    ordered = low.sort().values
    below, up_to = (torch.searchsorted(ordered, high, right=right).double() for right in (False, True))
    return float((below + up_to).mean() / (2 * len(low)))


def _measure(familiarity: Familiarity, held_out: dict[str, Tensor], strange: Tensor) -> Calibration:
    distances = {name: familiarity.distances(summaries) for name, summaries in held_out.items()}
    return Calibration(
        auroc={name: area_under_roc(own, strange) for name, own in distances.items()},
        false_alarms={name: float((own > familiarity.limit).float().mean()) for name, own in distances.items()},
        found=float((strange > familiarity.limit).float().mean()),
        new_photos=len(strange),
    )


def _summaries(captioner: Captioner, examples: Sequence[Example], name: str) -> Tensor:
    """Summaries (N, D) of the photos, on the CPU."""
    found = []
    for first in tqdm(range(0, len(examples), TOGETHER), desc=name, mininterval=5):
        photos = [open_photo(example.path) for example in examples[first : first + TOGETHER]]
        with torch.inference_mode():
            found.append(summarise(captioner.encode(photos)).cpu())
    return torch.cat(found)
