"""One step worked out equals the step itself; and a decoder small enough to work out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from builders import photo, tiny_captioner, tiny_decoder, tiny_grid
from captioner.decoder import AttentionDecoder, DecoderStep
from captioner.decoder_options import DecoderOptions
from captioner.encoder import FeatureGrid
from captioner.errors import DecoderError, SearchError
from captioner.inside import Inside, LstmNumbers, look_inside

START, A, RED = 1, 4, 7  # of the tiny vocabulary


def stepped(decoder: AttentionDecoder, grid: FeatureGrid, tokens: list[int]) -> DecoderStep:
    """What the decoder itself says after the last of the tokens."""
    with torch.inference_mode():
        state = decoder.start(grid)
        for token in tokens:
            step = decoder.step(torch.tensor([[token]]), state)
            state = step.state
    return step


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("tokens", [[START], [START, A, RED]])
def test_the_numbers_are_those_of_the_step(ours: bool, tokens: list[int]) -> None:
    decoder, grid = tiny_decoder(ours=ours), tiny_grid(height=3, width=5)
    inside, step = look_inside(decoder, grid, tokens), stepped(decoder, grid, tokens)
    assert np.allclose(inside.attention, step.attention[0, 0].numpy(), atol=1e-6)
    assert np.allclose(inside.gate, step.gate[0, 0].numpy(), atol=1e-6)
    assert np.allclose(inside.logits, step.logits[0, 0].numpy(), atol=1e-4)
    assert np.allclose(inside.log_probs, step.logits[0, 0].log_softmax(-1).numpy(), atol=1e-4)
    assert np.allclose(inside.lstm.hidden, step.state.hidden[0, 0].numpy(), atol=1e-6)
    assert np.allclose(inside.lstm.cell, step.state.cell[0, 0].numpy(), atol=1e-6)
    assert set(inside.logit_parts) == ({"word", "hidden", "context"} if ours else {"hidden"})


@pytest.mark.parametrize("ours", [True, False])
def test_the_parts_add_up(ours: bool) -> None:
    inside = look_inside(tiny_decoder(ours=ours), tiny_grid(height=3, width=5), [START, A])
    for cell in range(15):
        assert inside.products(cell).sum() + inside.score_bias == pytest.approx(inside.scores[cell], abs=1e-5)
    shares = np.exp(inside.scores - inside.scores.max())
    assert np.allclose(inside.attention, shares / shares.sum(), atol=1e-6)
    assert np.allclose(inside.context, inside.attention @ inside.annotations, atol=1e-5)
    assert np.allclose(inside.gated, inside.gate * inside.context)
    assert np.allclose(sum(inside.logit_parts.values()) + inside.logit_bias, inside.logits, atol=1e-4)
    lstm = inside.lstm
    assert np.allclose(lstm.cell, lstm.forget * lstm.cell_before + lstm.let_in * lstm.candidate, atol=1e-6)
    assert np.allclose(lstm.hidden, lstm.let_out * np.tanh(lstm.cell), atol=1e-6)
    assert np.allclose(inside.annotations.std(axis=1), 1, atol=1e-3) == ours  # normalised or not


def test_two_cells_worked_out_by_hand() -> None:
    decoder = AttentionDecoder(DecoderOptions(4, 1, embedding_dim=1, hidden_dim=1, attention_dim=2)).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        decoder.start_hidden.bias.fill_(0.5)  # h = 0.5
        decoder.start_cell.bias.fill_(2.0)  # c = 2
        decoder.attention.annotation_projection.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        decoder.attention.hidden_projection.weight.copy_(torch.tensor([[2.0], [0.0]]))
        decoder.attention.score.weight.copy_(torch.tensor([[0.5, 3.0]]))
        decoder.attention.score.bias.fill_(0.25)
        decoder.gate.weight.fill_(2.0)  # beta = sigmoid(1)
        decoder.lstm.bias_ih.copy_(torch.tensor([0.0, 0.0, 0.5, 0.0]))  # i = f = o = 1/2, g = tanh(1/2)
        decoder.output.weight.copy_(torch.tensor([[1.0], [2.0], [0.0], [0.0]]))
    inside = look_inside(decoder, FeatureGrid(torch.tensor([[[1.0], [3.0]]]), 1, 2, (1, 2)), [1])
    assert inside.encoder_part.tolist() == [[1.0, -1.0], [3.0, -3.0]]
    assert inside.decoder_part.tolist() == [1.0, 0.0]
    assert inside.compared(0).tolist() == [2.0, 0.0]  # the second dimension is closed by the ReLU
    assert inside.scores.tolist() == [0.5 * 2 + 0.25, 0.5 * 4 + 0.25]
    assert inside.attention.tolist() == pytest.approx([1 / (1 + math.e), math.e / (1 + math.e)])
    assert inside.context.tolist() == pytest.approx([(1 + 3 * math.e) / (1 + math.e)])
    assert inside.gate.tolist() == pytest.approx([sigmoid(1)])
    cell = 0.5 * 2 + 0.5 * math.tanh(0.5)
    assert inside.lstm.cell.tolist() == pytest.approx([cell])
    hidden = 0.5 * math.tanh(cell)
    assert inside.logits.tolist() == pytest.approx([hidden, 2 * hidden, 0, 0])
    total = math.log(math.exp(hidden) + math.exp(2 * hidden) + 2)
    assert inside.log_probs.tolist() == pytest.approx([hidden - total, 2 * hidden - total, -total, -total])


def test_the_captioner_looks_inside_the_step_after_a_beginning() -> None:
    captioner = tiny_captioner()
    grid = captioner.encode([photo()])
    replayed = captioner.replay(grid, ["a", "red", "dog"])
    inside = captioner.look_inside(grid, ["a", "red"])
    assert np.allclose(inside.attention, replayed.attention[2].ravel(), atol=1e-5)
    assert inside.log_probs[captioner.vocabulary.encode(["dog"])[0]] == pytest.approx(replayed.log_probs[2], abs=1e-4)
    with pytest.raises(SearchError, match="'zebra' is not a word this model knows"):
        captioner.look_inside(grid, ["a", "zebra"])


def test_several_photos_or_no_token_are_refused() -> None:
    decoder = tiny_decoder()
    with pytest.raises(SearchError, match="got 2 and 1"):
        look_inside(decoder, tiny_grid(photos=2), [START])
    with pytest.raises(SearchError, match="got 1 and 0"):
        look_inside(decoder, tiny_grid(), [])
    with pytest.raises(DecoderError, match="channels"):
        look_inside(decoder, tiny_grid(channels=4), [START])


def test_numbers_that_do_not_fit_together_are_refused() -> None:
    inside = look_inside(tiny_decoder(), tiny_grid(), [START])
    with pytest.raises(DecoderError, match="15 cells"):
        replace(inside, scores=inside.scores[1:])
    with pytest.raises(DecoderError, match="context and gate of 6 channels"):
        replace(inside, gate=inside.gate[1:])
    with pytest.raises(DecoderError, match="every token"):
        replace(inside, logits=inside.logits[1:])
    with pytest.raises(DecoderError, match="one length"):
        replace(inside.lstm, cell=inside.lstm.cell[1:])
    assert isinstance(inside, Inside)
    assert isinstance(inside.lstm, LstmNumbers)
