"""What an epoch's losses were, for the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class EpochLosses(NamedTuple):
    """Means over the steps of an epoch: nats per word, minus the log of the attention mass inside the boxes, and the
    CIDEr-D of sampled captions, 0 without any."""

    words: float
    pointing: float
    reward: float = 0.0

    @classmethod
    def mean(cls, steps: Sequence[EpochLosses]) -> EpochLosses:
        """Of the losses of single steps; all 0 without any, as when a run goes on between last step and validation."""
        return cls(*(sum(column) / len(steps) for column in zip(*steps, strict=True))) if steps else cls(0.0, 0.0)

    def record(self) -> dict[str, float]:
        """As a line of the log has them."""
        return {"train_nats": self.words, "train_pointing": self.pointing, "train_reward": self.reward}
