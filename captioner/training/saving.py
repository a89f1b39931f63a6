"""What a run leaves on disk: its state, to go on from, and checkpoints of the model it has so far."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from captioner.attention import compare
from captioner.checkpoint import Checkpoint, ModelCard, save_checkpoint
from captioner.errors import DataError
from captioner.training.material import Material, provenance
from captioner.training.model import TrainingModel
from captioner.training.options import TrainOptions


@dataclass
class Progress:
    """Where a run stands; saved with the weights."""

    epoch: int = 0
    batch: int = 0
    best_cider: float = -1.0
    best_epoch: int = -1
    steps: int = 0


class Part(Protocol):
    """What has a state: a model, an optimiser, ..."""

    def state_dict(self) -> dict[str, Any]:
        """As tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Take a state over."""
        ...


@dataclass(frozen=True)
class RunState:
    """The file a stopped run goes on from.

    Attributes:
        path: of the file.
        parts: all that changes from step to step, by name.
        tokens: of the vocabulary, which must stay as it is.
    """

    path: Path
    parts: Mapping[str, Part]
    tokens: tuple[str, ...]

    def save(self, progress: Progress) -> None:
        """Write the parts as they are now; a reader sees the old file or the new one, whole."""
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        temporary = self.path.with_suffix(".tmp")
        torch.save({**state, "progress": asdict(progress), "tokens": list(self.tokens)}, temporary)
        temporary.replace(self.path)

    def load(self, device: torch.device) -> Progress | None:
        """Put the saved state into the parts; None where nothing was saved.

        Raises:
            DataError: the file belongs to a run with other words or other options.
        """
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location=device, weights_only=True)
        if tuple(state.get("tokens", ())) != self.tokens:
            raise DataError(f"{self.path} belongs to a run with another vocabulary: choose another --run-dir")
        try:
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
        except (RuntimeError, ValueError, KeyError) as problem:
            raise DataError(f"{self.path} belongs to a run with other options: choose another --run-dir") from problem
        return Progress(**state["progress"])


def make_checkpoint(model: torch.nn.Module, options: TrainOptions, material: Material, epoch: int) -> Checkpoint:
    """A copy of a TrainingModel with all that captions need.

    Args:
        epoch: that the weights are of, counted from 0.
    """
    assert isinstance(model, TrainingModel)
    card = ModelCard(options.name, options.trained_on, provenance(options, material, epoch))
    encoder, decoder = copy.deepcopy(model.encoder), copy.deepcopy(model.decoder)
    decoder.attention.compare = compare
    return Checkpoint(encoder, decoder.eval(), material.start.vocabulary, material.start.photo, card)


def write_epoch(parts: Checkpoint, record: Mapping[str, Any], path: Path) -> None:
    """Save a checkpoint with the scores of its epoch, out of the log's record, on its card."""
    scores = {"validation": {key: record[key] for key in ("epoch", "val_ciders", "effective_cells")}}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(replace(parts, card=replace(parts.card, scores=scores)), path, torch.float16)
