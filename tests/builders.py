"""Makers of valid, small, seeded records for the tests."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, ModelCard
from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.description import Description
from captioner.encoder import Encoder, EncoderOptions, FeatureGrid
from captioner.photo import PhotoSettings
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary

WORDS = ("a", "dog", "man", "red", "ball", "in", "the", "grass", "runs", "water", "'s", "two")


def tiny_vocabulary() -> Vocabulary:
    """The four special tokens and a dozen words."""
    return Vocabulary(SPECIAL_TOKENS + WORDS)


def tiny_decoder(annotation_dim: int = 6, seed: int = 0, ours: bool = True) -> AttentionDecoder:
    """A decoder of a few hundred weights, peaked enough to prefer some words clearly."""
    torch.manual_seed(seed)
    options = DecoderOptions(
        vocabulary_size=len(tiny_vocabulary()),
        annotation_dim=annotation_dim,
        embedding_dim=8,
        hidden_dim=10,
        attention_dim=7,
        dropout=0.5,
        normalise_annotations=ours,
        deep_output=ours,
        tied_embeddings=ours,
    )
    decoder = AttentionDecoder(options)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if "bias" not in name:
                # Layers that read a real encoder's many channels get smaller weights, lest everything be 0 or 1.
                parameter.normal_(0, 0.8 * min(1.0, (16 / parameter.shape[-1]) ** 0.5))
        decoder.output.bias[tiny_vocabulary().end] = 1.5  # so that captions end before the step limit, some of them
        if ours:
            decoder.output_hidden.weight.mul_(5)  # else tied word vectors repeat the last word for ever
    return decoder.eval()


def tiny_grid(photos: int = 1, height: int = 3, width: int = 5, channels: int = 6, seed: int = 0) -> FeatureGrid:
    """A random feature grid, not square unless asked."""
    generator = torch.Generator().manual_seed(seed)
    annotations = torch.randn(photos, height * width, channels, generator=generator)
    return FeatureGrid(annotations, height, width, (height, width))


def tiny_checkpoint(seed: int = 0) -> Checkpoint:
    """A complete random model: EfficientNet-Lite0 on 64 pixels at stride 16, so a 4 x 4 grid."""
    torch.manual_seed(seed)
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0", output_stride=16))
    return Checkpoint(
        encoder=encoder,
        decoder=tiny_decoder(encoder.channels, seed),
        vocabulary=tiny_vocabulary(),
        photo_settings=PhotoSettings(size=64, detail=None),
        card=ModelCard("tiny", "nothing at all: its weights are random"),
    )


def tiny_captioner(seed: int = 0) -> Captioner:
    """A captioner with random weights that answers at once."""
    return Captioner(tiny_checkpoint(seed), "cpu")


def wide_captioner(height: int = 3, width: int = 5, seed: int = 0) -> tuple[Captioner, FeatureGrid]:
    """A captioner for the grid beside it, which is not square; its blank photo has such a grid too."""
    captioner = tiny_captioner(seed)
    channels = captioner.encoder.channels
    captioner.blank = tiny_grid(1, height, width, channels, seed + 100)
    return captioner, tiny_grid(1, height, width, channels, seed + 1)


def caption(words: tuple[str, ...] = ("a", "dog"), height: int = 2, width: int = 3, seed: int = 0) -> Caption:
    """A finished caption with random maps."""
    random = np.random.default_rng(seed)
    attention = random.random((len(words), height, width)).astype(np.float32) + 0.1
    attention /= attention.sum(axis=(1, 2), keepdims=True)
    log_probs = np.log(random.uniform(0.2, 0.9, len(words))).astype(np.float32)
    return Caption(
        words=words,
        log_probs=log_probs,
        end_log_prob=-0.1,
        attention=attention,
        gate=random.uniform(0.2, 0.8, len(words)).astype(np.float32),
        alternatives=tuple(((word, float(p)), ("cat", -3.0)) for word, p in zip(words, log_probs, strict=True)),
        score=float(log_probs.sum() - 0.1) / (len(words) + 1) ** 0.7,
        finished=True,
    )


def description(widths: tuple[int, ...] = (1, 2), height: int = 2, width: int = 3) -> Description:
    """A description of two captions, without trees."""
    captions = (caption(height=height, width=width), caption(("the", "red", "ball"), height, width, seed=1))
    ranking = {beam: tuple(range(min(beam, 2))) for beam in widths}
    return Description(captions, ranking, dict.fromkeys(widths, ()), (height, width), (height, width), "tiny")


def photo(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """A photo of soft random colour patches, landscape unless asked."""
    random = np.random.default_rng(seed)
    patches = random.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BILINEAR)


def photo_bytes(image: Image.Image | None = None, format: str = "PNG") -> bytes:  # noqa: A002 (Pillow's word)
    """A photo as the bytes of a file."""
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format)
    return buffer.getvalue()
