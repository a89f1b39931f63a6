"""One safetensors file is one model: weights, dimensions, vocabulary, photo settings and where it came from.

Everything but the weights is JSON in the file's metadata, and a digest of weights and description stands beside it, so
that an altered or truncated file is noticed before it captions anything. Nothing in it is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.encoder import Encoder, EncoderOptions
from captioner.errors import CaptionerError, CheckpointError
from captioner.familiarity import Familiarity
from captioner.names import utf8_path
from captioner.photo import PhotoSettings
from captioner.vocabulary import Vocabulary

FORMAT = "saywhere-captioner-1"
_YOUNGER = {"resampling"}  # settings that the first files lack; they have their defaults


@dataclass(frozen=True)
class ModelCard:
    """What people should know of a model, carried inside its checkpoint.

    Attributes:
        name: how the model is called on the page and in the API.
        trained_on: one line that says which photos it learnt from.
        provenance: how it was trained: command, data, seed, versions, as plain JSON values.
        scores: measured results by name, as plain JSON values.
    """

    name: str
    trained_on: str
    provenance: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str) or not isinstance(self.trained_on, str):
            raise CheckpointError(f"expected a name and a line on what it was trained on, got {self.name!r}")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model taken apart: everything a Captioner is made of.

    Raises:
        CheckpointError: the parts do not fit together.
    """

    encoder: Encoder
    decoder: AttentionDecoder
    vocabulary: Vocabulary
    photo_settings: PhotoSettings
    card: ModelCard
    familiarity: Familiarity | None = None

    def __post_init__(self) -> None:
        options = self.decoder.options
        if len(self.vocabulary) != options.vocabulary_size:
            raise CheckpointError(
                f"expected a vocabulary of {options.vocabulary_size} tokens, got {len(self.vocabulary)}: "
                "use the one the model was trained with"
            )
        if self.encoder.channels != options.annotation_dim:
            raise CheckpointError(
                f"expected an encoder of {options.annotation_dim} channels for this decoder, "
                f"got {self.encoder.channels}: use the one it was trained with"
            )
        if self.familiarity is not None and len(self.familiarity.mean) != self.encoder.channels:
            raise CheckpointError(
                f"expected familiarity of {self.encoder.channels} channels, got {len(self.familiarity.mean)}"
            )


_Record = TypeVar("_Record", EncoderOptions, DecoderOptions, PhotoSettings, ModelCard)


def save_checkpoint(checkpoint: Checkpoint, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write a checkpoint; the file appears whole or not at all.

    Args:
        path: ends in ".safetensors".
        dtype: of the stored weights; float16 halves the file, loading always gives float32.

    Raises:
        CheckpointError: the folder does not exist or cannot be written, a weight is not finite (or not in `dtype`), or
            the card is not plain JSON.
    """
    tensors = _weights(checkpoint, dtype)
    description = _describe(checkpoint)
    metadata = {"format": FORMAT, "description": description, "digest": _digest(tensors, description)}
    try:
        with utf8_path(path.parent) as folder:
            handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
            os.close(handle)
            try:
                save_file(tensors, temporary, metadata)
                Path(temporary).chmod(0o644)
                Path(temporary).replace(path)
            finally:
                Path(temporary).unlink(missing_ok=True)
    except (OSError, SafetensorError) as problem:
        raise CheckpointError(f"{path} could not be written: choose a folder that exists and has room") from problem


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and verify a checkpoint; weights come back as float32 on the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, altered or not one of SayWhere's.
    """
    metadata, tensors = _read(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path.name} is no SayWhere checkpoint: expected format {FORMAT}, got {metadata.get('format', 'none')}"
        )
    if metadata.get("digest") != _digest(tensors, metadata.get("description", "")):
        raise CheckpointError(f"{path.name} was altered after it was saved: get the file again")
    try:
        description = json.loads(metadata["description"])
        _check_size(_record(DecoderOptions, description["decoder"]), tensors)
        checkpoint = _build(description)
    # A RuntimeError is what building layers of an absurd size ends in.
    except (CaptionerError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RuntimeError) as problem:
        raise CheckpointError(f"{path.name} describes no model that can be built: {problem}") from problem
    for prefix, module in (("encoder", checkpoint.encoder), ("decoder", checkpoint.decoder)):
        _fill(module, prefix, tensors, path)
    limit = description.get("familiarity_limit")
    return checkpoint if limit is None else replace(checkpoint, familiarity=_familiarity(tensors, limit, path))


