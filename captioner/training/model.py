"""What the optimiser sees: features and rows of words in, losses out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from captioner.decoder import AttentionDecoder, Taught
from captioner.encoder import Encoder

SMALLEST_MASS = 1e-4  # keeps the logarithm of attention that misses its boxes altogether finite


class Losses(NamedTuple):
    """Scalars: `total` is what is minimised; for the log, `words`, the plain cross-entropy in nats per learnt token,
    `pointing`, minus the log of the attention mass inside the boxes per token that has some, and `cells`, the doubly
    stochastic penalty."""

    total: Tensor
    words: Tensor
    pointing: Tensor
    cells: Tensor


class TrainingModel(nn.Module):
    """Encoder and decoder as one module, so that data-parallel wrappers see one call.

    Args:
        label_smoothing, doubly_stochastic, pointing: see TrainOptions.
    """

    def __init__(
        self,
        encoder: Encoder,
        decoder: AttentionDecoder,
        label_smoothing: float,
        doubly_stochastic: float,
        pointing: float = 0.0,
    ) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.label_smoothing = label_smoothing
        self.doubly_stochastic, self.pointing = doubly_stochastic, pointing

    def forward(
        self,
        features: Tensor,
        token_ids: Tensor,
        lengths: Tensor,
        given: Tensor,
        weights: Tensor,
        covers: Tensor,
        stage: int,
    ) -> Losses:
        """Losses of one batch: sums over its tokens by their weights, so that the batches of a step can be added up.

        Args:
            features: (P, C, h, w) what the stages before `stage` gave.
            token_ids, lengths, given: see `AttentionDecoder.teach`.
            weights: (P, R, T) of each token; over all batches of a step they sum to 1.
            covers: see `Batch`.
            stage: the encoder goes on from here; all that it runs can learn.
        """
        grid = self.encoder.resume(features, stage)
        taught = self.decoder.teach(grid, token_ids, lengths, given)
        photo, row, step = taught.places.unbind(dim=1)  # (N,) each
        weight = weights[photo, row, step]  # (N,)
        smoothed = nn.functional.cross_entropy(
            taught.logits, taught.targets, label_smoothing=self.label_smoothing, reduction="none"
        )  # (N,)
        total = (smoothed * weight).sum()
        cover = covers[photo, row, step]  # (N, L)
        boxed = cover.sum(dim=1) > 0  # (N,)
        missed = pointing_losses(taught.attention, cover)  # (N,)
        if self.pointing:
            total = total + self.pointing * (missed * weight * boxed).sum()
        cells = total.new_zeros(())
        if self.doubly_stochastic:
            cells = cell_penalty(taught, lengths)
            total = total + self.doubly_stochastic * cells * weight.sum().clamp(min=0)
        with torch.no_grad():
            plain = nn.functional.cross_entropy(taught.logits, taught.targets, reduction="none")  # (N,)
            words = _mean(plain, weight != 0)
            pointing = _mean(missed, boxed)
        return Losses(total, words, pointing, cells.detach())


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    """Mean of the chosen values; 0 when none is."""
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def pointing_losses(attention: Tensor, covers: Tensor) -> Tensor:
    """-log(attention mass inside the boxes) of each position; without boxes a large number that means nothing.

    The likelihood of the boxes under the attention: any spread inside them is as good. Liu et al. (2017, section 3)
    ask for an even spread over the box instead.

    Args:
        attention: (N, L).
        covers: (N, L) share of each cell inside the boxes.
    """
    mass = (attention * covers).sum(dim=1)  # (N,)
    return -torch.log(mass.clamp(min=SMALLEST_MASS))


def cell_penalty(taught: Taught, lengths: Tensor) -> Tensor:
    """Mean over captions and cells of (1 - attention summed over the caption) squared (equation 14)."""
    photos, rows = lengths.shape
    caption = taught.places[:, 0] * rows + taught.places[:, 1]  # (N,)
    sums = taught.attention.new_zeros(photos * rows, taught.attention.shape[1])  # (P * R, L)
    sums = sums.index_add(0, caption, taught.attention)
    return ((1 - sums[lengths.flatten() > 0]) ** 2).mean()
