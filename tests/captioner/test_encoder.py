"""Pixels to feature grids: the right network, cut at the right places, cells in the right order."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torchvision.models import resnet101

from captioner.efficientnet import SCALES
from captioner.encoder import ENCODER_NAMES, Encoder, EncoderOptions, FeatureGrid
from captioner.errors import EncoderError


def build(name: str = "tf_efficientnet_lite0", *, output_stride: int = 16, stretch: int | None = None) -> Encoder:
    """A seeded encoder with lively batch normalisation; the ResNet is 1 channel wide inside."""
    torch.manual_seed(3)
    encoder = Encoder(EncoderOptions(name, output_stride, stretch, width=1))
    with torch.no_grad():
        for module in encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                module.running_mean.uniform_(-0.1, 0.1)
    return encoder


@pytest.fixture(scope="module")
def lite0() -> Encoder:
    return build()


@pytest.fixture(scope="module")
def narrow_resnet() -> Encoder:
    return build("resnet101")


def pixels(photos: int = 1, height: int = 64, width: int = 64) -> Tensor:
    return torch.randn(photos, 3, height, width, generator=torch.Generator().manual_seed(5))


def assert_same_annotations(actual: Tensor, expected: Tensor) -> None:
    """Equal up to rounding, which grows with the largest values: random deep networks give large ones."""
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


def pool_blocks(encoder: Encoder) -> Encoder:
    """The encoder with a hand-made network: a cell is the mean of its 16 x 16 pixels."""
    encoder.stages = nn.ModuleList([nn.AvgPool2d(16)])
    return encoder


def numbered_blocks(rows: int, columns: int) -> Tensor:
    """Pixels (1, 3, rows * 16, columns * 16) whose block (row, column) has the value 10 * row + column."""
    values = 10.0 * torch.arange(rows).unsqueeze(1) + torch.arange(columns)  # (rows, columns)
    return values.repeat_interleave(16, 0).repeat_interleave(16, 1).expand(1, 3, -1, -1)


def test_the_names_a_checkpoint_may_hold() -> None:
    assert ENCODER_NAMES == (
        "resnet50",
        "resnet101",
        "resnet152",
        "tf_efficientnet_lite0",
        "tf_efficientnet_lite1",
        "tf_efficientnet_lite2",
    )


@torch.inference_mode()
def test_lite_sees_four_by_four_native_cells_on_64_pixels(lite0: Encoder) -> None:
    grid = lite0(pixels(2))
    assert grid.annotations.shape == (2, 16, 1280)
    assert (grid.height, grid.width, grid.native, grid.stretched) == (4, 4, (4, 4), False)
    assert lite0.channels == 1280
    assert len(lite0.stages) == 18  # stem, 16 blocks, head


@torch.inference_mode()
def test_resnet_sees_four_by_four_native_cells_on_64_pixels(narrow_resnet: Encoder) -> None:
    grid = narrow_resnet(pixels(2))
    assert grid.annotations.shape == (2, 16, 2048)
    assert (grid.height, grid.width, grid.native, grid.stretched) == (4, 4, (4, 4), False)
    assert narrow_resnet.channels == 2048
    assert len(narrow_resnet.stages) == 5


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet101"])
@torch.inference_mode()
def test_a_stretched_grid_says_so(name: str) -> None:
    grid = build(name, output_stride=32, stretch=7)(pixels())
    assert grid.annotations.shape[1] == 49
    assert (grid.height, grid.width, grid.native, grid.stretched) == (7, 7, (2, 2), True)


@torch.inference_mode()
def test_a_stretch_to_what_was_seen_is_none() -> None:
    grid = pool_blocks(build(stretch=3))(numbered_blocks(3, 3))
    assert (grid.native, grid.stretched) == ((3, 3), False)


@torch.inference_mode()
def test_stretching_repeats_cells() -> None:
    grid = pool_blocks(build(stretch=4))(numbered_blocks(2, 2))
    assert grid.annotations[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 10, 10, 11, 11, 10, 10, 11, 11]
    assert (grid.height, grid.width, grid.native) == (4, 4, (2, 2))


@torch.inference_mode()
def test_cells_run_along_rows_first() -> None:
    grid = pool_blocks(build())(numbered_blocks(3, 5))
    assert (grid.height, grid.width) == (3, 5)
    assert grid.annotations[0, :, 0].tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]


@pytest.mark.parametrize("name", ["lite0", "narrow_resnet"])
@torch.inference_mode()
def test_pixels_need_not_be_square(name: str, request: pytest.FixtureRequest) -> None:
    grid = request.getfixturevalue(name)(pixels(1, height=64, width=96))
    assert (grid.height, grid.width, grid.native) == (4, 6, (4, 6))


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("name", sorted(SCALES))
@torch.inference_mode()
def test_lite_is_timms_network_before_its_pooling(name: str, output_stride: int) -> None:
    ours = Encoder(EncoderOptions(name, output_stride))
    network: Any = timm.create_model(name, pretrained=False, output_stride=output_stride).eval()
    named = dict(zip(network.state_dict(), ours.state_dict().values(), strict=False))  # all but the classifier
    assert set(network.load_state_dict(named, strict=False).missing_keys) == {"classifier.weight", "classifier.bias"}
    seen = pixels(2, height=90, width=61)  # odd sides: "SAME" padding is uneven there
    expected = network.forward_features(seen)  # (2, 1280, h, w)
    grid = ours(seen)
    assert grid.native == tuple(expected.shape[2:])
    assert_same_annotations(grid.annotations, expected.flatten(2).transpose(1, 2))


@torch.inference_mode()
def test_resnet_is_torchvisions_without_its_last_two_layers(narrow_resnet: Encoder) -> None:
    network = resnet101(width_per_group=1, replace_stride_with_dilation=[False, False, True]).eval()
    named = dict(zip(network.state_dict(), narrow_resnet.state_dict().values(), strict=False))
    assert set(network.load_state_dict(named, strict=False).missing_keys) == {"fc.weight", "fc.bias"}
    expected = nn.Sequential(*list(network.children())[:-2])(pixels(2))  # (2, 2048, 4, 4)
    assert_same_annotations(narrow_resnet(pixels(2)).annotations, expected.flatten(2).transpose(1, 2))


def test_resnet_is_as_wide_as_published_unless_told_otherwise() -> None:
    with torch.device("meta"):
        published, ours = resnet101(), Encoder(EncoderOptions("resnet101"))
    shapes = [tensor.shape for name, tensor in published.state_dict().items() if not name.startswith("fc.")]
    assert [tensor.shape for tensor in ours.state_dict().values()] == shapes


def test_the_output_stride_changes_no_weight() -> None:
    for name in ENCODER_NAMES:
        with torch.device("meta"):
            fine, coarse = (Encoder(EncoderOptions(name, output_stride)) for output_stride in (16, 32))
        assert {n: t.shape for n, t in fine.state_dict().items()} == {
            n: t.shape for n, t in coarse.state_dict().items()
        }


@pytest.mark.parametrize("name", ["lite0", "narrow_resnet"])
@torch.inference_mode()
def test_stopping_after_any_stage_and_resuming_changes_nothing(name: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(name)
    expected = encoder(pixels(2))
    for stage in range(len(encoder.stages) + 1):
        features = encoder.until(pixels(2), stage)
        grid = encoder.resume(features, stage)
        assert_same_annotations(grid.annotations, expected.annotations)
        assert (grid.height, grid.width, grid.native) == (4, 4, (4, 4))
    assert features.shape == (2, encoder.channels, 4, 4)


@torch.inference_mode()
def test_a_stretch_survives_stopping_and_resuming() -> None:
    encoder = build(stretch=6)
    grid = encoder.resume(encoder.until(pixels(), 18), 18)
    assert (grid.height, grid.width, grid.native) == (6, 6, (4, 4))


@pytest.mark.parametrize("name", ["lite0", "narrow_resnet"])
@torch.inference_mode()
def test_a_photo_is_seen_the_same_in_any_company(name: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = request.getfixturevalue(name)
    together = encoder.train()(pixels(3)).annotations
    for photo in range(3):
        alone = encoder(pixels(3)[photo : photo + 1]).annotations
        assert_same_annotations(together[photo : photo + 1], alone)
    assert not torch.allclose(together[0], together[1], rtol=0.1)


def test_batch_normalisation_never_measures_anything() -> None:
    encoder = build()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    nn.Sequential(encoder).train()
    encoder(pixels(2) + 3)
    assert not any(module.training for module in encoder.modules())
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_stages_before_the_first_trainable_one_are_frozen() -> None:
    encoder = build()
    trained = encoder.trainable_parameters(16)
    last_two = [*encoder.stages[16].parameters(), *encoder.stages[17].parameters()]
    assert [id(parameter) for parameter in trained] == [id(parameter) for parameter in last_two]
    encoder(pixels()).annotations.sum().backward()
    with_gradient = {id(parameter) for parameter in encoder.parameters() if parameter.grad is not None}
    assert with_gradient == {id(parameter) for parameter in last_two}


def test_freezing_happens_at_once_and_can_be_undone() -> None:
    encoder = build()
    encoder.trainable_parameters(len(encoder.stages))
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert len(encoder.trainable_parameters(0)) == len(list(encoder.parameters()))
    assert all(parameter.requires_grad for parameter in encoder.parameters())


def test_depthwise_convolutions_can_stay_frozen_and_nothing_else() -> None:
    encoder = build()
    trained = {id(parameter) for parameter in encoder.trainable_parameters(16, depthwise=False)}
    frozen = {name: p for name, p in encoder.stages[16:].named_parameters() if id(p) not in trained}
    assert [parameter.shape for parameter in frozen.values()] == [(1152, 1, 3, 3)]  # one filter for each channel
    encoder(pixels()).annotations.sum().backward()
    assert {id(parameter) for parameter in encoder.parameters() if parameter.grad is not None} == trained
    assert len(encoder.trainable_parameters(16)) == len(trained) + 1  # and can learn again


def test_an_encoder_without_depthwise_convolutions_is_not_touched(narrow_resnet: Encoder) -> None:
    with_them = narrow_resnet.trainable_parameters(3)
    assert [id(p) for p in narrow_resnet.trainable_parameters(3, depthwise=False)] == [id(p) for p in with_them]
    assert len(with_them) == len([*narrow_resnet.stages[3].parameters(), *narrow_resnet.stages[4].parameters()])
    narrow_resnet.trainable_parameters(0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"name": "vgg16"},
            "expected an encoder out of resnet50, resnet101, resnet152, tf_efficientnet_lite0.*got 'vgg16'",
        ),
        ({"output_stride": 8}, "output stride of 16 or 32, got 8"),
        ({"stretch": 0}, "1 to 64 cells a side, got 0"),
        ({"stretch": 65}, "1 to 64 cells a side, got 65"),
        ({"width": 0}, "width of 1 to 64 channels, got 0"),
        ({"width": 65}, "width of 1 to 64 channels, got 65"),
    ],
)
def test_options_out_of_range(options: dict[str, int], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        EncoderOptions(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 1, 64, 64), (1, 64, 64, 3), (1, 1, 3, 64, 64)])
def test_pixels_of_another_shape_are_an_error(shape: tuple[int, ...], lite0: Encoder) -> None:
    with pytest.raises(EncoderError, match=r"expected pixels \(photos, 3, height, width\), got"):
        lite0(torch.zeros(shape))


def test_features_of_another_shape_are_an_error(lite0: Encoder) -> None:
    with pytest.raises(EncoderError, match=r"expected features .* got \(32, 4, 4\)"):
        lite0.resume(torch.zeros(32, 4, 4), 1)


@pytest.mark.parametrize("shape", [(1, 14, 6), (1, 3, 5), (15, 6)])
def test_a_grid_holds_as_many_annotations_as_cells(shape: tuple[int, ...]) -> None:
    with pytest.raises(EncoderError, match=r"expected annotations \(photos, 3 \* 5, channels\), got"):
        FeatureGrid(torch.zeros(shape), 3, 5, (3, 5))
