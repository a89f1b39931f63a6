"""What moves the weights, and how fast."""

from __future__ import annotations

from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from captioner.training.model import TrainingModel
from captioner.training.options import TrainOptions


def make_optimizer(
    model: TrainingModel, options: TrainOptions, stage: int, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """The optimiser of a run and the schedule of its learning rates, decoder first.

    Args:
        options: its learning rates, its weight decay, and whether depthwise layers learn.
        stage: of the encoder; it learns from there on.
        steps: of the whole run, in one process.
    """
    tuned = model.encoder.trainable_parameters(stage, options.tune_depthwise)
    groups = [{"params": list(model.decoder.parameters()), "lr": options.learning_rate}]
    if tuned:
        groups.append({"params": tuned, "lr": options.encoder_learning_rate})
    optimizer = AdamW(groups, weight_decay=options.weight_decay)
    scheduler = OneCycleLR(
        optimizer, [float(group["lr"]) for group in optimizer.param_groups], total_steps=steps + 1, pct_start=0.1
    )
    return optimizer, scheduler
