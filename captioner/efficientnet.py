"""EfficientNet-Lite (Tan and Le 2019, table 1; lite: ReLU6 throughout, no squeezing), as a list of stages.

It is written out here because no library has it that does not also bring compilers, which take seconds to import.
The names of its parts are timm's, so that checkpoints fit both; the tests hold it against timm's network.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SCALES = {  # how much wider and deeper than Lite0
    "tf_efficientnet_lite0": (1.0, 1.0),
    "tf_efficientnet_lite1": (1.0, 1.1),
    "tf_efficientnet_lite2": (1.1, 1.2),
}
CHANNELS = 1280  # of the head
STEM = 32  # channels
EPSILON = 1e-3  # of every normalisation, as in the published weights


class Row(NamedTuple):
    """A row of the paper's table: blocks of one width."""

    blocks: int
    kernel: int
    stride: int
    channels: int


FIRST = Row(1, 3, 1, 16)  # its only block does not widen
ROWS = (
    Row(2, 3, 2, 24),
    Row(2, 5, 2, 40),
    Row(3, 3, 2, 80),
    Row(3, 5, 1, 112),
    Row(4, 5, 2, 192),
    Row(1, 3, 1, 320),
)
WIDENING = 6  # times the channels inside a block
FINE_STRIDE = 16  # pixels a cell spans where the last halving is left out


class Geometry(NamedTuple):
    """How a depthwise convolution goes over the grid."""

    kernel: int
    stride: int
    dilation: int


class SameConv(nn.Conv2d):
    """A convolution that pads as TensorFlow's "SAME" does: at a stride of 2, more after the end than before it."""

    def forward(self, features: Tensor) -> Tensor:
        """(P, C, h, w) to (P, C', h / stride, w / stride), rounded up."""
        padded = pad_same(features, self.kernel_size[0], self.stride[0], self.dilation[0])
        return super().forward(padded)


class Norm(nn.BatchNorm2d):
    """Batch normalisation and the activation after it."""

    def __init__(self, channels: int, activation: bool = True) -> None:
        super().__init__(channels, eps=EPSILON)
        self.act = nn.ReLU6(inplace=True) if activation else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Any (P, C, h, w)."""
        activated: Tensor = self.act(super().forward(features))
        return activated


class SeparableBlock(nn.Module):
    """A depthwise and a pointwise convolution."""

    def __init__(self, inputs: int, outputs: int, geometry: Geometry) -> None:
        super().__init__()
        self.conv_dw, self.bn1 = _depthwise(inputs, geometry), Norm(inputs)
        self.conv_pw, self.bn2 = _pointwise(inputs, outputs), Norm(outputs, activation=False)

    def forward(self, features: Tensor) -> Tensor:
        """(P, C, h, w) to (P, C', h', w')."""
        result: Tensor = self.bn2(self.conv_pw(self.bn1(self.conv_dw(features))))
        return result


class InvertedResidual(nn.Module):
    """Widen, look around channel by channel, narrow; added to what came in where it fits (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, geometry: Geometry) -> None:
        super().__init__()
        inside = WIDENING * inputs
        self.conv_pw, self.bn1 = _pointwise(inputs, inside), Norm(inside)
        self.conv_dw, self.bn2 = _depthwise(inside, geometry), Norm(inside)
        self.conv_pwl, self.bn3 = _pointwise(inside, outputs), Norm(outputs, activation=False)
        self.fits = inputs == outputs and geometry.stride == 1

    def forward(self, features: Tensor) -> Tensor:
        """(P, C, h, w) to (P, C', h', w')."""
        wide = self.bn1(self.conv_pw(features))  # (P, 6 C, h, w)
        narrow: Tensor = self.bn3(self.conv_pwl(self.bn2(self.conv_dw(wide))))
        return narrow + features if self.fits else narrow


def efficientnet_lite_stages(name: str, output_stride: int) -> tuple[nn.ModuleList, int]:
    """Stem, every block, and the 1 x 1 head convolution, with random weights.

    Args:
        name: one of `SCALES`.
        output_stride: pixels a cell spans, 32 or 16; at 16 the last halving is left out and what follows is dilated.

    Returns:
        stages, and the channels of the last.
    """
    wider, deeper = SCALES[name]
    inputs = _round_channels(FIRST.channels * wider)
    stem = nn.Sequential(SameConv(3, STEM, 3, stride=2, bias=False), Norm(STEM))
    stages: list[nn.Module] = [stem, SeparableBlock(STEM, inputs, Geometry(FIRST.kernel, FIRST.stride, 1))]
    spans, dilation = 2, 1  # pixels a cell spans so far
    for row in ROWS:
        outputs = _round_channels(row.channels * wider)
        halves = row.stride == 2 and spans < output_stride
        spans *= 2 if halves else 1
        blocks = row.blocks if row is ROWS[-1] else math.ceil(row.blocks * deeper)
        for block in range(blocks):
            geometry = Geometry(row.kernel, 2 if halves and block == 0 else 1, dilation)
            stages.append(InvertedResidual(inputs, outputs, geometry))
            inputs = outputs
            if row.stride == 2 and not halves:
                dilation = 2  # from the block after the halving that was left out
    stages.append(nn.Sequential(_pointwise(inputs, CHANNELS), Norm(CHANNELS)))
    built = nn.ModuleList(stages)
    _fill_at_random(built)
    return built, CHANNELS


def pad_same(features: Tensor, kernel: int, stride: int, dilation: int) -> Tensor:
    """(P, C, h, w) with zeros around it, so that a convolution gives h / stride rows, rounded up; columns alike."""
    across = dilation * (kernel - 1) + 1  # cells that the kernel spans
    missing = [max((-(-side // stride) - 1) * stride + across - side, 0) for side in features.shape[-2:]]
    (top, left), (rows, columns) = [side // 2 for side in missing], missing
    return nn.functional.pad(features, (left, columns - left, top, rows - top))


def _pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _depthwise(channels: int, geometry: Geometry) -> nn.Conv2d:
    kernel, stride, dilation = geometry
    if stride > 1:
        return SameConv(channels, channels, kernel, stride, dilation=dilation, groups=channels, bias=False)
    around = dilation * (kernel - 1) // 2
    return nn.Conv2d(channels, channels, kernel, 1, around, dilation, groups=channels, bias=False)


def _round_channels(channels: float) -> int:
    """To a multiple of 8, no more than a tenth lost."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _fill_at_random(stages: nn.ModuleList) -> None:
    """As Tan and Le do, so that what goes in at one end comes out at the other in the same size."""
    for module in stages.modules():
        if isinstance(module, nn.Conv2d):
            outputs = math.prod(module.kernel_size) * module.out_channels // module.groups
            with torch.no_grad():
                module.weight.normal_(0, math.sqrt(2 / outputs))
