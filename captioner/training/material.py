"""What a training run works on: photos and their views, features, rows of words, rewards."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from accelerate import Accelerator

from captioner.errors import DataError
from captioner.training.batches import BatchMaker
from captioner.training.data import Example, load_folders
from captioner.training.features import FeatureCache, PhotoReader
from captioner.training.options import TrainOptions
from captioner.training.reward import CiderReward
from captioner.training.rows import Row, RowOptions, make_rows
from captioner.training.start import Start, make_start
from captioner.training.validation import FeatureSource
from captioner.training.views import View, make_views


@dataclass(frozen=True)
class Material:
    """Everything a run reads; the places of batches, features and rewards are those of `examples`.

    Attributes:
        examples: training and validation photos.
        views: of each of them; validation photos are only shown as they are.
        start: the parts the run begins with.
        source: features of the photos, from the first stage of the encoder that learns.
        batches: training photos and their rows.
        reward: scores of sampled captions; None without self-critical training.
    """

    examples: tuple[Example, ...]
    views: tuple[tuple[View, ...], ...]
    start: Start
    source: FeatureSource
    batches: BatchMaker
    reward: CiderReward | None


def make_material(options: TrainOptions, accelerator: Accelerator) -> Material:
    """Read the data folders and run, or find on disk, what the frozen stages of the encoder make of the photos.

    Raises:
        DataError: the data cannot be used, or the encoder has no such stage to learn from.
    """
    data = load_folders(options.data, labelled=options.label_weight > 0)
    examples = tuple(example for example in data.examples if example.split in ("train", "val"))
    data.split("val")  # says so now when there is none
    torch.manual_seed(options.seed)
    start = make_start(options, data.split("train"))
    views = tuple(
        make_views(example.filename, options.views if example.split == "train" else 1) for example in examples
    )
    source = _features(options, accelerator, examples, views, start)
    batches = _batch_maker(options, accelerator.device, examples, views, start)
    reward = _reward(batches.rows) if options.self_critical else None
    return Material(examples, views, start, source, batches, reward)


def _features(
    options: TrainOptions,
    accelerator: Accelerator,
    examples: Sequence[Example],
    views: Sequence[Sequence[View]],
    start: Start,
) -> FeatureSource:
    encoder = start.encoder
    stage = len(encoder.stages) if options.tune_from is None else options.tune_from
    if not 0 <= stage <= len(encoder.stages):
        raise DataError(f"expected --tune-from of 0 to {len(encoder.stages)}, got {stage}")
    encoder.to(accelerator.device).to(memory_format=torch.channels_last)
    if not options.cache_features or stage == 0:
        return PhotoReader(examples, views, encoder, stage, start.photo)
    cache = FeatureCache(options.run, examples, views, encoder, stage, start.photo)
    with accelerator.main_process_first():
        cache.fill()
    return cache


def _batch_maker(
    options: TrainOptions,
    device: torch.device,
    examples: Sequence[Example],
    views: Sequence[Sequence[View]],
    start: Start,
) -> BatchMaker:
    told = RowOptions(options.max_words, options.lone_weight, options.label_weight)
    # Validation photos have no rows to learn from, so no batch holds them.
    rows = [make_rows(example, start.vocabulary, told) if example.split == "train" else [] for example in examples]
    with torch.inference_mode():
        blank = start.encoder(torch.zeros(1, 3, start.photo.size, start.photo.size, device=device))
    grid = (blank.height, blank.width)
    return BatchMaker(rows, views, start.vocabulary, grid, options.photos_per_batch, options.views > 1)


def _reward(rows: Sequence[Sequence[Row]]) -> CiderReward:
    """Rewards by the captions of every training photo that has some."""
    sentences = {place: [row.ids[1:] for row in own if row.sentence] for place, own in enumerate(rows)}
    return CiderReward({place: own for place, own in sentences.items() if own})


def provenance(options: TrainOptions, material: Material, epoch: int) -> dict[str, Any]:
    """What the checkpoint of an epoch (from 0) says about where it comes from; no paths."""
    told = [example.captions for example in material.examples if example.split == "train"]
    paths = ("data", "out", "run", "start_from", "watch", "trained_on", "name")
    return {
        "options": {name: value for name, value in asdict(options).items() if name not in paths},
        "encoder_start": material.start.source,
        "photos": sum(bool(captions) for captions in told),
        "photos_of_labels": sum(not captions for captions in told),
        "captions": sum(map(len, told)),
        "epoch": epoch + 1,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
