"""The modules a tutorial checkpoint is a pickle of, and the tutorial's search for one photo: a textbook, written anew.

Attribute names are those that the published checkpoints contain; the loops are as plain as can be: every step attends
for every hypothesis of the beam from the annotations themselves.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet


class Encoder(nn.Module):
    """ResNet-101 without its last two layers, its grid stretched to a square."""

    def __init__(self, enc_image_size: int = 14, width: int = 8) -> None:
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
    """A sequence the textbook search ended with: words without <start> and <end>, one log-probability for each word and
    for <end>, one map (n, n) per word."""

    words: list[int]
    log_probs: list[float]
    maps: list[np.ndarray[Any, Any]]

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
    """Every sequence that reached <end>, best first, by the tutorial's rules, for one photo and one width."""
    grid = encoder(tutorial_pixels(photo))
    side = grid.shape[1]
    annotations = grid.reshape(side * side, -1)
    mean = annotations.mean(0, keepdim=True)
    beam = [(Told([], [], []), start, decoder.init_h(mean), decoder.init_c(mean))]
    done: list[Told] = []
    for _ in range(51):
        choices = []
        for place, (told, last, hidden, cell) in enumerate(beam):
            attention, hidden, cell, log_probs = _advance(decoder, annotations, last, hidden, cell)
            for word, log_prob in enumerate(log_probs.tolist()):
                choices.append((told.total + log_prob, place, word, log_prob))
            beam[place] = (told, last, hidden, cell)
            told.maps.append(attention.reshape(side, side).numpy())
        choices.sort(key=lambda choice: -choice[0])
        best, beam_before, beam = choices[:k], beam, []
        for _, place, word, log_prob in best:
            told, _, hidden, cell = beam_before[place]
            if word == end:
                done.append(Told(told.words, [*told.log_probs, log_prob], told.maps[:-1]))
                k -= 1
            else:
                grown = Told([*told.words, word], [*told.log_probs, log_prob], list(told.maps))
                beam.append((grown, word, hidden, cell))
        if k == 0:
            break
    return sorted(done, key=lambda told: -told.total)


def _advance(
    decoder: DecoderWithAttention, annotations: Tensor, last: int, hidden: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One word further: attention (cells,), hidden and cell (1, H), log-probabilities (words,)."""
    seen = decoder.attention.encoder_att(annotations)  # again at every step: the textbook's way
    asked = decoder.attention.decoder_att(hidden)
    scores = decoder.attention.full_att((seen + asked).clamp(min=0))[:, 0]
    attention = scores.exp() / scores.exp().sum() if scores.abs().max() < 50 else scores.softmax(0)
    context = (attention[:, None] * annotations).sum(0, keepdim=True) * torch.sigmoid(decoder.f_beta(hidden))
    hidden, cell = decoder.decode_step(torch.cat([decoder.embedding.weight[last][None], context], 1), (hidden, cell))
    return attention, hidden, cell, decoder.fc(hidden)[0].log_softmax(0)


WORDS = ("a", "dog", "runs", "on", "the", "grass", "red", "ball", "two", "men", "kök", "t-shirt")


def word_map() -> dict[str, int]:
    """Words and special tokens as create_input_files.py numbers them."""
    numbered = {word: number for number, word in enumerate(WORDS, start=1)}
    count = len(numbered)
    return {**numbered, "<unk>": count + 1, "<start>": count + 2, "<end>": count + 3, "<pad>": 0}


def tutorial_modules(peaked: float = 1.0, seed: int = 0) -> tuple[Encoder, DecoderWithAttention]:
    """Random weights of a sensible size; `peaked` above 1 makes every word surer of itself."""
    torch.manual_seed(seed)
    encoder = Encoder().eval()
    with torch.no_grad():  # statistics of real activations, so that what it sees depends on the photo
        encoder.train()(torch.rand(4, 3, 1, 1) * 2 - 1 + torch.randn(4, 3, 256, 256).cumsum(3) / 8)
    encoder.eval()
    decoder = DecoderWithAttention(len(word_map()), attention_dim=24, embed_dim=20, decoder_dim=28, encoder_dim=2048)
    for parameter in decoder.parameters():
        spread = 1.5 / math.sqrt(parameter.shape[-1]) if parameter.dim() == 2 else 0.1
        nn.init.normal_(parameter, 0, spread)
    nn.init.normal_(decoder.embedding.weight, 0, 2)
    nn.init.normal_(decoder.decode_step.weight_hh, 0, 0.4)
    decoder.fc.weight.data *= peaked
    decoder.attention.full_att.weight.data *= 4 * peaked
    return encoder, decoder.eval()


@contextmanager
def models_module() -> Iterator[ModuleType]:
    """The tutorial's `models` while something is pickled, gone afterwards."""
    module = ModuleType("models")
    module.__file__ = __file__  # legacy files keep the source text of every class
    classes: tuple[type[nn.Module], ...] = (Encoder, Attention, DecoderWithAttention)
    homes = [kind.__module__ for kind in classes]
    for kind in classes:
        setattr(module, kind.__name__, kind)
        kind.__module__ = "models"
    sys.modules["models"] = module
    try:
        yield module
    finally:
        del sys.modules["models"]
        for kind, home in zip(classes, homes, strict=True):
            kind.__module__ = home


def save_tutorial(
    path: Path, encoder: nn.Module, decoder: nn.Module, legacy: bool = False, tuned: bool = False, **more: object
) -> Path:
    """Save a checkpoint as the tutorial's train.py does, with optimizers that have taken a step."""
    optimizers = []
    for module in (encoder, decoder):
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-4)
        sum(parameter.sum() for parameter in module.parameters()).backward()  # type: ignore[union-attr]
        optimizers.append(optimizer)
    state = {
        "epoch": 7,
        "epochs_since_improvement": 2,
        "bleu-4": 0.24,
        "encoder": encoder,
        "decoder": decoder,
        "encoder_optimizer": optimizers[0] if tuned else None,
        "decoder_optimizer": optimizers[1],
        **more,
    }
    with models_module():
        torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    return path
