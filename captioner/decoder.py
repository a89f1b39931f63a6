"""Feature grid to words, one step at a time: soft attention, a gate, an LSTM cell (Xu et al. 2015, section 3.1.2).

Tensors carry two leading axes: P photos and R rows per photo (captions in training, hypotheses in a search). The
annotations and their projection are kept once per photo and shared by its rows.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from captioner.attention import SoftAttention
from captioner.decoder_options import DecoderOptions
from captioner.encoder import FeatureGrid
from captioner.errors import DecoderError
from captioner.packed import PackedLinear, PackedLSTMCell


class DecoderState(NamedTuple):
    """Everything a step needs besides the previous words.

    Attributes:
        annotations: (P, L, D), normalised when the options say so.
        projected: (P, L, A), the annotations as the attention compares them; computed once per photo.
        hidden: (P, R, hidden_dim).
        cell: (P, R, hidden_dim).
    """

    annotations: Tensor
    projected: Tensor
    hidden: Tensor
    cell: Tensor

    def take(self, rows: Tensor) -> DecoderState:
        """The state whose row r of photo p is this state's row rows[p, r]; rows is (P, R') int64."""
        index = rows.unsqueeze(-1).expand(-1, -1, self.hidden.shape[-1])  # (P, R', hidden_dim)
        return self._replace(hidden=self.hidden.gather(1, index), cell=self.cell.gather(1, index))

    def cut(self, photos: int, rows: int) -> DecoderState:
        """The state of the first `photos` photos and of their first `rows` rows."""
        return DecoderState(
            self.annotations[:photos], self.projected[:photos], self.hidden[:photos, :rows], self.cell[:photos, :rows]
        )


class DecoderStep(NamedTuple):
    """What one step gives.

    Attributes:
        logits: (P, R, V), unnormalised log-probabilities of the next token.
        attention: (P, R, L), sums to 1 over the L cells; where the step read the photo.
        gate: (P, R, D), 0 to 1, how much of the context each channel let through (beta).
        state: the state after the step.
    """

    logits: Tensor
    attention: Tensor
    gate: Tensor
    state: DecoderState


class Advance(NamedTuple):
    """The recurrent half of a step: hidden (P, R, hidden_dim), gated context (P, R, D), embedding (P, R, E),
    attention (P, R, L), gate (P, R, D), and the state after it."""

    hidden: Tensor
    gated: Tensor
    embedding: Tensor
    attention: Tensor
    gate: Tensor
    state: DecoderState


class Taught(NamedTuple):
    """Teacher-forced captions, padding left out.

    Attributes:
        logits: (N, V).
        targets: (N,) int64, the tokens that were to be predicted.
        attention: (N, L).
        gate: (N,), mean over the channels.
        places: (N, 3) int64: photo, row and step of each position.
    """

    logits: Tensor
    targets: Tensor
    attention: Tensor
    gate: Tensor
    places: Tensor


class AttentionDecoder(nn.Module):
    """The captioner's language half: `start` once per photo, then `step` per word."""

    def __init__(self, options: DecoderOptions) -> None:
        super().__init__()
        self.options = options
        d, e, h, v = options.annotation_dim, options.embedding_dim, options.hidden_dim, options.vocabulary_size
        self.normalise = nn.LayerNorm(d, elementwise_affine=False) if options.normalise_annotations else nn.Identity()
        self.attention = SoftAttention(d, h, options.attention_dim)
        self.embedding = nn.Embedding(v, e)
        self.dropout = nn.Dropout(options.dropout)
        self.start_hidden = PackedLinear(d, h)
        self.start_cell = PackedLinear(d, h)
        self.gate = PackedLinear(h, d)
        self.lstm = PackedLSTMCell(e + d, h)
        if options.deep_output:
            self.output_hidden = PackedLinear(h, e)
            self.output_context = PackedLinear(d, e, bias=False)
        self.output = PackedLinear(e if options.deep_output else h, v)
        if options.tied_embeddings:
            self.output.weight = self.embedding.weight
        bound = 0.1  # the tutorial's initialisation of the word layers
        nn.init.uniform_(self.embedding.weight, -bound, bound)
        nn.init.uniform_(self.output.weight, -bound, bound)
        nn.init.zeros_(self.output.bias)

    def start(self, grid: FeatureGrid, rows: int = 1) -> DecoderState:
        """First state: hidden and cell are projections of the mean annotation (Xu et al. 2015, section 3.1.2).

        Raises:
            DecoderError: the grid's annotations have another number of channels than the decoder reads.
        """
        if grid.annotations.shape[-1] != self.options.annotation_dim:
            raise DecoderError(
                f"expected annotations of {self.options.annotation_dim} channels, got {grid.annotations.shape[-1]}"
            )
        annotations = self.normalise(grid.annotations)  # (P, L, D)
        projected = self.attention.annotation_projection(annotations)  # (P, L, A)
        mean = annotations.mean(dim=1)  # (P, D)
        hidden = self.start_hidden(mean).unsqueeze(1).expand(-1, rows, -1)  # (P, R, hidden_dim)
        cell = self.start_cell(mean).unsqueeze(1).expand(-1, rows, -1)
        return DecoderState(annotations, projected, hidden, cell)

    def step(self, token_ids: Tensor, state: DecoderState, gaze: Tensor | None = None) -> DecoderStep:
        """Advance every row by one word and say what comes next.

        Args:
            token_ids: (P, R) int64, the previous word of each row (`<start>` first).
            state: of P photos and R rows.
            gaze: see `advance`.
        """
        advance = self.advance(token_ids, state, gaze)
        logits = self.read_out(advance.hidden, advance.gated, advance.embedding)  # (P, R, V)
        return DecoderStep(logits, advance.attention, advance.gate, advance.state)

    def advance(self, token_ids: Tensor, state: DecoderState, gaze: Tensor | None = None) -> Advance:
        """The recurrent half of a step (Xu et al. 2015, equations 1 to 6).

        Args:
            gaze: (P, R, L) or broadcast to it, maps that take the place of the attention, each summing to 1; where one
                is all zeros, the row looks for itself.
        """
        attention = self.attention(state.projected, state.hidden)  # (P, R, L)
        if gaze is not None:
            attention = torch.where(gaze.any(dim=-1, keepdim=True), gaze, attention)
        context = attention @ state.annotations  # (P, R, D)
        gate = torch.sigmoid(self.gate(state.hidden))  # (P, R, D)
        gated = gate * context  # (P, R, D)
        embedding = self.embedding(token_ids)  # (P, R, E)
        if self.options.deep_output:  # the tutorial, without deep output, drops before the output layer only
            embedding = self._dropped(embedding)
        photos, rows = token_ids.shape
        hidden, cell = self.lstm(
            torch.cat([embedding, gated], dim=-1).flatten(0, 1),  # (P * R, E + D)
            (state.hidden.flatten(0, 1), state.cell.flatten(0, 1)),
        )
        hidden, cell = hidden.view(photos, rows, -1), cell.view(photos, rows, -1)
        return Advance(hidden, gated, embedding, attention, gate, state._replace(hidden=hidden, cell=cell))

    def read_out(self, hidden: Tensor, gated: Tensor, embedding: Tensor) -> Tensor:
        """Logits (..., V) of the next token, from tensors that share their leading axes (equation 7)."""
        read = hidden
        if self.options.deep_output:
            read = embedding + self.output_hidden(self._dropped(hidden)) + self.output_context(gated)  # (..., E)
        logits: Tensor = self.output(self._dropped(read))  # (..., V)
        return logits

    def _dropped(self, values: Tensor) -> Tensor:
        """With some values dropped in training; a search is spared the call of a layer that does nothing."""
        dropped: Tensor = self.dropout(values) if self.training else values
        return dropped

    def teach(self, grid: FeatureGrid, token_ids: Tensor, lengths: Tensor, given: Tensor | None = None) -> Taught:
        """Teacher-force captions: the same `advance` and `read_out` as `step`, words given instead of chosen.

        Only rows that still have words are advanced: photos and, within a photo, captions are best given longest
        first, so that what is finished can be cut off.

        Args:
            grid: P photos.
            token_ids: (P, R, T + 1) int64, `<start>`, words, `<end>`, then padding.
            lengths: (P, R) int64, tokens to predict per caption (words and `<end>`), 0 to T, not all of them 0.

        Returns:
            what was predicted at each of the N = lengths.sum() real positions, step after step.

        Raises:
            DecoderError: the shapes do not fit together, or a length is larger than T, or there is nothing to predict.
        """
        longest = _longest(len(grid.annotations), token_ids, lengths)
        read = token_ids if given is None else given
        state = self.start(grid, token_ids.shape[1])
        advances: list[tuple[Tensor, ...]] = []
        targets, places = [], []
        for step in range(longest):
            active = lengths > step  # (P, R)
            photos = int(active.any(dim=1).nonzero().max()) + 1
            rows = int(active.any(dim=0).nonzero().max()) + 1
            active = active[:photos, :rows]
            advance = self.advance(read[:photos, :rows, step], state.cut(photos, rows))
            state = advance.state
            kept = (advance.hidden, advance.gated, advance.embedding, advance.attention, advance.gate)
            advances.append(tuple(tensor[active] for tensor in kept))  # each (n, ...)
            targets.append(token_ids[:photos, :rows, step + 1][active])  # (n,)
            photo, row = active.nonzero(as_tuple=True)
            places.append(torch.stack([photo, row, torch.full_like(photo, step)], dim=1))  # (n, 3)
        hidden, gated, embedding, attention, gate = (torch.cat(parts) for parts in zip(*advances, strict=True))
        logits = self.read_out(hidden, gated, embedding)  # (N, V)
        return Taught(logits, torch.cat(targets), attention, gate.mean(dim=-1), torch.cat(places))


def _longest(photos: int, token_ids: Tensor, lengths: Tensor) -> int:
    """The longest of `lengths` (P, R), once it is sure that they describe `token_ids` (P, R, T + 1)."""
    if token_ids.dim() != 3 or lengths.shape != token_ids.shape[:2] or len(token_ids) != photos:
        raise DecoderError(
            f"expected token ids ({photos}, rows, tokens) and a length for each row, "
            f"got {tuple(token_ids.shape)} and {tuple(lengths.shape)}"
        )
    longest = int(lengths.max()) if lengths.numel() else 0
    if not 1 <= longest < token_ids.shape[2]:
        raise DecoderError(f"expected a longest caption of 1 to {token_ids.shape[2] - 1} tokens, got {longest}")
    return longest
