"""Pixels to feature grid: a convolutional network without its pooling and linear layers.

Two families, chosen by name in the checkpoint: residual networks (torchvision), of which `resnet101` is the
tutorial's, and EfficientNet-Lite, the small default. Both are held as a list of stages, so that training can
freeze the first ones, cache what they give, and fine-tune the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from captioner.efficientnet import SCALES, efficientnet_lite_stages
from captioner.errors import EncoderError
from captioner.interrupt import check_wanted

RESNET_BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}  # blocks of a layer
ENCODER_NAMES = (*RESNET_BLOCKS, *SCALES)


@dataclass(frozen=True)
class EncoderOptions:
    """What the encoder is.

    Attributes:
        name: one of `ENCODER_NAMES`.
        output_stride: pixels a cell spans, 32 or 16; at 16 the last stage is dilated instead of strided.
        stretch: side of the square grid the cells are stretched to by adaptive average pooling (the tutorial's
            way to get 14 x 14 from the 8 x 8 it sees), or None for native cells.
        width: channels of the ResNet's first stage; 64 is the published network, less is for tests.
    """

    name: str = "tf_efficientnet_lite2"
    output_stride: int = 32
    stretch: int | None = None
    width: int = 64

    def __post_init__(self) -> None:
        if self.name not in ENCODER_NAMES:
            raise EncoderError(f"expected an encoder out of {', '.join(ENCODER_NAMES)}, got {self.name!r}")
        if self.output_stride not in (16, 32):
            raise EncoderError(f"expected an output stride of 16 or 32, got {self.output_stride}")
        if self.stretch is not None and not 1 <= self.stretch <= 64:
            raise EncoderError(f"expected a stretched grid of 1 to 64 cells a side, got {self.stretch}")
        if not 1 <= self.width <= 64:
            raise EncoderError(f"expected a width of 1 to 64 channels, got {self.width}")


@dataclass(frozen=True)
class FeatureGrid:
    """What the encoder saw, one annotation vector per cell (Xu et al. 2015, section 3.1.1).

    Attributes:
        annotations: (P, L, D) for P photos; cell (row, column) is entry row * width + column.
        height: H, rows of the grid.
        width: W, columns of the grid; L = H * W.
        native: (rows, columns) of the cells the network really computed; differs from (H, W) when stretched.
    """

    annotations: Tensor
    height: int
    width: int
    native: tuple[int, int]

    def __post_init__(self) -> None:
        if self.annotations.dim() != 3 or self.annotations.shape[1] != self.height * self.width:
            raise EncoderError(
                f"expected annotations (photos, {self.height} * {self.width}, channels), "
                f"got {tuple(self.annotations.shape)}"
            )

    @property
    def stretched(self) -> bool:
        """True when the grid shows more (or fewer) cells than the network computed."""
        return self.native != (self.height, self.width)


def join_grids(grids: Sequence[FeatureGrid]) -> FeatureGrid:
    """The photos of one or more grids of one shape in one."""
    return replace(grids[0], annotations=torch.cat([grid.annotations for grid in grids]))


class Encoder(nn.Module):
    """A convolutional network cut before its pooling layer; weights are random until loaded.

    Batch normalisation always uses its stored statistics, in training too: fine-tuning batches are too small to
    measure new ones, and a photo's caption must not depend on its neighbours in the batch.
    """

    def __init__(self, options: EncoderOptions) -> None:
        super().__init__()
        self.options = options
        if options.name in RESNET_BLOCKS:
            self.stages, self.channels = _resnet_stages(options)
        else:
            self.stages, self.channels = efficientnet_lite_stages(options.name, options.output_stride)
        self.train(False)

    def train(self, mode: bool = True) -> Encoder:
        """Keep every layer in inference mode (see the class docstring); gradients still flow."""
        del mode
        return super().train(False)

    def forward(self, pixels: Tensor) -> FeatureGrid:
        """See P photos.

        Args:
            pixels: (P, 3, S, S) float, normalised as the checkpoint's photo settings say.

        Raises:
            EncoderError: the pixels have another shape.
        """
        if pixels.dim() != 4 or pixels.shape[1] != 3:
            raise EncoderError(f"expected pixels (photos, 3, height, width), got {tuple(pixels.shape)}")
        return self.resume(pixels, 0)

    def until(self, pixels: Tensor, stage: int, start: int = 0) -> Tensor:
        """Run the stages from `start` to before `stage`: (P, 3, S, S) pixels, or (P, C', h', w') features where `start`
        is not 0, to (P, C, h, w), to be cached and given to `resume`."""
        features = pixels.contiguous(memory_format=torch.channels_last)
        for module in self.stages[start:stage]:
            features = module(features)
        return features

    def resume(self, features: Tensor, stage: int) -> FeatureGrid:
        """Run the stages from `stage` on: (P, C, h, w) to a FeatureGrid."""
        if features.dim() != 4:
            raise EncoderError(f"expected features (photos, channels, height, width), got {tuple(features.shape)}")
        for module in self.stages[stage:]:
            check_wanted()
            features = module(features)
        native = (features.shape[2], features.shape[3])  # features (P, D, h, w)
        if self.options.stretch is not None:
            features = nn.functional.adaptive_avg_pool2d(features, self.options.stretch)  # (P, D, H, W)
        height, width = features.shape[2], features.shape[3]
        annotations = features.flatten(2).transpose(1, 2)  # (P, L, D)
        return FeatureGrid(annotations, height, width, native)

    def trainable_parameters(self, first_stage: int, depthwise: bool = True) -> list[nn.Parameter]:
        """Freeze the stages before `first_stage`; give the parameters of the others.

        Args:
            depthwise: whether depthwise convolutions (one filter for each channel) stay trainable too.
        """
        for parameter in self.parameters():
            parameter.requires_grad_(False)
        for stage in self.stages[first_stage:]:
            for module in stage.modules():
                lone = isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
                for parameter in module.parameters(recurse=False):
                    parameter.requires_grad_(depthwise or not lone)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]


def _resnet_stages(options: EncoderOptions) -> tuple[nn.ModuleList, int]:
    """Stem and four residual stages, as torchvision builds them: five stages."""
    from torchvision.models.resnet import Bottleneck, ResNet  # seconds to import: only when such a model is built

    # torchvision's Bottleneck widens by width_per_group / 64, so the class itself gives the narrow variant's inner
    # layers; its outer channels stay at 64 * 4 .. 512 * 4.
    network = ResNet(
        Bottleneck,
        list(RESNET_BLOCKS[options.name]),
        width_per_group=options.width,
        replace_stride_with_dilation=[False, False, options.output_stride == 16],
    )
    stem = nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool)
    return nn.ModuleList([stem, network.layer1, network.layer2, network.layer3, network.layer4]), 2048
