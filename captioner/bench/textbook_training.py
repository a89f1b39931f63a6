"""One step of the tutorial's training, written anew: a caption is a row of its own, with its own copy of the photo.

Plain on purpose, as textbook.py is, and sharing nothing with the rest of SayWhere: annotations are projected again at
every word, every word's step keeps all that autograd wants, and what is padded is left out by packing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from captioner.bench.textbook import DecoderWithAttention

LARGEST = 5.0  # each number of the gradient is cut to this
SPREAD = 1.0  # weight of the doubly stochastic penalty


@dataclass(frozen=True)
class Captions:
    """A batch as the tutorial's loader gives it.

    Attributes:
        features: (N, n, n, D) of the photo of each caption.
        words: (N, T) ids, <start>, words, <end>, padding.
        lengths: (N,) of <start>, words and <end> together.
    """

    features: Tensor
    words: Tensor
    lengths: Tensor


def tutorial_loss(decoder: DecoderWithAttention, batch: Captions) -> Tensor:
    """Cross-entropy per word, and the penalty on cells whose attention does not sum to 1 over a caption."""
    lengths, order = batch.lengths.sort(descending=True)
    words, features = batch.words[order], batch.features[order]
    annotations = features.view(features.size(0), -1, features.size(-1))
    steps = (lengths - 1).tolist()  # nothing follows <end>
    embedded = decoder.embedding(words)
    mean = annotations.mean(dim=1)
    hidden, cell = decoder.init_h(mean), decoder.init_c(mean)
    scores = torch.zeros(len(steps), max(steps), decoder.vocab_size, device=words.device)
    maps = torch.zeros(len(steps), max(steps), annotations.size(1), device=words.device)
    for t in range(max(steps)):
        alive = sum(length > t for length in steps)
        context, alpha = _look(decoder, annotations[:alive], hidden[:alive])
        context = decoder.sigmoid(decoder.f_beta(hidden[:alive])) * context
        hidden, cell = decoder.decode_step(
            torch.cat([embedded[:alive, t, :], context], dim=1), (hidden[:alive], cell[:alive])
        )
        scores[:alive, t, :] = decoder.fc(decoder.dropout(hidden))
        maps[:alive, t, :] = alpha
    predicted = pack_padded_sequence(scores, steps, batch_first=True).data
    targets = pack_padded_sequence(words[:, 1:], steps, batch_first=True).data
    loss: Tensor = nn.functional.cross_entropy(predicted, targets)
    return loss + SPREAD * ((1.0 - maps.sum(dim=1)) ** 2).mean()


def _look(decoder: DecoderWithAttention, annotations: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Context (N, D) and attention (N, cells) of hidden states (N, H) over annotations (N, cells, D)."""
    attention = decoder.attention
    seen = attention.encoder_att(annotations)
    asked = attention.decoder_att(hidden)
    score = attention.full_att(attention.relu(seen + asked.unsqueeze(1))).squeeze(2)
    alpha = attention.softmax(score)
    return (annotations * alpha.unsqueeze(2)).sum(dim=1), alpha


def tutorial_step(decoder: DecoderWithAttention, optimizer: torch.optim.Optimizer, batch: Captions) -> float:
    """Forward, backward, cut gradients, update; returns the loss before the update."""
    loss = tutorial_loss(decoder, batch)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_value_(decoder.parameters(), LARGEST)
    optimizer.step()
    return float(loss.detach())
