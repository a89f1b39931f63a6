"""Small tutorial checkpoints, as files: the textbook's modules (captioner/bench/textbook.py) with random weights."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from captioner.bench import textbook
from captioner.bench.textbook import Attention, DecoderWithAttention, Encoder

WORDS = ("a", "dog", "runs", "on", "the", "grass", "red", "ball", "two", "men", "kök", "t-shirt")


def word_map() -> dict[str, int]:
    """Words and special tokens as create_input_files.py numbers them."""
    numbered = {word: number for number, word in enumerate(WORDS, start=1)}
    count = len(numbered)
    return {**numbered, "<unk>": count + 1, "<start>": count + 2, "<end>": count + 3, "<pad>": 0}


def tutorial_modules(peaked: float = 1.0, seed: int = 0) -> tuple[Encoder, DecoderWithAttention]:
    """Random weights of a sensible size; `peaked` above 1 makes every word surer of itself."""
    torch.manual_seed(seed)
    encoder = Encoder(width=8).eval()
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
    module.__file__ = textbook.__file__  # legacy files keep the source text of every class
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
