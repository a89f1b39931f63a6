"""The modules a tutorial checkpoint holds, and the tutorial's search for one photo: a textbook, written anew.

Slow on purpose: it is what `bench` measures against and what the tests hold captions against. So it shares nothing
with the rest of SayWhere, does every step the plain way, and projects the annotations again at every step for every
hypothesis of the beam. Attribute names are those that published checkpoints contain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

MAX_STEPS = 51  # the tutorial's loop breaks off after its 51st step


class Encoder(nn.Module):
    """ResNet-101 without its last two layers, its grid stretched to a square.

    Args:
        enc_image_size: n, cells of a side.
        width: channels of the first stage; 64 is the published network.
    """

    def __init__(self, enc_image_size: int = 14, width: int = 64) -> None:
        super().__init__()
        self.enc_image_size = enc_image_size
        network = ResNet(Bottleneck, [3, 4, 23, 3], width_per_group=width)
        self.resnet = nn.Sequential(*list(network.children())[:-2])
        self.adaptive_pool = nn.AdaptiveAvgPool2d((enc_image_size, enc_image_size))

    def forward(self, images: Tensor) -> Tensor:
        """Pixels (1, 3, 256, 256) to features (1, n, n, 2048)."""
        grid: Tensor = self.adaptive_pool(self.resnet(images))
        return grid.permute(0, 2, 3, 1)


class Attention(nn.Module):
    """One score per cell."""

    def __init__(self, encoder_dim: int, decoder_dim: int, attention_dim: int) -> None:
        super().__init__()
        self.encoder_att = nn.Linear(encoder_dim, attention_dim)
        self.decoder_att = nn.Linear(decoder_dim, attention_dim)
        self.full_att = nn.Linear(attention_dim, 1)
        self.relu = nn.ReLU()
        self.softmax = nn.Softmax(dim=1)


class DecoderWithAttention(nn.Module):
    """The tutorial's LSTM."""

    def __init__(self, words: int, attention_dim: int, embed_dim: int, decoder_dim: int, encoder_dim: int) -> None:
        super().__init__()
        self.vocab_size = words
        self.attention = Attention(encoder_dim, decoder_dim, attention_dim)
        self.embedding = nn.Embedding(words, embed_dim)
        self.dropout = nn.Dropout(p=0.4)
        self.decode_step = nn.LSTMCell(embed_dim + encoder_dim, decoder_dim, bias=True)
        self.init_h = nn.Linear(encoder_dim, decoder_dim)
        self.init_c = nn.Linear(encoder_dim, decoder_dim)
        self.f_beta = nn.Linear(decoder_dim, encoder_dim)
        self.sigmoid = nn.Sigmoid()
        self.fc = nn.Linear(decoder_dim, words)


@dataclass(frozen=True)
class Told:
    """A sequence the textbook search ended with.

    Attributes:
        words: ids, without <start> and <end>.
        log_probs: natural logarithms, one for each word and, when finished, one for <end>.
        maps: one (n, n) for each word.
        finished: whether it reached <end>.
    """

    words: list[int]
    log_probs: list[float]
    maps: list[np.ndarray[Any, Any]]
    finished: bool = False

    @property
    def total(self) -> float:
        """What the tutorial ranks by."""
        return sum(self.log_probs)


def tutorial_pixels(photo: Image.Image) -> Tensor:
    """What caption.py makes of an RGB photo: (1, 3, 256, 256)."""
    small = np.asarray(photo.resize((256, 256), Image.Resampling.BILINEAR), np.float64) / 255
    normal = (small - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return torch.from_numpy(normal.transpose(2, 0, 1)[None]).float()


@torch.no_grad()
def tutorial_captions(
    encoder: Encoder, decoder: DecoderWithAttention, photo: Image.Image, k: int, start: int, end: int
) -> list[Told]:
    """Every sequence that reached <end>, best first, by the tutorial's rules, for one photo and one width; then what
    was still alive at the last step, where the tutorial itself knows no answer."""
    device = decoder.fc.weight.device
    grid = encoder(tutorial_pixels(photo).to(device))
    side = grid.shape[1]
    annotations = grid.reshape(1, side * side, -1)
    mean = annotations.mean(1)
    hidden, cell = decoder.init_h(mean), decoder.init_c(mean)
    beam, last = [Told([], [], [])], [start]
    done: list[Told] = []
    for _ in range(MAX_STEPS):
        copies = annotations.expand(len(beam), -1, -1)
        attention, hidden, cell, log_probs = _advance(decoder, copies, torch.tensor(last, device=device), hidden, cell)
        log_probs = log_probs.cpu()
        totals = torch.tensor([told.total for told in beam], dtype=torch.float64)[:, None] + log_probs
        best = totals.flatten().topk(k).indices.tolist()
        grown, rows, last = [], [], []
        for place in best:
            row, word = divmod(place, decoder.vocab_size)
            told, log_prob = beam[row], float(log_probs[row, word])
            if word == end:
                done.append(Told(told.words, [*told.log_probs, log_prob], told.maps, finished=True))
                k -= 1
            else:
                seen = attention[row].reshape(side, side).cpu().numpy()
                grown.append(Told([*told.words, word], [*told.log_probs, log_prob], [*told.maps, seen]))
                rows.append(row)
                last.append(word)
        beam, hidden, cell = grown, hidden[rows], cell[rows]
        if k == 0:
            break
    return sorted(done, key=lambda told: -told.total) + sorted(beam, key=lambda told: -told.total)


def _advance(
    decoder: DecoderWithAttention, annotations: Tensor, last: Tensor, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One word further for k hypotheses.

    Args:
        annotations: (k, cells, D), the same for all of them.
        last: (k,) their last words.
        hidden, cell: (k, H) of the LSTM.

    Returns:
        attention (k, cells), hidden and cell (k, H), log-probabilities (k, words).
    """
    seen = decoder.attention.encoder_att(annotations)  # again at every step: the textbook's way
    asked = decoder.attention.decoder_att(hidden)
    scores = decoder.attention.full_att((seen + asked[:, None]).clamp(min=0))[:, :, 0]
    attention = scores.exp() / scores.exp().sum(1, keepdim=True) if scores.abs().max() < 50 else scores.softmax(1)
    context = (attention[:, :, None] * annotations).sum(1) * torch.sigmoid(decoder.f_beta(hidden))
    hidden, cell = decoder.decode_step(torch.cat([decoder.embedding(last), context], 1), (hidden, cell))
    return attention, hidden, cell, decoder.fc(hidden).log_softmax(1)
