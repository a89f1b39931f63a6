"""The training run: epochs, validation, early stopping."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint
from captioner.learning import Learning
from captioner.training.batches import Batch, hide_words
from captioner.training.comparison import make_comparison
from captioner.training.curve import draw_curve
from captioner.training.epoch_losses import EpochLosses
from captioner.training.material import make_material
from captioner.training.model import Losses, TrainingModel
from captioner.training.numerics import bfloat16_pays, running_average
from captioner.training.optimizer import make_optimizer
from captioner.training.options import TrainOptions
from captioner.training.reward import CiderReward
from captioner.training.saving import Part, Progress, RunState, make_checkpoint, write_epoch
from captioner.training.self_critical import advantages, sample_captions, sampled_batch, score_samples
from captioner.training.validation import validate
from captioner.training.watching import Watcher


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
        self.material = make_material(options, self.accelerator)
        self.start, self.source = self.material.start, self.material.source
        self.vocabulary = self.start.vocabulary
        self.model = TrainingModel(
            self.start.encoder,
            self.start.decoder,
            options.label_smoothing,
            options.doubly_stochastic,
            options.pointing,
        )
        steps = self.material.batches.steps // self.accelerator.num_processes * options.epochs
        self.optimizer, self.scheduler = make_optimizer(self.model, options, self.source.stage, steps)
        self.average = AveragedModel(self.model, multi_avg_fn=running_average(options.average))
        self.model.decoder.attention.compare = make_comparison(options.compile)
        self.average.to(self.accelerator.device)
        self.prepared, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
        self.watcher = self._watcher()
        changing: dict[str, Part] = {
            "model": self.model,
            "average": self.average,
            "optimizer": self.optimizer,
            "scheduler": self.scheduler,
        }
        self.state = RunState(options.run / "state.pt", changing, self.vocabulary.tokens)
        self.progress = Progress()
        self.saved_at = time.monotonic()

    def _watcher(self) -> Watcher | None:
        options, grid = self.options.watch, self.material.batches.grid
        if options is None or not self.accelerator.is_main_process:
            return None
        names = tuple(photo.name for photo in options.photos)
        before = Learning(names, grid, self.options.photos_per_batch, self.options.trained_on)
        return Watcher(options, self.options.run / "learning.json", before)

    def run(self) -> Progress:
        """Train until the last epoch or until validation stops improving; the best epoch is in `options.out`."""
        self._resume()
        self._watch(None, ends=False)
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

    def _epoch(self) -> EpochLosses:
        """One pass; returns what the losses were on average."""
        options, progress = self.options, self.progress
        generator = torch.Generator().manual_seed(options.seed * 1000 + progress.epoch)
        steps = list(self.material.batches.epoch(generator))
        shared = len(steps) // self.accelerator.num_processes * self.accelerator.num_processes
        steps = steps[self.accelerator.process_index : shared : self.accelerator.num_processes]
        losses: list[EpochLosses] = []
        bar = tqdm(
            steps,
            desc=f"epoch {progress.epoch + 1}/{options.epochs}",
            mininterval=10,
            disable=not self.accelerator.is_local_main_process,
        )
        for number, batches in enumerate(bar):
            if number < progress.batch:
                continue
            losses.append(self._step(batches, number))
            recent = losses[-20:]
            nats = sum(loss.words for loss in recent) / len(recent)
            bar.set_postfix(nats=f"{nats:.3f}", refresh=False)
            self.progress = replace(self.progress, batch=number + 1, steps=self.progress.steps + 1)
            self._watch(nats, ends=number + 1 == len(steps))
            if time.monotonic() - self.saved_at > options.save_minutes * 60:
                self._save_state()
        return EpochLosses.mean(losses)

    def _step(self, batches: tuple[Batch, ...], number: int) -> EpochLosses:
        """One step of the optimiser, on the gradients of all its batches, each by its share of the words' weights."""
        options = self.options
        # Seeded per step, so that a resumed run goes on exactly as the unbroken one would have.
        torch.manual_seed(options.seed * 1_000_003 + self.progress.epoch * 10_007 + number)
        self.prepared.train()
        self.optimizer.zero_grad(set_to_none=True)
        whole = sum(float(batch.weights.sum()) for batch in batches)
        reward = self.material.reward
        words = pointing = rewarded = 0.0
        for batch in batches:
            more = batch is not batches[-1]
            share = float(batch.weights.sum()) / whole
            features, stage = self._features(batch)
            rewarding = reward is not None and all(place in reward.references for place in batch.photos)
            given = hide_words(batch.token_ids, self.vocabulary, options.word_dropout)
            with self._apart(rewarding or more):
                told = batch.weights * ((1 - options.self_critical) / whole)
                losses = self._losses(batch, given, told, features, stage)
                self.accelerator.backward(losses.total)
            words += share * float(losses.words)
            pointing += share * float(losses.pointing)
            if reward is not None and rewarding:
                sampled, score = self._sample(batch, reward, features, stage)
                weights = sampled.weights * (options.self_critical * share / float(sampled.lengths.sum()))
                with self._apart(more):
                    losses = self._losses(sampled, sampled.token_ids, weights, features, stage)
                    self.accelerator.backward(losses.total)
                rewarded += share * score
        self.accelerator.clip_grad_norm_(self.prepared.parameters(), options.clip_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.average.update_parameters(self.model)
        return EpochLosses(words, pointing, rewarded)

    def _apart(self, more: bool) -> AbstractContextManager[None]:
        """Processes exchange gradients with the last batch of a step alone: they may not have equally many."""
        return self.accelerator.no_sync(self.prepared) if more else nullcontext()

    def _features(self, batch: Batch) -> tuple[Tensor, int]:
        """Features of a batch, and the stage that takes them: all that lies behind it learns."""
        stage, last = self.source.stage, len(self.model.encoder.stages)
        features = self.source.batch(batch.photos, batch.views).to(self.accelerator.device)
        if self.progress.epoch >= self.options.frozen_epochs:
            return features, stage
        with torch.no_grad(), self.accelerator.autocast():
            return self.model.encoder.until(features, last, stage), last

    def _sample(self, batch: Batch, reward: CiderReward, features: Tensor, stage: int) -> tuple[Batch, float]:
        """Captions drawn for the photos of a batch, each weighing its advantage, and their mean CIDEr-D."""
        self.model.decoder.eval()  # dropout would make samples worse than the captions they stand for
        with torch.no_grad(), self.accelerator.autocast():
            drawn = sample_captions(
                self.model.decoder,
                self.model.encoder.resume(features, stage),
                self.vocabulary,
                self.options.samples,
                self.options.max_words,
            ).cpu()
        self.model.decoder.train()
        mirrored = [self.material.views[p][view].mirrored for p, view in zip(batch.photos, batch.views, strict=True)]
        scores = score_samples(drawn, batch.photos, mirrored, reward, self.vocabulary, self.options.repeat_penalty)
        return sampled_batch(batch, drawn, advantages(scores), self.vocabulary.pad), float(scores.mean())

    def _losses(self, batch: Batch, given: Tensor, weights: Tensor, features: Tensor, stage: int) -> Losses:
        device = self.accelerator.device
        given, token_ids, lengths = given.to(device), batch.token_ids.to(device), batch.lengths.to(device)
        weights, covers = weights.to(device), batch.covers.to(device)
        with self.accelerator.autocast():
            losses: Losses = self.prepared(features, token_ids, lengths, given, weights, covers, stage)
        return losses

    def _validate(self, losses: EpochLosses, seconds: float) -> None:
        """Caption the validation photos with the averaged weights; keep them if they are the best so far."""
        captioner = self.captioner(self.average.module)
        validation = validate(captioner, self.source, self.material.examples, self.accelerator.device)
        record = {
            "epoch": self.progress.epoch + 1,
            **losses.record(),
            "seconds": round(seconds),
            **validation.record(),
        }
        with (self.options.run / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(record) + "\n")
        draw_curve(self.options.run / "log.jsonl", self.options.run / "curve.png")
        tqdm.write(json.dumps(record))
        epoch = self.progress.epoch
        if validation.cider > self.progress.best_cider:
            self.progress = replace(self.progress, best_cider=validation.cider, best_epoch=epoch)
            write_epoch(self._checkpoint(self.average.module), record, self.options.out)
        if self.options.keep_epochs:
            path = self.options.run / f"epoch-{epoch + 1}.safetensors"
            write_epoch(self._checkpoint(self.average.module), record, path)

    def _watch(self, nats: float | None, ends: bool) -> None:
        """Let the watcher caption its photos if it is time; with the weights as they are, not their average."""
        steps = self.progress.steps
        if self.watcher is not None and self.watcher.due(steps, ends):
            self.watcher.look(self.captioner(self.model), steps, nats)

    def captioner(self, model: torch.nn.Module) -> Captioner:
        """A captioner with the weights of `model`, apart from the run."""
        return Captioner(self._checkpoint(model), str(self.accelerator.device))

    def _checkpoint(self, model: torch.nn.Module) -> Checkpoint:
        return make_checkpoint(model, self.options, self.material, self.progress.epoch)

    def _save_state(self) -> None:
        if self.accelerator.is_main_process:
            self.state.save(self.progress)
            self.saved_at = time.monotonic()

    def _resume(self) -> None:
        progress = self.state.load(self.accelerator.device)
        if progress is not None:
            self.progress = progress
            tqdm.write(f"resuming at epoch {progress.epoch + 1}, batch {progress.batch}")


def train(options: TrainOptions) -> Progress:
    """Run a training; see TrainOptions. Stopping it loses at most `save_minutes`: the same call goes on from there."""
    options.run.mkdir(parents=True, exist_ok=True)
    return Run(options).run()
