"""What the optimiser sees: features and captions in, losses out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from captioner.decoder import AttentionDecoder, Taught
from captioner.encoder import Encoder


class Losses(NamedTuple):
    """Scalars: `total` is what is minimised, `words` the plain cross-entropy in nats per token, `cells` the doubly
    stochastic penalty before its weight."""

    total: Tensor
    words: Tensor
    cells: Tensor


class TrainingModel(nn.Module):
    """Encoder (from `first_stage` on) and decoder as one module, so that data-parallel wrappers see one call.

    Args:
        first_stage: the stage that takes the features given to `forward`.
        label_smoothing, doubly_stochastic: see TrainOptions.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: AttentionDecoder,
        first_stage: int,
        label_smoothing: float,
        doubly_stochastic: float,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.first_stage, self.label_smoothing, self.doubly_stochastic = first_stage, label_smoothing, doubly_stochastic

    def forward(self, features: Tensor, token_ids: Tensor, lengths: Tensor, given: Tensor, tune: bool) -> Losses:
        """Losses of one batch.

        Args:
            features: (P, C, h, w) what the stages before `first_stage` gave.
            token_ids, lengths, given: see `AttentionDecoder.teach`.
            tune: whether gradients reach the encoder.
        """
        with torch.set_grad_enabled(tune and torch.is_grad_enabled()):
            grid = self.encoder.resume(features, self.first_stage)
        taught = self.decoder.teach(grid, token_ids, lengths, given)
        smoothed = nn.functional.cross_entropy(taught.logits, taught.targets, label_smoothing=self.label_smoothing)
        with torch.no_grad():
            words = nn.functional.cross_entropy(taught.logits.detach(), taught.targets)
        cells = cell_penalty(taught, lengths) if self.doubly_stochastic else smoothed.new_zeros(())
        return Losses(smoothed + self.doubly_stochastic * cells, words, cells.detach())


def cell_penalty(taught: Taught, lengths: Tensor) -> Tensor:
    """Mean over captions and cells of (1 - attention summed over the caption) squared (equation 14)."""
    photos, rows = lengths.shape
    caption = taught.places[:, 0] * rows + taught.places[:, 1]  # (N,)
    sums = taught.attention.new_zeros(photos * rows, taught.attention.shape[1])  # (P * R, L)
    sums = sums.index_add(0, caption, taught.attention)
    return ((1 - sums[lengths.flatten() > 0]) ** 2).mean()
