"""The decoder against the paper's equations, written out again cell by cell; teaching against stepping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from builders import tiny_decoder, tiny_grid
from captioner.decoder import AttentionDecoder, DecoderStep
from captioner.decoder_options import DecoderOptions
from captioner.encoder import FeatureGrid
from captioner.errors import DecoderError

Array = NDArray[np.float64]

# Photos 0 and 2 with captions of all lengths, out of order and some empty; photo 1 has none.
LENGTHS = torch.tensor([[2, 0, 5, 1], [0, 0, 0, 0], [3, 4, 0, 6]])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


class Reference:
    """One photo, one row, one cell at a time, in float64: Xu et al. 2015, equations 1 to 7."""

    def __init__(self, decoder: AttentionDecoder) -> None:
        self.weights = {name: tensor.double().numpy() for name, tensor in decoder.state_dict().items()}
        self.options = decoder.options

    def linear(self, name: str, x: Array) -> Array:
        result: Array = self.weights[f"{name}.weight"] @ x + self.weights.get(f"{name}.bias", 0.0)
        return result

    def normalise(self, annotations: Array) -> Array:
        if not self.options.normalise_annotations:
            return annotations
        normalised = np.empty_like(annotations)
        for cell, vector in enumerate(annotations):
            centred = vector - vector.mean()
            normalised[cell] = centred / np.sqrt((centred**2).mean() + 1e-5)
        return normalised

    def start(self, annotations: Array) -> tuple[Array, Array]:
        mean = self.normalise(annotations).mean(axis=0)
        return self.linear("start_hidden", mean), self.linear("start_cell", mean)

    def attend(self, annotations: Array, hidden: Array) -> Array:
        scores = np.empty(len(annotations))
        for cell, vector in enumerate(annotations):  # equation 4, the perceptron being the tutorial's
            compared = self.linear("attention.annotation_projection", vector)
            compared = np.maximum(compared + self.linear("attention.hidden_projection", hidden), 0)
            scores[cell] = self.linear("attention.score", compared)[0]
        weights = np.exp(scores - scores.max())
        return np.asarray(weights / weights.sum())  # equation 5

    def step(
        self, token: int, annotations: Array, hidden: Array, cell: Array
    ) -> tuple[Array, Array, Array, Array, Array]:
        """Logits (V,), attention (L,), gate (D,), hidden and cell after the step."""
        annotations = self.normalise(annotations)
        attention = self.attend(annotations, hidden)
        context = np.zeros(annotations.shape[1])
        for weight, vector in zip(attention, annotations, strict=True):
            context += weight * vector
        gate = sigmoid(self.linear("gate", hidden))  # section 4.2.1
        gated = gate * context
        embedding = self.weights["embedding.weight"][token]
        gates = self.weights["lstm.weight_ih"] @ np.concatenate([embedding, gated]) + self.weights["lstm.bias_ih"]
        gates = gates + self.weights["lstm.weight_hh"] @ hidden + self.weights["lstm.bias_hh"]
        let_in, forget, candidate, let_out = np.split(gates, 4)
        cell = sigmoid(forget) * cell + sigmoid(let_in) * np.tanh(candidate)  # equations 1 to 3
        hidden = sigmoid(let_out) * np.tanh(cell)
        read = hidden
        if self.options.deep_output:  # equation 7
            read = embedding + self.linear("output_hidden", hidden) + self.linear("output_context", gated)
        return self.linear("output", read), attention, gate, hidden, cell


def counting_decoder(annotations: list[float], hidden_bias: float) -> tuple[AttentionDecoder, FeatureGrid]:
    """A decoder whose cells score relu(annotation + hidden_bias) and whose gate is a half, and a 1 x L grid."""
    decoder = AttentionDecoder(DecoderOptions(5, 1, embedding_dim=2, hidden_dim=2, attention_dim=1)).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.zero_()
        decoder.attention.annotation_projection.weight.fill_(1)
        decoder.attention.hidden_projection.bias.fill_(hidden_bias)
        decoder.attention.score.weight.fill_(1)
    grid = torch.tensor(annotations).reshape(1, -1, 1)
    return decoder, FeatureGrid(grid, 1, len(annotations), (1, len(annotations)))


def random_tokens(rows: int, steps: int, photos: int = 3) -> Tensor:
    return torch.randint(0, 16, (photos, rows, steps), generator=torch.Generator().manual_seed(9))


def run_steps(decoder: AttentionDecoder, grid: FeatureGrid, tokens: Tensor) -> list[DecoderStep]:
    """Step through tokens (P, R, T)."""
    state = decoder.start(grid, tokens.shape[1])
    steps = []
    for place in range(tokens.shape[2]):
        steps.append(decoder.step(tokens[:, :, place], state))
        state = steps[-1].state
    return steps


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
@torch.inference_mode()
def test_step_equals_the_papers_equations(ours: bool) -> None:
    decoder, grid, tokens = tiny_decoder(ours=ours), tiny_grid(photos=2), random_tokens(rows=3, steps=4, photos=2)
    reference, steps = Reference(decoder), run_steps(decoder, grid, tokens)
    for photo in range(2):
        annotations = grid.annotations[photo].double().numpy()
        for row in range(3):
            hidden, cell = reference.start(annotations)
            for place, step in enumerate(steps):
                token = int(tokens[photo, row, place])
                logits, attention, gate, hidden, cell = reference.step(token, annotations, hidden, cell)
                np.testing.assert_allclose(step.logits[photo, row], logits, rtol=1e-5, atol=1e-5)
                np.testing.assert_allclose(step.attention[photo, row], attention, atol=1e-5)
                np.testing.assert_allclose(step.gate[photo, row], gate, atol=1e-5)
                np.testing.assert_allclose(step.state.hidden[photo, row], hidden, atol=1e-5)
                np.testing.assert_allclose(step.state.cell[photo, row], cell, atol=1e-5)


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
@torch.inference_mode()
def test_shapes_and_ranges(ours: bool) -> None:
    step = run_steps(tiny_decoder(ours=ours), tiny_grid(photos=2), random_tokens(rows=3, steps=2, photos=2))[-1]
    assert step.logits.shape == (2, 3, 16)
    assert step.attention.shape == (2, 3, 15)
    assert step.gate.shape == (2, 3, 6)
    torch.testing.assert_close(step.attention.sum(dim=-1), torch.ones(2, 3))
    assert float(step.attention.min()) >= 0
    assert 0 < float(step.gate.min()) < float(step.gate.max()) < 1


@pytest.mark.parametrize(
    ("annotations", "hidden_bias", "expected"),
    [
        ([0.0, 0.0, 0.0, 0.0], 0.0, [0.25, 0.25, 0.25, 0.25]),
        ([0.0, 0.0, math.log(4)], 0.0, [1 / 6, 1 / 6, 4 / 6]),
        ([-5.0, 0.0, math.log(4)], 0.0, [1 / 6, 1 / 6, 4 / 6]),  # what is negative is cut off at 0
        ([0.0, 0.0, math.log(4)], -math.log(2), [0.25, 0.25, 0.5]),  # the hidden state lowers every cell
        ([0.0, math.log(2), math.log(3)], math.log(2), [2 / 12, 4 / 12, 6 / 12]),
        ([0.0, 200.0, 0.0], 0.0, [0.0, 1.0, 0.0]),
    ],
)
@torch.inference_mode()
def test_attention_by_hand(annotations: list[float], hidden_bias: float, expected: list[float]) -> None:
    decoder, grid = counting_decoder(annotations, hidden_bias)
    advance = decoder.advance(torch.tensor([[1]]), decoder.start(grid))
    np.testing.assert_allclose(advance.attention[0, 0], expected, atol=1e-6)
    assert advance.gate.tolist() == [[[0.5]]]
    context = sum(weight * value for weight, value in zip(expected, annotations, strict=True))
    assert float(advance.gated) == pytest.approx(0.5 * context, rel=1e-5)


@torch.inference_mode()
def test_start_by_hand() -> None:
    decoder, grid = counting_decoder([1.0, 2.0, 6.0], 0.0)
    decoder.start_hidden.weight.copy_(torch.tensor([[1.0], [-2.0]]))
    decoder.start_cell.bias.copy_(torch.tensor([0.5, 0.25]))
    state = decoder.start(grid, rows=2)
    assert state.hidden.tolist() == [[[3.0, -6.0], [3.0, -6.0]]]  # the mean annotation is 3
    assert state.cell.tolist() == [[[0.5, 0.25], [0.5, 0.25]]]


@pytest.mark.parametrize("ours", [False, True], ids=["tutorial", "ours"])
@torch.inference_mode()
def test_teaching_equals_stepping(ours: bool) -> None:
    decoder, grid, tokens = tiny_decoder(ours=ours), tiny_grid(photos=3), random_tokens(rows=4, steps=8)
    taught = decoder.teach(grid, tokens, LENGTHS)
    steps = run_steps(decoder, grid, tokens[:, :, :-1])
    expected_places = [[p, r, t] for t in range(6) for p in range(3) for r in range(4) if t < LENGTHS[p, r]]
    assert taught.places.tolist() == expected_places
    assert len(taught.targets) == 21  # 2 + 5 + 1 + 3 + 4 + 6
    for n, (p, r, t) in enumerate(expected_places):
        assert int(taught.targets[n]) == int(tokens[p, r, t + 1])
        torch.testing.assert_close(taught.logits[n], steps[t].logits[p, r], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(taught.attention[n], steps[t].attention[p, r], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(taught.gate[n], steps[t].gate[p, r].mean(), rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_padding_teaches_nothing() -> None:
    decoder, grid, tokens = tiny_decoder(), tiny_grid(photos=3), random_tokens(rows=4, steps=8)
    behind = torch.arange(8) > LENGTHS.unsqueeze(-1)  # (P, R, T + 1), what lies after each caption's last target
    taught = decoder.teach(grid, tokens, LENGTHS)
    padded = decoder.teach(grid, tokens.masked_fill(behind, 0), LENGTHS)
    assert torch.equal(taught.logits, padded.logits)
    assert torch.equal(taught.targets, padded.targets)


@torch.inference_mode()
def test_take_follows_the_rows_of_each_photo() -> None:
    decoder, grid, tokens = tiny_decoder(), tiny_grid(photos=3), random_tokens(rows=4, steps=2)
    state = run_steps(decoder, grid, tokens)[-1].state
    rows = torch.tensor([[3, 3, 0, 1, 2], [0, 1, 2, 3, 0], [2, 2, 2, 2, 2]])
    taken = state.take(rows)
    assert taken.hidden.shape == taken.cell.shape == (3, 5, 10)
    for photo, row in np.ndindex(3, 5):
        old = int(rows[photo, row])
        assert torch.equal(taken.hidden[photo, row], state.hidden[photo, old])
        assert torch.equal(taken.cell[photo, row], state.cell[photo, old])
    # A row goes on as it would have in its old place.
    before = decoder.step(torch.full((3, 4), 7), state).logits  # (3, 4, V)
    after = decoder.step(torch.full((3, 5), 7), taken).logits  # (3, 5, V)
    torch.testing.assert_close(after[0, 2], before[0, 0])
    torch.testing.assert_close(after[2, 4], before[2, 2])


@torch.inference_mode()
def test_cut_keeps_the_first_photos_and_rows() -> None:
    decoder = tiny_decoder()
    state = run_steps(decoder, tiny_grid(photos=3), random_tokens(rows=4, steps=2))[-1].state
    cut = state.cut(2, 3)
    assert [tuple(tensor.shape) for tensor in cut] == [(2, 15, 6), (2, 15, 7), (2, 3, 10), (2, 3, 10)]
    whole, part = decoder.step(torch.full((3, 4), 7), state), decoder.step(torch.full((2, 3), 7), cut)
    torch.testing.assert_close(part.logits, whole.logits[:2, :3])
    torch.testing.assert_close(part.attention, whole.attention[:2, :3])


@torch.inference_mode()
def test_rows_share_their_photos_annotations() -> None:
    decoder, grid = tiny_decoder(), tiny_grid(photos=2)
    state = decoder.start(grid, rows=50)
    assert state.annotations.shape == (2, 15, 6)
    assert state.projected.shape == (2, 15, 7)
    moved = decoder.step(torch.full((2, 50), 1), state).state.take(torch.tensor([[3, 1], [0, 2]]))
    assert moved.annotations is state.annotations
    assert moved.projected is state.projected
    alone = decoder.step(torch.full((2, 1), 1), decoder.start(grid))
    shared = decoder.step(torch.full((2, 50), 1), state)
    torch.testing.assert_close(shared.logits, alone.logits.expand(-1, 50, -1))


@torch.inference_mode()
def test_annotations_are_projected_once_per_photo() -> None:
    decoder, grid, tokens = tiny_decoder(), tiny_grid(photos=3), random_tokens(rows=4, steps=8)
    calls: list[tuple[int, ...]] = []

    def count(_module: nn.Module, given: tuple[Tensor], _result: Tensor) -> None:
        calls.append(tuple(given[0].shape))

    with decoder.attention.annotation_projection.register_forward_hook(count):
        run_steps(decoder, grid, tokens)
        assert calls == [(3, 15, 6)]
        decoder.teach(grid, tokens, LENGTHS)
        assert calls == [(3, 15, 6)] * 2


@torch.inference_mode()
def test_nothing_is_dropped_outside_training() -> None:
    decoder, grid, tokens = tiny_decoder(), tiny_grid(photos=3), random_tokens(rows=4, steps=8)
    first, second = (decoder.teach(grid, tokens, LENGTHS).logits for _ in range(2))
    assert torch.equal(first, second)
    decoder.train()
    first, second = (decoder.teach(grid, tokens, LENGTHS).logits for _ in range(2))
    assert not torch.allclose(first, second)


@torch.inference_mode()
def test_the_tutorial_drops_before_its_output_layer_only() -> None:
    grid, tokens = tiny_grid(photos=3), random_tokens(rows=4, steps=3)
    decoder = tiny_decoder(ours=False).train()
    first, second = (run_steps(decoder, grid, tokens)[-1] for _ in range(2))
    assert torch.equal(first.state.hidden, second.state.hidden)
    assert not torch.allclose(first.logits, second.logits)
    decoder = tiny_decoder(ours=True).train()
    first, second = (run_steps(decoder, grid, tokens)[-1] for _ in range(2))
    assert not torch.allclose(first.state.hidden, second.state.hidden)


def test_tied_embeddings_are_one_matrix() -> None:
    ours, tutorial = tiny_decoder(), tiny_decoder(ours=False)
    assert ours.output.weight is ours.embedding.weight
    assert tutorial.output.weight is not tutorial.embedding.weight
    # embedding 16 * 8, attention 7 * 6 + 7 + 7 * 10 + 7 + 7 + 1, start 2 * (10 * 6 + 10), gate 6 * 10 + 6,
    # LSTM 40 * (8 + 6) + 40 * 10 + 2 * 40
    shared = 128 + 134 + 140 + 66 + 1040
    assert sum(p.numel() for p in ours.parameters()) == shared + (8 * 10 + 8) + 8 * 6 + 16
    assert sum(p.numel() for p in tutorial.parameters()) == shared + 16 * 10 + 16


def test_word_layers_start_as_the_tutorials_do() -> None:
    decoder = AttentionDecoder(DecoderOptions(300, 6, embedding_dim=8, hidden_dim=10, attention_dim=7))
    for weight in (decoder.embedding.weight, decoder.output.weight):
        assert 0.09 < float(weight.detach().abs().max()) <= 0.1
        assert abs(float(weight.detach().mean())) < 0.01
    assert not decoder.output.bias.any()


def test_a_grid_of_another_encoder_is_an_error() -> None:
    with pytest.raises(DecoderError, match="annotations of 6 channels, got 7"):
        tiny_decoder().start(tiny_grid(channels=7))


@pytest.mark.parametrize(
    ("tokens", "lengths", "message"),
    [
        (torch.ones(2, 4, 3), [[1, 1, 1, 1]], r"token ids \(1, rows, tokens\).* got \(2, 4, 3\) and \(1, 4\)"),
        (torch.ones(2, 2, 3), [[1, 1], [1, 1]], r"token ids \(1, rows, tokens\)"),
        (torch.ones(1, 2, 3), [[1, 1, 1]], r"got \(1, 2, 3\) and \(1, 3\)"),
        (torch.ones(1, 2), [[1, 1]], r"got \(1, 2\) and \(1, 2\)"),
        (torch.ones(1, 2, 3), [[1, 3]], "longest caption of 1 to 2 tokens, got 3"),
        (torch.ones(1, 2, 3), [[0, 0]], "longest caption of 1 to 2 tokens, got 0"),
        (torch.ones(1, 0, 3), [[]], "longest caption of 1 to 2 tokens, got 0"),
    ],
)
def test_captions_that_cannot_be_taught(tokens: Tensor, lengths: list[list[int]], message: str) -> None:
    with pytest.raises(DecoderError, match=message):
        tiny_decoder().teach(tiny_grid(), tokens.long(), torch.tensor(lengths, dtype=torch.int64))
