"""Several checkpoints of one model averaged into one (Wortsman et al. 2022, "Model soups").

Epochs of one run, or of runs that go on from each other, lie close enough together that the mean of their weights is a
model too, and often one that has learnt less of its training photos by heart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from captioner.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from captioner.errors import CheckpointError


def average_checkpoints(
    paths: Sequence[Path], out: Path, name: str | None = None, priors: Mapping[str, float] | None = None
) -> None:
    """Write the mean of checkpoints, which must have the same sizes and the same words; weights are kept as float16.

    What they say of their training is kept side by side; scores and familiarity, which are of each one alone, are not.

    Args:
        paths: two checkpoints or more.
        name: of the new model; None for the first one's.
        priors: nats added to the bias of a word, by word: below 0 for one that the training photos show far more often
            than people's photos do, so that it must be seen more clearly to be said (Saerens et al. 2002 correct
            a classifier's outputs for new class frequencies in this way).

    Raises:
        CheckpointError: there are fewer than two, one cannot be read, or they are not of one kind; or a prior is no
            finite number, or of a word the model does not know.
    """
    if len(paths) < 2:
        raise CheckpointError(f"expected two checkpoints or more to average, got {len(paths)}")
    parts = [load_checkpoint(path) for path in paths]
    for path, other in zip(paths, parts, strict=True):
        if _kind(other) != _kind(parts[0]):
            raise CheckpointError(
                f"{path.name} is of another kind than {paths[0].name}: average epochs of one training"
            )
    mean = parts[0]
    mean.encoder.load_state_dict(_mean([part.encoder.state_dict() for part in parts]))
    mean.decoder.load_state_dict(_mean([part.decoder.state_dict() for part in parts]))
    _shift(mean, priors or {})
    trained = [{"name": part.card.name, **part.card.provenance} for part in parts]
    provenance: dict[str, Any] = {"average_of": trained}
    if priors:
        provenance["priors"] = dict(priors)
    card = replace(mean.card, name=name or mean.card.name, provenance=provenance, scores={})
    save_checkpoint(replace(mean, card=card, familiarity=None), out, torch.float16)


def _shift(parts: Checkpoint, priors: Mapping[str, float]) -> None:
    """Add to the output layer's biases."""
    for word, nats in priors.items():
        if word not in parts.vocabulary or not math.isfinite(nats):
            raise CheckpointError(f"expected a word of the model and a finite number of nats, got {word}={nats}")
        with torch.no_grad():
            parts.decoder.output.bias[parts.vocabulary.encode([word])] += nats


def _kind(parts: Checkpoint) -> tuple[object, ...]:
    """What must be equal; dropout, which only training knows, need not be."""
    return (
        parts.encoder.options,
        replace(parts.decoder.options, dropout=0.0),
        parts.vocabulary.tokens,
        parts.photo_settings,
    )


def _mean(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {
        name: torch.stack([state[name] for state in states]).mean(dim=0) if tensor.is_floating_point() else tensor
        for name, tensor in states[0].items()
    }
