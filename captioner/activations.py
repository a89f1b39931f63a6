"""What the layers inside a network give: forward hooks that are gone afterwards, and the channels worth a look."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from captioner.encoder import Encoder, FeatureGrid
from captioner.errors import EncoderError

SMALL_NETWORK = 7  # stages; of a network with no more of them all are named


@contextmanager
def record_activations(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Record what named layers give while this thread runs the model inside the `with` block.

        with record_activations(encoder, ("stages.0", "stages.4")) as seen:
            encoder(pixels)
        seen["stages.0"]  # (P, C, h, w)

    Nothing but the layers asked for is kept. Every map is a copy, since a later layer may work in place, without its
    gradient; a layer that runs several times leaves what it gave last. What other threads do with the same model
    meanwhile is theirs. The hooks are removed when the block ends, also by an exception.

    Args:
        model: any module.
        names: as `model.named_modules()` has them.

    Yields:
        name -> what the layer gave, filled while the model runs, in the order in which the layers ran.

    Raises:
        EncoderError: the model has no layer of such a name, or one gives something else than a tensor.
    """
    layers = dict(model.named_modules())
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise EncoderError(f"expected names of the model's layers, got {unknown[0]!r}: choose one of named_modules()")
    seen: dict[str, Tensor] = {}
    handles: list[RemovableHandle] = []
    try:
        for name in dict.fromkeys(names):
            hook = layers[name].register_forward_hook(_keep_under(seen, name))
            handles.append(hook)
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _keep_under(seen: dict[str, Tensor], name: str) -> Callable[[nn.Module, object, object], None]:
    """A forward hook that keeps what its layer gives in this thread under a name."""
    owner = threading.get_ident()  # the layer is shared: others caption other photos with it at the same time

    def keep(layer: nn.Module, given: object, result: object) -> None:
        if threading.get_ident() != owner:
            return
        if not isinstance(result, Tensor):
            raise EncoderError(f"expected a tensor from the layer {name!r}, got {type(result).__name__}")
        seen[name] = result.detach().clone()

    return keep


def stage_names(encoder: Encoder) -> tuple[str, ...]:
    """The layers of an encoder that tell its story: the first, the last at every size of its maps, and the very last.

    The default encoder has 23 stages of five sizes, of which seven are named; a ResNet has five, which are all named.
    """
    last = len(encoder.stages) - 1
    told = [
        place
        for place in range(last + 1)
        if last < SMALL_NETWORK or place in (0, last - 1, last) or _shrinks(encoder.stages[place + 1])
    ]
    return tuple(f"stages.{place}" for place in told)


def _shrinks(stage: nn.Module) -> bool:
    """Whether a stage gives smaller maps than it gets: a layer of it moves by more than one pixel."""
    for layer in stage.modules():
        stride = getattr(layer, "stride", 1)
        if isinstance(stride, int | tuple) and max((stride,) if isinstance(stride, int) else stride) > 1:
            return True
    return False


@dataclass(frozen=True)
class ChannelMaps:
    """The strongest channels of one layer, strongest first.

    A channel's strength is its standard deviation over the places of the map: how much what it says changes from
    place to place. A channel that says the same everywhere, however loudly, tells nothing about where.

    Attributes:
        channels: K indices.
        strengths: (K,), falling.
        maps: (K, h', w'), averaged over blocks of `factor` x `factor` places.
        height: h, before averaging.
        width: w, before averaging.
        total: C, how many channels the layer has.
        factor: 1 where nothing was averaged.
    """

    channels: tuple[int, ...]
    strengths: tuple[float, ...]
    maps: Tensor
    height: int
    width: int
    total: int
    factor: int

    def __post_init__(self) -> None:
        if self.maps.dim() != 3 or not len(self.channels) == len(self.strengths) == len(self.maps):
            raise EncoderError(
                f"expected a channel and a strength for each of the maps, got {len(self.channels)}, "
                f"{len(self.strengths)} and maps {tuple(self.maps.shape)}"
            )


def strongest_channels(features: Tensor, count: int, largest: int) -> ChannelMaps:
    """The channels of one photo's features that change most from place to place.

    Args:
        features: (C, h, w).
        count: how many channels at most.
        largest: longest side a map may have; larger ones are averaged over square blocks, a rest at the right and
            at the bottom being left out.

    Raises:
        EncoderError: the features have another shape, or a number is below 1.
    """
    if features.dim() != 3 or 0 in features.shape:
        raise EncoderError(f"expected features (channels, height, width), got {tuple(features.shape)}")
    if count < 1 or largest < 1:
        raise EncoderError(f"expected 1 or more channels of side 1 or more, got {count} and {largest}")
    total, height, width = features.shape
    strengths = features.float().flatten(1).std(dim=1, correction=0)  # (C,)
    values, channels = strengths.sort(descending=True, stable=True)
    channels = channels[:count]
    factor = min(-(-max(height, width) // largest), height, width)
    maps = nn.functional.avg_pool2d(features[channels].float(), factor) if factor > 1 else features[channels].float()
    return ChannelMaps(
        channels=tuple(channels.tolist()),
        strengths=tuple(values[:count].tolist()),
        maps=maps.cpu(),
        height=height,
        width=width,
        total=total,
        factor=factor,
    )


class SeenStages(NamedTuple):
    """An encoded photo's grid, and stage name -> its channels, in the order in which the photo goes through them."""

    grid: FeatureGrid
    maps: dict[str, ChannelMaps]


def see_stages(encoder: Encoder, pixels: Tensor, count: int, largest: int) -> SeenStages:
    """Encode one photo and keep the strongest channels of every named stage; see `stage_names`, `strongest_channels`.

    Args:
        pixels: (1, 3, S, S), on the encoder's device.
    """
    names = stage_names(encoder)
    with torch.inference_mode(), record_activations(encoder, names) as seen:
        grid: FeatureGrid = encoder(pixels)
    return SeenStages(grid, {name: strongest_channels(seen[name][0], count, largest) for name in names})
