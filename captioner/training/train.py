"""The training run: epochs, validation, early stopping, resumable state."""

from __future__ import annotations

import copy
import json
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, ModelCard, save_checkpoint
from captioner.decoder import compare
from captioner.encoder import Encoder
from captioner.errors import DataError
from captioner.training.attention_health import AttentionHealth, attention_health
from captioner.training.batches import Batch, encode_captions, hide_words, make_batches
from captioner.training.curve import draw_curve
from captioner.training.data import load_data
from captioner.training.features import FeatureCache, PhotoReader
from captioner.training.model import TrainingModel
from captioner.training.numerics import bfloat16_pays, running_average
from captioner.training.options import TrainOptions
from captioner.training.scoring import quick_cider
from captioner.training.start import make_start

VALIDATION_WIDTH = 3


class FeatureSource(Protocol):
    """Where a batch's features come from: a cache, or the photos themselves."""

    stage: int

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32 of the photos `indices` in the given views."""


@dataclass
class Progress:
    """Where a run stands; saved with the weights."""

    epoch: int = 0
    batch: int = 0
    best_cider: float = -1.0
    best_epoch: int = -1


class Run:
    """One training run, from nothing or from the state its folder holds."""

    def __init__(self, options: TrainOptions) -> None:
        self.options = options
        self.accelerator = Accelerator(
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if bfloat16_pays() else "no",
            # In the frozen epochs the encoder's weights take no part in the loss.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        data = load_data(options.data)
        self.examples = tuple(example for example in data.examples if example.split in ("train", "val"))
        self.train_examples, self.val_examples = data.split("train"), data.split("val")
        torch.manual_seed(options.seed)
        self.start = make_start(options, (text for example in self.train_examples for text in example.captions))
        self.vocabulary = self.start.vocabulary
        # Places are those of `examples`; validation photos have no captions to learn from, so no batch holds them.
        self.captions = [
            own if example.split == "train" else []
            for example, own in zip(
                self.examples, encode_captions(self.examples, self.vocabulary, options.max_words), strict=True
            )
        ]
        self.source = self._features(self.start.encoder)
        self.model = TrainingModel(
            self.start.encoder,
            self.start.decoder,
            self.source.stage,
            options.label_smoothing,
            options.doubly_stochastic,
        )
        self.optimizer, self.scheduler = self._optimizer()
        self.average = AveragedModel(self.model, multi_avg_fn=running_average(options.average))
        if options.compile:
            self.model.decoder.attention.compare = torch.compile(compare, dynamic=True)
        self.average.to(self.accelerator.device)
        self.prepared, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
        self.progress = Progress()
        self.saved_at = time.monotonic()

    def run(self) -> Progress:
        """Train until the last epoch or until validation stops improving; the best epoch is in `options.out`."""
        self._resume()
        while self.progress.epoch < self.options.epochs:
            if self.progress.epoch - self.progress.best_epoch > self.options.patience and self.progress.best_epoch >= 0:
                break
            started = time.monotonic()
            losses = self._epoch()
            if self.accelerator.is_main_process:
                self._validate(losses, time.monotonic() - started)
            (progress,) = broadcast_object_list([self.progress])  # only the main process knows the new CIDEr
            self.progress = replace(progress, epoch=progress.epoch + 1, batch=0)
            self._save_state()
        return self.progress

    def _features(self, encoder: Encoder) -> FeatureSource:
        options = self.options
        stage = len(encoder.stages) if options.tune_from is None else options.tune_from
        if not 0 <= stage <= len(encoder.stages):
            raise DataError(f"expected --tune-from of 0 to {len(encoder.stages)}, got {stage}")
        device = self.accelerator.device
        encoder.to(device).to(memory_format=torch.channels_last)
        if not options.cache_features or stage == 0:
            return PhotoReader(self.examples, encoder, stage, self.start.photo)
        cache = FeatureCache(options.run, self.examples, encoder, stage, self.start.photo)
        with self.accelerator.main_process_first():
            cache.fill(options.compile)
        return cache

    def _optimizer(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        options, model = self.options, self.model
        tuned = list(model.encoder.trainable_parameters(self.source.stage))
        groups = [{"params": list(model.decoder.parameters()), "lr": options.learning_rate}]
        if tuned:
            groups.append({"params": tuned, "lr": options.encoder_learning_rate})
        optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
        batches = math.ceil(sum(map(bool, self.captions)) / options.photos_per_batch)
        steps = batches // self.accelerator.num_processes * options.epochs
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, [float(group["lr"]) for group in optimizer.param_groups], total_steps=steps + 1, pct_start=0.1
        )
        return optimizer, scheduler

    def _epoch(self) -> list[float]:
        """One pass; returns the word cross-entropy of every batch."""
        options, progress = self.options, self.progress
        generator = torch.Generator().manual_seed(options.seed * 1000 + progress.epoch)
        batches = list(
            make_batches(self.captions, self.vocabulary.pad, options.photos_per_batch, options.flip, generator)
        )
        shared = len(batches) // self.accelerator.num_processes * self.accelerator.num_processes
        batches = batches[self.accelerator.process_index : shared : self.accelerator.num_processes]
        losses: list[float] = []
        bar = tqdm(
            batches,
            desc=f"epoch {progress.epoch + 1}/{options.epochs}",
            mininterval=10,
            disable=not self.accelerator.is_local_main_process,
        )
        for number, batch in enumerate(bar):
            if number < progress.batch:
                continue
            losses.append(self._batch(batch, number))
            bar.set_postfix(nats=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}", refresh=False)
            self.progress = replace(self.progress, batch=number + 1)
            if time.monotonic() - self.saved_at > options.save_minutes * 60:
                self._save_state()
        return losses

    def _batch(self, batch: Batch, number: int) -> float:
        options, device = self.options, self.accelerator.device
        # Seeded per batch, so that a resumed run goes on exactly as the unbroken one would have.
        torch.manual_seed(options.seed * 1_000_003 + self.progress.epoch * 10_007 + number)
        features = self.source.batch(batch.photos, batch.views).to(device)
        given = hide_words(batch.token_ids, self.vocabulary, options.word_dropout).to(device)
        token_ids, lengths = batch.token_ids.to(device), batch.lengths.to(device)
        self.prepared.train()
        tune = self.progress.epoch >= options.frozen_epochs
        with self.accelerator.autocast():
            losses = self.prepared(features, token_ids, lengths, given, tune)
        self.optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(losses.total)
        self.accelerator.clip_grad_norm_(self.prepared.parameters(), options.clip_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.average.update_parameters(self.model)
        return float(losses.words)

    def _validate(self, losses: Sequence[float], seconds: float) -> None:
        """Caption the validation photos with the averaged weights; keep them if they are the best so far."""
        captioner = self.captioner()
        cider, health, samples = self._describe_validation(captioner)
        record = {
            "epoch": self.progress.epoch + 1,
            "train_nats": sum(losses) / max(len(losses), 1),
            "val_cider": cider,
            "effective_cells": health.effective_cells,
            "word_difference": health.word_difference,
            "collapsed": health.collapsed,
            "seconds": round(seconds),
            "samples": samples,
        }
        with (self.options.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        draw_curve(self.options.run / "log.jsonl", self.options.run / "curve.png")
        tqdm.write(json.dumps(record))
        if cider > self.progress.best_cider:
            self.progress = replace(self.progress, best_cider=cider, best_epoch=self.progress.epoch)
            self._save_checkpoint(captioner, record)

    def captioner(self) -> Captioner:
        """A captioner with the averaged weights, apart from the run."""
        averaged = self.average.module
        assert isinstance(averaged, TrainingModel)
        card = ModelCard(self.options.name, self.options.trained_on, self._provenance())
        encoder, decoder = copy.deepcopy(averaged.encoder), copy.deepcopy(averaged.decoder)
        decoder.attention.compare = compare
        checkpoint = Checkpoint(encoder, decoder.eval(), self.vocabulary, self.start.photo, card)
        return Captioner(checkpoint, str(self.accelerator.device))

    def _describe_validation(self, captioner: Captioner) -> tuple[float, AttentionHealth, list[str]]:
        examples = self.val_examples
        places_of_val = [place for place, example in enumerate(self.examples) if example.split == "val"]
        best = []
        for first in tqdm(range(0, len(examples), 50), desc="validation", mininterval=10):
            places = places_of_val[first : first + 50]
            features = self.source.batch(places, [0] * len(places)).to(self.accelerator.device)
            with torch.inference_mode():
                grid = captioner.encoder.resume(features, self.source.stage)
            described = captioner.search(grid, SearchOptions(widths=(VALIDATION_WIDTH,)))
            best += [description.at_width(VALIDATION_WIDTH)[0] for description in described]
        said = {example.filename: caption.text for example, caption in zip(examples, best, strict=True)}
        cider = quick_cider(said, {example.filename: example.captions for example in examples})
        return cider, attention_health(best), list(said.values())[:: max(1, len(said) // 5)][:5]

    def _save_checkpoint(self, captioner: Captioner, record: dict[str, Any]) -> None:
        scores = {"validation": {key: record[key] for key in ("epoch", "val_cider", "effective_cells")}}
        card = replace(captioner.card, scores=scores)
        self.options.out.parent.mkdir(parents=True, exist_ok=True)
        parts = Checkpoint(captioner.encoder, captioner.decoder, self.vocabulary, self.start.photo, card)
        save_checkpoint(parts, self.options.out, torch.float16)

    def _provenance(self) -> dict[str, Any]:
        options = {
            name: value
            for name, value in asdict(self.options).items()
            if name not in ("data", "out", "run", "start_from", "trained_on", "name")
        }
        return {
            "options": options,
            "encoder_start": self.start.source,
            "photos": len(self.train_examples),
            "captions": sum(len(example.captions) for example in self.train_examples),
            "epoch": self.progress.epoch + 1,
            "torch": torch.__version__,
            "machine": platform.machine(),
        }

    @property
    def _state_path(self) -> Path:
        return self.options.run / "state.pt"

    def _save_state(self) -> None:
        if not self.accelerator.is_main_process:
            return
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "progress": asdict(self.progress),
            "tokens": list(self.vocabulary.tokens),
        }
        temporary = self._state_path.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self._state_path)
        self.saved_at = time.monotonic()

    def _resume(self) -> None:
        if not self._state_path.exists():
            return
        state = torch.load(self._state_path, map_location=self.accelerator.device, weights_only=True)
        if tuple(state.get("tokens", ())) != self.vocabulary.tokens:
            raise DataError(f"{self._state_path} belongs to a run with another vocabulary: choose another --run-dir")
        try:
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scheduler.load_state_dict(state["scheduler"])
        except (RuntimeError, ValueError, KeyError) as problem:
            raise DataError(
                f"{self._state_path} belongs to a run with other options: choose another --run-dir"
            ) from problem
        self.progress = Progress(**state["progress"])
        tqdm.write(f"resuming at epoch {self.progress.epoch + 1}, batch {self.progress.batch}")


def train(options: TrainOptions) -> Progress:
    """Run a training; see TrainOptions. Stopping it loses at most `save_minutes`: the same call goes on from there."""
    options.run.mkdir(parents=True, exist_ok=True)
    return Run(options).run()
