"""One step of the decoder with every number in between, to be read by people.

The step itself is `AttentionDecoder.step`; here the same equations (Xu et al. 2015, 1 to 7 and section 4.2.1) are
worked out one after the other for one photo and one beginning, and nothing is thrown away. For cell i:

    encoder part   U a_i + b_U                          (A,), once per photo
    decoder part   W h_(t-1) + b_W                      (A,), the same for all cells
    score          e_i = w . relu(encoder part + decoder part) + b          equation 4
    share          alpha_i = exp(e_i) / sum_k exp(e_k)                      equation 5
    context        z = sum_i alpha_i a_i                (D,)                equation 6
    gate           beta = sigmoid(V h_(t-1) + b_V)      (D,), one number per channel; the paper has one in all
    LSTM           i, f, o = sigmoid(...), g = tanh(...), c_t = f c_(t-1) + i g, h_t = o tanh(c_t)   equations 1 to 3
    next word      p = softmax(L (E y_(t-1) + L_h h_t + L_z (beta z)) + b)   equation 7, with deep output
                   p = softmax(L h_t + b)                                    without
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.decoder import AttentionDecoder, DecoderState
from captioner.encoder import FeatureGrid
from captioner.errors import DecoderError, SearchError

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LstmNumbers:
    """What the LSTM cell did at one step; every array is (hidden_dim,).

    Attributes:
        let_in: i, the input gate.
        forget: f, the forget gate; 1 keeps all, 0 forgets all.
        candidate: g, what there is to write.
        let_out: o, the output gate.
        cell_before: c_(t-1).
        cell: c_t = forget * cell_before + let_in * candidate.
        hidden_before: h_(t-1).
        hidden: h_t = let_out * tanh(cell).
    """

    let_in: Floats
    forget: Floats
    candidate: Floats
    let_out: Floats
    cell_before: Floats
    cell: Floats
    hidden_before: Floats
    hidden: Floats

    def __post_init__(self) -> None:
        shapes = {array.shape for array in vars(self).values()}
        if len(shapes) != 1:
            raise DecoderError(f"expected LSTM numbers of one length, got {sorted(shapes)}")


@dataclass(frozen=True, eq=False)
class Inside:
    """The numbers of one step: how the word after a given beginning came about.

    Attributes:
        annotations: (L, D), as the attention reads them: normalised when the decoder's options say so.
        encoder_part: (L, A).
        decoder_part: (A,).
        score_weight: w, (A,).
        score_bias: b.
        scores: (L,).
        attention: (L,), sums to 1.
        context: (D,), before the gate.
        gate: (D,), 0 to 1.
        lstm: what the LSTM cell did.
        logit_parts: what makes up each token's logit, (V,) each, besides `logit_bias`: "hidden" and, with deep
            output, "word" (the previous word) and "context" (gated).
        logit_bias: (V,).
        logits: (V,), the sum of those.
        log_probs: (V,), natural logarithms.
    """

    annotations: Floats
    encoder_part: Floats
    decoder_part: Floats
    score_weight: Floats
    score_bias: float
    scores: Floats
    attention: Floats
    context: Floats
    gate: Floats
    lstm: LstmNumbers
    logit_parts: Mapping[str, Floats]
    logit_bias: Floats
    logits: Floats
    log_probs: Floats

    def __post_init__(self) -> None:
        cells, channels = self.annotations.shape
        length = self.decoder_part.shape
        vectors = (self.encoder_part.shape, self.score_weight.shape, self.scores.shape, self.attention.shape)
        if vectors != ((cells, *length), length, (cells,), (cells,)):
            raise DecoderError(f"expected the attention's numbers for {cells} cells of {length[0]}, got {vectors}")
        if not self.context.shape == self.gate.shape == (channels,):
            raise DecoderError(f"expected context and gate of {channels} channels, got {self.context.shape}")
        words = {array.shape for array in (*self.logit_parts.values(), self.logit_bias, self.logits, self.log_probs)}
        if len(words) != 1:
            raise DecoderError(f"expected a number for every token, got {sorted(words)}")

    @property
    def gated(self) -> Floats:
        """beta z, (D,): the context as the LSTM gets it."""
        return self.gate * self.context

    def compared(self, cell: int) -> Floats:
        """relu(encoder part + decoder part) of one cell, (A,)."""
        compared: Floats = np.maximum(self.encoder_part[cell] + self.decoder_part, 0)
        return compared

    def products(self, cell: int) -> Floats:
        """What each dimension adds to the score of one cell, (A,); their sum and the bias are the score."""
        return self.score_weight * self.compared(cell)


def look_inside(decoder: AttentionDecoder, grid: FeatureGrid, token_ids: Sequence[int]) -> Inside:
    """Work out the step after `token_ids`.

    Args:
        decoder: in evaluation mode.
        grid: of one photo.
        token_ids: `<start>` and the words so far; the last one is the previous word of the step.

    Raises:
        SearchError: the grid is of several photos, or there is no token.
        DecoderError: the grid's annotations have another number of channels than the decoder reads.
    """
    if len(grid.annotations) != 1 or not token_ids:
        raise SearchError(
            f"expected the grid of one photo and one token or more, got {len(grid.annotations)} and {len(token_ids)}"
        )
    with torch.inference_mode():
        tokens = torch.tensor([[list(token_ids)]], device=grid.annotations.device)  # (1, 1, T)
        state = decoder.start(grid)
        for place in range(len(token_ids) - 1):
            state = decoder.advance(tokens[..., place], state).state
        return _work_out(decoder, state, tokens[0, 0, -1])


def _work_out(decoder: AttentionDecoder, state: DecoderState, token: Tensor) -> Inside:
    annotations, encoder_part = state.annotations[0], state.projected[0]  # (L, D), (L, A)
    hidden = state.hidden[0, 0]  # (hidden_dim,)
    attention = decoder.attention
    decoder_part = attention.hidden_projection(hidden)  # (A,)
    weight, bias = attention.score.weight[0], attention.score.bias[0]
    scores = torch.relu(encoder_part + decoder_part) @ weight + bias  # (L,)
    shares = torch.softmax(scores, dim=0)
    context = shares @ annotations  # (D,)
    gate = torch.sigmoid(decoder.gate(hidden))
    embedding = decoder.embedding(token)  # (E,)
    lstm = _lstm(decoder, torch.cat([embedding, gate * context]), hidden, state.cell[0, 0])
    after = torch.from_numpy(lstm.hidden).to(hidden)
    parts = _logit_parts(decoder, after, gate * context, embedding)
    logits = torch.stack(list(parts.values())).sum(dim=0) + decoder.output.bias  # (V,)
    return Inside(
        annotations=_floats(annotations),
        encoder_part=_floats(encoder_part),
        decoder_part=_floats(decoder_part),
        score_weight=_floats(weight),
        score_bias=float(bias),
        scores=_floats(scores),
        attention=_floats(shares),
        context=_floats(context),
        gate=_floats(gate),
        lstm=lstm,
        logit_parts={name: _floats(part) for name, part in parts.items()},
        logit_bias=_floats(decoder.output.bias),
        logits=_floats(logits),
        log_probs=_floats(logits.float().log_softmax(0)),
    )


def _lstm(decoder: AttentionDecoder, given: Tensor, hidden: Tensor, cell: Tensor) -> LstmNumbers:
    """Equations 1 to 3 for `given` (E + D,), hidden and cell (hidden_dim,)."""
    layer = decoder.lstm
    mixed = layer.weight_ih @ given + layer.bias_ih + layer.weight_hh @ hidden + layer.bias_hh  # (4 * hidden_dim,)
    let_in, forget, candidate, let_out = mixed.chunk(4)  # in torch's order
    let_in, forget, let_out = torch.sigmoid(let_in), torch.sigmoid(forget), torch.sigmoid(let_out)
    candidate = torch.tanh(candidate)
    after = forget * cell + let_in * candidate
    numbers = (let_in, forget, candidate, let_out, cell, after, hidden, let_out * torch.tanh(after))
    return LstmNumbers(*(_floats(number) for number in numbers))


def _logit_parts(decoder: AttentionDecoder, hidden: Tensor, gated: Tensor, embedding: Tensor) -> dict[str, Tensor]:
    """What each of its inputs adds to the logits, (V,) each; the output layer is linear, so they simply add up."""
    weight = decoder.output.weight  # (V, E) with deep output, else (V, hidden_dim)
    if not decoder.options.deep_output:
        return {"hidden": weight @ hidden}
    return {
        "word": weight @ embedding,
        "hidden": weight @ decoder.output_hidden(hidden),
        "context": weight @ decoder.output_context(gated),
    }


def _floats(tensor: Tensor) -> Floats:
    """A tensor as a float32 array of its own."""
    array: Floats = tensor.detach().float().cpu().numpy().copy()
    return array
