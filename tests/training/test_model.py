"""Losses by hand, and where their gradients go."""

from __future__ import annotations

import math

import torch

from builders import tiny_decoder, tiny_grid
from captioner.decoder import Taught
from captioner.encoder import Encoder, EncoderOptions
from captioner.training.model import SMALLEST_MASS, TrainingModel, cell_penalty, pointing_losses


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


def model(label_smoothing: float = 0.0, doubly_stochastic: float = 0.0, pointing: float = 0.0) -> TrainingModel:
    torch.manual_seed(0)
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    decoder = tiny_decoder(encoder.channels)
    for _ in encoder.trainable_parameters(len(encoder.stages) - 1):
        pass
    return TrainingModel(encoder, decoder, label_smoothing, doubly_stochastic, pointing)


HEAD, BEHIND = 17, 18  # the last stage of EfficientNet-Lite0, and what lies behind all stages
WEIGHTS = torch.full((1, 2, 3), 1 / 5)  # sum to 1 over the 5 tokens of LENGTHS
COVERS = torch.zeros(1, 2, 3, 6)
TOKENS = torch.tensor([[[1, 4, 5, 2], [1, 6, 2, 0]]])
LENGTHS = torch.tensor([[3, 2]])


def test_the_word_loss_is_the_mean_over_real_tokens() -> None:
    trained = model()
    features = torch.randn(1, 320, 2, 3)
    losses = trained(features, TOKENS, LENGTHS, TOKENS, WEIGHTS, COVERS, HEAD)
    taught = trained.decoder.teach(trained.encoder.resume(features, HEAD), TOKENS, LENGTHS)
    log_probs = taught.logits.detach().log_softmax(-1)
    by_hand = -sum(float(log_probs[n, int(taught.targets[n])]) for n in range(5)) / 5
    assert math.isclose(float(losses.words), by_hand, rel_tol=1e-5)
    assert math.isclose(float(losses.total.detach()), by_hand, rel_tol=1e-5)
    assert float(losses.cells) == 0


def test_words_count_by_their_weights_and_unlearnt_ones_not_at_all() -> None:
    trained = model()
    features = torch.randn(1, 320, 2, 3)
    weights = torch.tensor([[[1.0, 0.0, -3.0], [0.0, 2.0, 9.0]]])  # the 9 lies behind the end of the second row
    losses = trained(features, TOKENS, LENGTHS, TOKENS, weights, COVERS, HEAD)
    taught = trained.decoder.teach(trained.encoder.resume(features, HEAD), TOKENS, LENGTHS)
    log_probs = taught.logits.detach().log_softmax(-1)
    by_hand = {
        (int(row), int(step)): -float(log_probs[n, int(taught.targets[n])])
        for n, (_, row, step) in enumerate(taught.places)
    }
    expected = by_hand[0, 0] - 3 * by_hand[0, 2] + 2 * by_hand[1, 1]
    assert math.isclose(float(losses.total.detach()), expected, rel_tol=1e-4)
    assert math.isclose(float(losses.words), (by_hand[0, 0] + by_hand[0, 2] + by_hand[1, 1]) / 3, rel_tol=1e-5)


def test_pointing_losses_by_hand() -> None:
    attention = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    covers = torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.5, 1.0]])
    # Inside: 0.5; nothing, so the smallest mass; 0.15 + 0.5.
    expected = [-math.log(0.5), -math.log(SMALLEST_MASS), -math.log(0.65)]
    torch.testing.assert_close(pointing_losses(attention, covers), torch.tensor(expected))


def test_pointing_is_added_with_its_weight_and_moves_attention_into_the_boxes() -> None:
    trained = model(pointing=4.0)  # which seeds
    features = 0.1 * torch.randn(
        1, 320, 2, 3
    )  # small: attention that is all outside the box has no slope to learn from
    covers = COVERS.clone()
    covers[0, 0, 1, 2] = 1
    optimizer = torch.optim.Adam(trained.decoder.parameters(), 0.02)
    seen = []
    for _ in range(40):
        losses = trained(features, TOKENS, LENGTHS, TOKENS, WEIGHTS, covers, HEAD)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        seen.append(float(losses.pointing))
    # One of five tokens has boxes, so its mean is five times its share of the total.
    assert math.isclose(float(losses.total.detach()), float(losses.words) + 4 * seen[-1] / 5, rel_tol=1e-4)
    assert seen[-1] < 0.5 * seen[0]


def test_the_penalty_is_added_with_its_weight() -> None:
    features = torch.randn(1, 320, 2, 3)
    losses = model(doubly_stochastic=2.0)(features, TOKENS, LENGTHS, TOKENS, WEIGHTS, COVERS, HEAD)
    assert float(losses.cells) > 0
    assert math.isclose(float(losses.total.detach()), float(losses.words) + 2 * float(losses.cells), rel_tol=1e-5)


def test_gradients_reach_the_stages_that_are_run() -> None:
    trained = model()
    with torch.no_grad():
        seen = trained.encoder.until(torch.randn(1, 320, 2, 3), BEHIND, HEAD)
    trained(seen, TOKENS, LENGTHS, TOKENS, WEIGHTS, COVERS, BEHIND).total.backward()
    assert all(parameter.grad is None for parameter in trained.encoder.parameters())
    trained(torch.randn(1, 320, 2, 3), TOKENS, LENGTHS, TOKENS, WEIGHTS, COVERS, HEAD).total.backward()
    head = trained.encoder.stages[-1]
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in head.parameters())
    assert all(parameter.grad is None for stage in trained.encoder.stages[:-1] for parameter in stage.parameters())


def test_grid_shapes_follow_the_photo(  # a non-square grid passes through teaching
) -> None:
    decoder = tiny_decoder()
    taught = decoder.teach(tiny_grid(height=2, width=7), TOKENS, LENGTHS)
    assert taught.attention.shape == (5, 14)
