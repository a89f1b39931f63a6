"""A tutorial checkpoint and its word map into one of ours: the same weights under our names, nothing recomputed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captioner.checkpoint import Checkpoint, ModelCard
from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.encoder import RESNET_BLOCKS, Encoder, EncoderOptions
from captioner.errors import CaptionerError, CheckpointError
from captioner.json_file import read_json
from captioner.names import plain
from captioner.photo import PhotoSettings
from captioner.tutorial.archive import Archive, open_archive
from captioner.tutorial.stand_ins import StandIn, StoredTensor
from captioner.vocabulary import Vocabulary

# What the tutorial's create_input_files.py and caption.py do to a photo.
TUTORIAL_PHOTO = PhotoSettings(
    size=256, detail=None, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225), resampling="bilinear"
)

DECODER_NAMES = {  # the tutorial's: ours
    "attention.encoder_att": "attention.annotation_projection",
    "attention.decoder_att": "attention.hidden_projection",
    "attention.full_att": "attention.score",
    "embedding": "embedding",
    "decode_step": "lstm",
    "init_h": "start_hidden",
    "init_c": "start_cell",
    "f_beta": "gate",
    "fc": "output",
}
# Places in the tutorial's nn.Sequential(*list(resnet.children())[:-2]): ours.
_ENCODER_NAMES = {
    "0": "stages.0.0",
    "1": "stages.0.1",
    "3": "stages.0.3",
    "4": "stages.1",
    "5": "stages.2",
    "6": "stages.3",
    "7": "stages.4",
}
_LAYERS = ("4", "5", "6", "7")
_PLAIN = {  # what a layer does besides its weights, by kind
    "Conv2d": ("stride", "padding", "dilation", "groups"),
    "BatchNorm2d": ("eps",),
    "MaxPool2d": ("kernel_size", "stride", "padding"),
}
DEFAULT_STRETCH = 14

Stored = Mapping[str, StoredTensor]


@dataclass(frozen=True)
class _Half:
    """One of the two pickled modules.

    Attributes:
        name: "encoder" or "decoder".
        tensors: by the tutorial's names.
        module: the stand-in, or None where the file holds a plain dict of tensors.
    """

    name: str
    tensors: Stored
    module: StandIn | None


def convert_tutorial(checkpoint: Path, word_map: Path, name: str, trained_on: str) -> Checkpoint:
    """Read the file that the tutorial's train.py saved and the word map beside it.

    Args:
        checkpoint: `.pth.tar`, written by PyTorch 0.4 or later; nothing in it is executed.
        word_map: `WORDMAP_*.json`, word to id.
        name: of the model.
        trained_on: one line for its card.

    Raises:
        CheckpointError: the file is damaged, holds what is not on the allow-list, is no tutorial checkpoint, or the
            word map belongs to another one.
    """
    vocabulary = read_word_map(word_map)
    with open_archive(checkpoint) as archive:
        encoder_half, decoder_half = _half(archive.content, "encoder"), _half(archive.content, "decoder")
        encoder = _encoder(encoder_half, archive)
        decoder = _decoder(decoder_half, archive, len(vocabulary))
        provenance = _provenance(archive.content, checkpoint)
    return Checkpoint(encoder, decoder, vocabulary, TUTORIAL_PHOTO, ModelCard(name, trained_on, provenance))


def read_word_map(path: Path) -> Vocabulary:
    """The vocabulary of a `WORDMAP_*.json`.

    Raises:
        CheckpointError: it cannot be read, or its ids are not 0, 1, 2, ... each once.
    """
    try:
        words = read_json(path)
    except (OSError, ValueError) as problem:
        raise CheckpointError(
            f"{path.name} is no readable word map ({problem}): give the WORDMAP_*.json of the training"
        ) from problem
    ids = list(words.values()) if isinstance(words, dict) else []
    if not ids or any(type(index) is not int for index in ids) or sorted(ids) != list(range(len(ids))):
        raise CheckpointError(
            f"{path.name}: expected words with the ids 0, 1, 2, ... each once: give the WORDMAP_*.json"
        )
    try:
        return Vocabulary(tuple(sorted(words, key=words.__getitem__)))
    except CaptionerError as problem:
        raise CheckpointError(f"{path.name}: {problem}") from problem


def _half(content: object, name: str) -> _Half:
    found = content.get(name) if isinstance(content, Mapping) else None
    if isinstance(found, StandIn):
        while found.kind == "DataParallel" and "module" in found.children():
            found = found.children()["module"]
        return _Half(name, found.tensors(), found)
    if isinstance(found, Mapping) and found and all(isinstance(tensor, StoredTensor) for tensor in found.values()):
        prefix = "module." if all(str(key).startswith("module.") for key in found) else ""
        return _Half(name, {str(key).removeprefix(prefix): tensor for key, tensor in found.items()}, None)
    keys = ", ".join(str(key)[:30] for key in list(content)[:8]) if isinstance(content, Mapping) else "no dict"
    raise CheckpointError(f"expected the tutorial's keys encoder and decoder, each a module, got {keys}")


def _encoder(half: _Half, archive: Archive) -> Encoder:
    tensors = {key.removeprefix("resnet."): tensor for key, tensor in half.tensors.items()}
    options = _encoder_options(half, tensors)
    with torch.device("meta"):  # no memory until the file's own numbers take their places
        encoder = Encoder(options)
    names = {}
    for theirs in tensors:
        place, _, rest = theirs.partition(".")
        if place in _ENCODER_NAMES:
            names[f"{_ENCODER_NAMES[place]}.{rest}"] = theirs
    _check_layers(half, encoder)
    _fill(encoder, "encoder", {ours: tensors[theirs] for ours, theirs in names.items()}, archive)
    return encoder


def _encoder_options(half: _Half, tensors: Stored) -> EncoderOptions:
    """Which residual network it is, read from how many blocks each layer has and how wide they are."""
    blocks = tuple(len({key.split(".")[1] for key in tensors if key.startswith(f"{layer}.")}) for layer in _LAYERS)
    known = {tuple(counts): name for name, counts in RESNET_BLOCKS.items()}
    first = tensors.get("4.0.conv1.weight")
    if blocks not in known or first is None or "4.0.conv3.weight" not in tensors:
        raise CheckpointError(
            f"expected the encoder of one of {', '.join(RESNET_BLOCKS)}, got residual layers of {blocks} blocks"
        )
    return EncoderOptions(name=known[blocks], output_stride=32, stretch=_stretch(half), width=first.size[0])


def _stretch(half: _Half) -> int:
    """The side of the grid that the tutorial's adaptive average pooling makes."""
    pooling = half.module.children().get("adaptive_pool") if half.module else None
    size = pooling.attributes.get("output_size") if pooling else DEFAULT_STRETCH
    sides = set(size) if isinstance(size, tuple | list) else {size}
    side = sides.pop() if len(sides) == 1 else None
    if type(side) is not int:
        raise CheckpointError("expected an adaptive pooling to a square grid, got another: convert the original file")
    return side


