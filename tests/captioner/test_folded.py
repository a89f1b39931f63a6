"""The encoder for inference sees what the encoder of training sees, on every path that can compute it."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from captioner import folded
from captioner.encoder import ENCODER_NAMES, Encoder, EncoderOptions
from captioner.errors import EncoderError
from captioner.folded import FoldedBottleneck, FoldedConv, FoldedInverted, exact_products, fold

PIXELS = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(5))  # not square


def lively(name: str, **options: Any) -> Encoder:
    """An encoder whose normalisations do something, each in its own way; a ResNet is 1 channel wide inside."""
    torch.manual_seed(3)
    encoder = Encoder(EncoderOptions(name, **options, width=1))
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.2)
                module.bias.uniform_(-0.2, 0.2)
    return encoder


def see(encoder: Encoder, pixels: Tensor = PIXELS) -> Tensor:
    with torch.inference_mode():
        annotations: Tensor = encoder(pixels).annotations
    return annotations.clone()


def assert_alike(given: Tensor, wanted: Tensor, tolerance: float = 1e-5) -> None:
    """Equal up to rounding, measured by the largest number there is."""
    assert float((given - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


@pytest.mark.parametrize("name", ENCODER_NAMES)
def test_a_folded_encoder_sees_the_same(name: str) -> None:
    encoder = lively(name)
    assert_alike(see(fold(encoder)), see(encoder))


@pytest.mark.parametrize("size", [(63, 97), (62, 95), (65, 64), (33, 34)])
def test_on_sides_that_are_not_even(size: tuple[int, int]) -> None:
    encoder, pixels = (
        lively("tf_efficientnet_lite0"),
        torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(5)),
    )
    assert_alike(see(fold(encoder), pixels), see(encoder, pixels))


@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0"])
@pytest.mark.parametrize("options", [{"output_stride": 16}, {"stretch": 5}])
def test_on_every_kind_of_grid(name: str, options: dict[str, Any]) -> None:
    encoder = lively(name, **options)
    small = fold(encoder)
    with torch.inference_mode():
        wanted, given = encoder(PIXELS), small(PIXELS)
    assert (given.height, given.width, given.native) == (wanted.height, wanted.width, wanted.native)
    assert_alike(given.annotations, wanted.annotations)


@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0"])
def test_without_onednn_and_outside_inference_mode_it_is_pytorch_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = lively(name)
    small, wanted = fold(encoder), see(encoder)
    with torch.no_grad():
        assert_alike(small(PIXELS).annotations, wanted)
    monkeypatch.setattr(folded, "ONEDNN", ("_no_such_function",))
    assert_alike(see(small), wanted)


def test_no_normalisation_is_left_and_the_encoder_stays_as_it_is() -> None:
    encoder = lively("resnet50")
    before = copy.deepcopy(encoder.state_dict())
    small = fold(encoder)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in small.modules())
    assert sum(isinstance(module, FoldedBottleneck) for module in small.modules()) == 3 + 4 + 6 + 3
    assert sum(isinstance(module, FoldedConv) for module in small.modules()) == 1 + 3 * 16 + 4
    assert not any(parameter.requires_grad for parameter in small.parameters())
    assert encoder.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_an_inverted_block_is_three_convolutions_the_last_adds_what_came_in() -> None:
    small = fold(lively("tf_efficientnet_lite0"))
    blocks = [stage for stage in small.stages if isinstance(stage, FoldedInverted)]
    assert len(blocks) == 2 + 2 + 3 + 3 + 4 + 1
    assert sum(block.fits for block in blocks) == 1 + 1 + 2 + 2 + 3
    assert not any(isinstance(module, nn.BatchNorm2d) for module in small.modules())


def test_stages_stay_stages() -> None:
    """What is cached after some of them, and what the panel of the network shows, is the same."""
    encoder = lively("tf_efficientnet_lite0")
    small = fold(encoder)
    assert len(small.stages) == len(encoder.stages)
    with torch.inference_mode():
        for stage in (1, 7, len(small.stages)):
            assert_alike(small.until(PIXELS, stage), encoder.until(PIXELS, stage))
        assert_alike(small.resume(encoder.until(PIXELS, 7), 7).annotations, see(encoder))


@pytest.mark.parametrize("name", ["resnet50", "tf_efficientnet_lite0"])
def test_half_precision_is_near_and_gives_float32(name: str) -> None:
    encoder = lively(name)
    given, wanted = see(fold(encoder, "bfloat16")), see(encoder)
    assert given.dtype == torch.float32
    assert not torch.equal(given, wanted)
    assert float((given - wanted).norm() / wanted.norm()) < 0.05


def test_what_a_photo_s_neighbours_are_does_not_matter() -> None:
    small = fold(lively("tf_efficientnet_lite0"))
    assert_alike(see(small)[1:], see(small, PIXELS[1:]))


def test_copies_and_pickles_see_the_same() -> None:
    small = fold(lively("resnet50"))
    wanted = see(small)
    assert torch.equal(see(copy.deepcopy(small)), wanted)
    assert torch.equal(see(pickle.loads(pickle.dumps(small))), wanted)


def test_onednn_is_really_asked() -> None:
    conv = FoldedConv(nn.Conv2d(3, 4, 3).requires_grad_(False), "relu6")
    conv(PIXELS)
    assert conv._layout.product is None
    with torch.inference_mode():
        conv(PIXELS)
    assert (conv._layout.product is not None) == torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("activation", list(folded.ACTIVATIONS))
@pytest.mark.parametrize("fast", [True, False])
def test_activations_and_shortcuts_by_hand(activation: str, fast: bool) -> None:
    """A 1 x 1 convolution that doubles and adds 1, on -3, 0 and 5; then with a shortcut of 2."""
    plain = nn.Conv2d(1, 1, 1).requires_grad_(False)
    plain.weight.fill_(2.0)
    assert plain.bias is not None
    plain.bias.fill_(1.0)
    conv, features = FoldedConv(plain, activation), torch.tensor([-3.0, 0.0, 5.0]).view(1, 1, 1, 3)
    lowest, highest = {"none": (-100.0, 100.0), "relu": (0.0, 100.0), "relu6": (0.0, 6.0)}[activation]
    with torch.inference_mode(fast):
        assert conv(features).flatten().tolist() == [min(max(x, lowest), highest) for x in (-5.0, 1.0, 11.0)]
        added = conv(features, torch.full_like(features, 2.0))
        assert added.flatten().tolist() == [min(max(x, lowest), highest) for x in (-3.0, 3.0, 13.0)]


def test_what_cannot_be_folded() -> None:
    with pytest.raises(EncoderError, match="expected a precision out of float32, bfloat16, float16, got 'int4'"):
        fold(lively("resnet50"), "int4")


def test_products_on_a_gpu_are_exact_and_the_setting_comes_back() -> None:
    before = torch.backends.cudnn.allow_tf32
    with exact_products(torch.device("cpu")):
        assert torch.backends.cudnn.allow_tf32 == before  # nothing to be done there
    with exact_products(torch.device("cuda")):
        assert torch.backends.cudnn.allow_tf32 is False
        assert torch.backends.cudnn.enabled is True
    assert torch.backends.cudnn.allow_tf32 == before