def _weights(checkpoint: Checkpoint, dtype: torch.dtype) -> dict[str, Tensor]:
    """What is stored: every tensor of both networks, by name, floating ones as `dtype`."""
    tensors: dict[str, Tensor] = {}
    seen: set[int] = set()
    for prefix, module in (("encoder", checkpoint.encoder), ("decoder", checkpoint.decoder)):
        for name, tensor in module.state_dict().items():
            stored = tensor.to(dtype) if tensor.is_floating_point() else tensor
            if not stored.isfinite().all():
                raise CheckpointError(
                    f"the weights {prefix}.{name} are not finite numbers in {dtype}: "
                    "save a model that trained well, or save as float32"
                )
            tensors[f"{prefix}.{name}"] = _lone(stored.detach().cpu().contiguous(), seen)
    if checkpoint.familiarity is not None:
        for name in ("mean", "basis"):
            part: Tensor = getattr(checkpoint.familiarity, name)
            tensors[f"familiarity.{name}"] = _lone(part.detach().to(dtype).cpu().contiguous(), seen)
    return tensors


def _lone(tensor: Tensor, seen: set[int]) -> Tensor:
    """The tensor, or a copy where others share its memory, which safetensors refuses; `seen` are storages so far."""
    storage = tensor.untyped_storage()
    if storage.data_ptr() in seen or storage.nbytes() != tensor.nbytes:
        return tensor.clone()
    seen.add(storage.data_ptr())
    return tensor


def _describe(checkpoint: Checkpoint) -> str:
    description: dict[str, Any] = {
        "encoder": asdict(checkpoint.encoder.options),
        "decoder": asdict(checkpoint.decoder.options),
        "vocabulary": checkpoint.vocabulary.tokens,
        "photo": asdict(checkpoint.photo_settings),
        "card": asdict(checkpoint.card),
    }
    if checkpoint.familiarity is not None:
        description["familiarity_limit"] = checkpoint.familiarity.limit
    try:
        return json.dumps(description, sort_keys=True)
    except (TypeError, ValueError) as problem:
        raise CheckpointError(f"expected plain JSON values in the model card, got one that is not: {problem}") from None


def _build(description: Mapping[str, Any]) -> Checkpoint:
    """The model a description tells of, its weights still random."""
    vocabulary = Vocabulary(tuple(description["vocabulary"]))
    settings, card = _record(PhotoSettings, description["photo"]), _record(ModelCard, description["card"])
    decoder = AttentionDecoder(_record(DecoderOptions, description["decoder"])).eval()
    encoder = Encoder(_record(EncoderOptions, description["encoder"]))
    return Checkpoint(encoder, decoder, vocabulary, settings, card)


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        if not path.is_file():
            raise CheckpointError(f"{path} is no file: give the path of a .safetensors checkpoint")
        with utf8_path(path) as readable, safe_open(readable, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except CheckpointError:
        raise
    except (OSError, SafetensorError, ValueError) as problem:
        raise CheckpointError(
            f"{path.name} is no readable safetensors file (truncated, or of another kind): get the file again"
        ) from problem
    return metadata, tensors


def _record(kind: type[_Record], values: Mapping[str, Any]) -> _Record:
    known = {item.name for item in fields(kind)}
    if not known - _YOUNGER <= set(values) <= known:
        raise CheckpointError(f"expected the settings {sorted(known)}, got {sorted(values)}")
    arguments: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return kind(**arguments)


def _check_size(options: DecoderOptions, tensors: Mapping[str, Tensor]) -> None:
    """Refuse a decoder of more weights than the file holds, before there is memory for them."""
    stored = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("decoder."))
    if options.count_weights() > stored:
        raise CheckpointError(f"its decoder has {options.count_weights()} weights, the file holds {stored}")


def _fill(module: torch.nn.Module, prefix: str, tensors: Mapping[str, Tensor], path: Path) -> None:
    own = {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}
    try:
        module.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in own.items()})
    except RuntimeError as problem:
        raise CheckpointError(f"{path.name}: the weights do not fit the {prefix} it describes") from problem


def _familiarity(tensors: Mapping[str, Tensor], limit: object, path: Path) -> Familiarity:
    try:
        # Copies: what safetensors gives may lie in the file, which may change or be cut short while it is used.
        mean, basis = (tensors[f"familiarity.{name}"].to(torch.float32, copy=True) for name in ("mean", "basis"))
        return Familiarity(mean, basis, float(str(limit)))
    except (KeyError, ValueError) as problem:
        raise CheckpointError(
            f"{path.name} lacks what tells familiar photos from others: get the file again"
        ) from problem


def _digest(tensors: Mapping[str, Tensor], description: str) -> str:
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def default_checkpoint() -> Path:
    """The model that comes with SayWhere, in `assets/` beside the package."""
    return Path(__file__).resolve().parent.parent / "assets" / "saywhere.safetensors"