def _check_layers(half: _Half, encoder: Encoder) -> None:
    """Strides, paddings and the like are no weights: they must be those of the network we build."""
    theirs = {} if half.module is None else dict(half.module.modules())
    ours = dict(encoder.named_modules())
    for name, layer in theirs.items():
        place, _, rest = name.removeprefix("resnet.").partition(".")
        own = ours.get(f"{_ENCODER_NAMES[place]}.{rest}".rstrip(".")) if place in _ENCODER_NAMES else None
        for key in _PLAIN.get(layer.kind, ()):
            expected, given = getattr(own, key, None), layer.attributes.get(key)
            if own is not None and _plain(expected) != _plain(given):
                raise CheckpointError(f"expected the encoder's {name} to have {key} {expected}, got another")


def _plain(value: object) -> object:
    """2 and (2, 2) mean the same."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _decoder(half: _Half, archive: Archive, words: int) -> AttentionDecoder:
    tensors = {}
    for theirs, tensor in half.tensors.items():
        layer, _, kind = theirs.rpartition(".")
        if layer == "decode_step":
            tensors[f"lstm.{kind}"] = tensor
        elif layer in DECODER_NAMES:
            tensors[f"{DECODER_NAMES[layer]}.{kind}"] = tensor
        else:
            raise CheckpointError(
                f"the decoder has {theirs[:60]!r}, which the tutorial's has not: it is of another model"
            )
    options = _decoder_options(tensors, half)
    if options.vocabulary_size != words:
        raise CheckpointError(
            f"expected a word map of {options.vocabulary_size} words, got one of {words}: give the one this model was "
            "trained with"
        )
    with torch.device("meta"):
        decoder = AttentionDecoder(options)
    _fill(decoder, "decoder", tensors, archive)
    return decoder.eval()


def _decoder_options(tensors: Stored, half: _Half) -> DecoderOptions:
    """The sizes, from the shapes."""
    try:
        attention_dim, annotation_dim = tensors["attention.annotation_projection.weight"].size
        vocabulary_size, embedding_dim = tensors["embedding.weight"].size
        hidden_dim = tensors["lstm.weight_hh"].size[1]
    except (KeyError, ValueError, IndexError) as problem:
        raise CheckpointError("the decoder lacks the tutorial's layers: it is of another model") from problem
    dropout = half.module.children().get("dropout") if half.module else None
    rate = dropout.attributes.get("p") if dropout else None
    return DecoderOptions(
        vocabulary_size=vocabulary_size,
        annotation_dim=annotation_dim,
        embedding_dim=embedding_dim,
        hidden_dim=hidden_dim,
        attention_dim=attention_dim,
        dropout=rate if isinstance(rate, float) and 0 <= rate < 1 else DecoderOptions.dropout,
    )


def _fill(module: nn.Module, half: str, stored: Stored, archive: Archive) -> None:
    """Give a module without memory the file's tensors as its own, one after the other.

    Raises:
        CheckpointError: one is missing, left over, or of another shape.
    """
    own = module.state_dict()
    counters = {name for name in own if name.endswith("num_batches_tracked")}  # unknown to PyTorch 0.4
    missing, foreign = own.keys() - stored.keys() - counters, stored.keys() - own.keys()
    if missing or foreign:
        wrong = f"without {min(missing)}" if missing else f"with {min(foreign)[:60]}"
        raise CheckpointError(f"expected the tutorial's {half}, got one {wrong}")
    state: dict[str, Tensor] = {}
    for name, target in own.items():
        if name in stored and stored[name].size != tuple(target.shape):
            raise CheckpointError(
                f"expected {half}.{name} of shape {tuple(target.shape)}, got {stored[name].size}: not the tutorial's"
            )
        state[name] = archive.tensor(stored[name]) if name in stored else torch.zeros(target.shape, dtype=target.dtype)
        if not state[name].isfinite().all():
            raise CheckpointError(f"{half}.{name} holds numbers that are none: get the file again")
    module.load_state_dict(state, assign=True)


def _provenance(content: Any, path: Path) -> dict[str, Any]:
    """What the file says of its training, plain numbers only."""
    said = {
        key.replace("-", ""): content[key]
        for key in ("epoch", "epochs_since_improvement", "bleu-4")
        if type(content.get(key)) in (int, float)
    }
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {"converted_from": plain(path.name), "sha256": digest.hexdigest(), **said}
