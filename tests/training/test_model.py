"""Losses by hand, and where their gradients go."""

from __future__ import annotations

import math

import torch

from builders import tiny_decoder, tiny_grid
from captioner.decoder import Taught
from captioner.encoder import Encoder, EncoderOptions
from captioner.training.model import TrainingModel, cell_penalty


def test_cell_penalty_by_hand() -> None:
    # One caption of two words over 3 cells: sums (1.5, 0.5, 0); squares of 1 - sum: 0.25, 0.25, 1. The second
    # caption is empty and does not count.
    taught = Taught(
        logits=torch.zeros(2, 4),
        targets=torch.zeros(2, dtype=torch.int64),
        attention=torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]),
        gate=torch.zeros(2),
        places=torch.tensor([[0, 0, 0], [0, 0, 1]]),
    )
    assert math.isclose(float(cell_penalty(taught, torch.tensor([[2, 0]]))), 1.5 / 3, rel_tol=1e-6)


def model(label_smoothing: float = 0.0, doubly_stochastic: float = 0.0) -> TrainingModel:
    torch.manual_seed(0)
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    decoder = tiny_decoder(encoder.channels)
    for _ in encoder.trainable_parameters(len(encoder.stages) - 1):
        pass
    return TrainingModel(encoder, decoder, len(encoder.stages) - 1, label_smoothing, doubly_stochastic)


TOKENS = torch.tensor([[[1, 4, 5, 2], [1, 6, 2, 0]]])
LENGTHS = torch.tensor([[3, 2]])


def test_the_word_loss_is_the_mean_over_real_tokens() -> None:
    trained = model()
    features = torch.randn(1, 320, 2, 3)
    losses = trained(features, TOKENS, LENGTHS, TOKENS, False)
    taught = trained.decoder.teach(trained.encoder.resume(features, trained.first_stage), TOKENS, LENGTHS)
    log_probs = taught.logits.detach().log_softmax(-1)
    by_hand = -sum(float(log_probs[n, int(taught.targets[n])]) for n in range(5)) / 5
    assert math.isclose(float(losses.words), by_hand, rel_tol=1e-5)
    assert math.isclose(float(losses.total.detach()), by_hand, rel_tol=1e-5)
    assert float(losses.cells) == 0


def test_the_penalty_is_added_with_its_weight() -> None:
    features = torch.randn(1, 320, 2, 3)
    losses = model(doubly_stochastic=2.0)(features, TOKENS, LENGTHS, TOKENS, False)
    assert float(losses.cells) > 0
    assert math.isclose(float(losses.total.detach()), float(losses.words) + 2 * float(losses.cells), rel_tol=1e-5)


def test_gradients_reach_the_encoder_only_when_tuned() -> None:
    features = torch.randn(1, 320, 2, 3)
    trained = model()
    trained(features, TOKENS, LENGTHS, TOKENS, False).total.backward()
    assert all(parameter.grad is None for parameter in trained.encoder.parameters())
    trained(features, TOKENS, LENGTHS, TOKENS, True).total.backward()
    head = trained.encoder.stages[-1]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in head.parameters())
    assert all(parameter.grad is None for stage in trained.encoder.stages[:-1] for parameter in stage.parameters())


def test_grid_shapes_follow_the_photo(  # a non-square grid passes through teaching
) -> None:
    decoder = tiny_decoder()
    taught = decoder.teach(tiny_grid(height=2, width=7), TOKENS, LENGTHS)
    assert taught.attention.shape == (5, 14)
