"""What layers give is recorded as it is, and no hook stays behind; the strongest channels on maps made by hand."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from builders import tiny_checkpoint
from captioner.activations import ChannelMaps, record_activations, see_stages, stage_names, strongest_channels
from captioner.encoder import Encoder, EncoderOptions
from captioner.errors import EncoderError


class Doubling(nn.Module):
    """Doubles, in place when told to."""

    def __init__(self, *, in_place: bool = False) -> None:
        super().__init__()
        self.in_place = in_place

    def forward(self, values: Tensor) -> Tensor:
        return values.mul_(2) if self.in_place else values * 2


class Failing(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        raise RuntimeError("a layer that fails")


class Pair(nn.Module):
    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        return values, values


def hooks(model: nn.Module) -> int:
    return sum(len(layer._forward_hooks) for layer in model.modules())


def test_layers_are_recorded_as_they_were_when_they_ran() -> None:
    model = nn.Sequential(Doubling(), Doubling(in_place=True), Doubling(in_place=True))
    with record_activations(model, ("1", "0")) as seen:
        assert seen == {}
        result = model(torch.tensor([1.0, 3.0]))
    assert list(seen) == ["0", "1"]  # in the order in which they ran
    assert seen["0"].tolist() == [2.0, 6.0]  # though the next layers wrote over it
    assert seen["1"].tolist() == [4.0, 12.0]
    assert result.tolist() == [8.0, 24.0]
    assert hooks(model) == 0


def test_nothing_is_recorded_after_the_block_and_no_gradient_is_kept() -> None:
    model = nn.Sequential(nn.Linear(2, 2), Doubling())
    with record_activations(model, ("0",)) as seen:
        model(torch.ones(1, 2))
    first = seen["0"].clone()
    model(torch.zeros(1, 2))
    assert torch.equal(seen["0"], first)
    assert not first.requires_grad


def test_a_layer_that_runs_twice_leaves_what_it_gave_last() -> None:
    layer = Doubling()
    model = nn.Sequential(layer, layer)
    with record_activations(model, ("0",)) as seen:
        model(torch.ones(1))
    assert seen["0"].tolist() == [4.0]


class Interrupting(nn.Module):
    """Lets another thread do something each time this one has run the layers before."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile, self.owner = meanwhile, threading.get_ident()

    def forward(self, values: Tensor) -> Tensor:
        if threading.get_ident() == self.owner:
            with ThreadPoolExecutor(1) as other:
                other.submit(self.meanwhile).result()
        return values


def test_what_another_thread_runs_meanwhile_is_not_recorded() -> None:
    others: list[Tensor] = []
    meanwhile = Interrupting(lambda: others.append(model(torch.tensor([7.0]))))
    model = nn.Sequential(Doubling(), meanwhile, Doubling())
    with record_activations(model, ("0", "2")) as seen:
        model(torch.tensor([1.0]))
    assert others == [torch.tensor([28.0])]
    assert {name: values.item() for name, values in seen.items()} == {"0": 2.0, "2": 4.0}


def test_stages_are_of_one_photo_while_another_thread_captions_others() -> None:
    encoder = tiny_checkpoint().encoder.eval()
    pixels, other = torch.randn(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    alone = see_stages(encoder, pixels, 3, 16)
    encoder.stages[-1] = nn.Sequential(encoder.stages[-1], Interrupting(lambda: encoder(other)))
    interrupted = see_stages(encoder, pixels, 3, 16)
    for name, maps in alone.maps.items():
        assert interrupted.maps[name].channels == maps.channels
        assert torch.equal(interrupted.maps[name].maps, maps.maps)


def test_the_hooks_are_gone_after_an_exception() -> None:
    model = nn.Sequential(Doubling(), Failing())
    kept = {}

    def run() -> None:
        with record_activations(model, ("0", "1")) as seen:
            assert hooks(model) == 2
            kept["seen"] = seen
            model(torch.ones(1))

    with pytest.raises(RuntimeError, match="a layer that fails"):
        run()
    assert kept["seen"]["0"].tolist() == [2.0]
    assert hooks(model) == 0


def test_an_unknown_name_is_refused_and_leaves_no_hook() -> None:
    model = nn.Sequential(Doubling())
    with pytest.raises(EncoderError, match="got 'stages7'"), record_activations(model, ("0", "stages7")):
        pass
    assert hooks(model) == 0


def test_a_layer_that_gives_no_tensor_is_refused() -> None:
    model = nn.Sequential(Pair())
    with (
        pytest.raises(EncoderError, match="expected a tensor from the layer '0', got tuple"),
        record_activations(model, ("0",)),
    ):
        model(torch.ones(1))
    assert hooks(model) == 0


def test_a_name_given_twice_gets_one_hook() -> None:
    model = nn.Sequential(Doubling())
    with record_activations(model, ("0", "0")):
        assert hooks(model) == 1


def test_the_strongest_channel_changes_most_from_place_to_place() -> None:
    loud = torch.full((1, 2, 4), 100.0)  # the same everywhere
    stripes = torch.tensor([[[0.0, 2.0, 0.0, 2.0]] * 2])
    corner = torch.zeros(1, 2, 4)
    corner[0, 0, 0] = 8.0
    found = strongest_channels(torch.cat([loud, stripes, corner]), 2, 10)
    assert found.channels == (2, 1)
    assert found.strengths == pytest.approx((math.sqrt(8**2 / 8 - 1), 1.0))  # sqrt(mean square - square of the mean)
    assert torch.equal(found.maps, torch.cat([corner, stripes]))
    assert (found.height, found.width, found.total, found.factor) == (2, 4, 3, 1)


def test_large_maps_are_averaged_over_blocks() -> None:
    features = torch.arange(20.0).reshape(1, 4, 5)
    found = strongest_channels(features, 3, 3)
    assert found.factor == 2
    assert (found.height, found.width) == (4, 5)
    assert found.maps.tolist() == [[[3.0, 5.0], [13.0, 15.0]]]  # the fifth column is left out


@pytest.mark.parametrize(
    ("shape", "count", "largest"), [((2, 3), 1, 1), ((0, 2, 2), 1, 1), ((1, 2, 2), 0, 1), ((1, 2, 2), 1, 0)]
)
def test_what_is_no_feature_map_is_refused(shape: tuple[int, ...], count: int, largest: int) -> None:
    with pytest.raises(EncoderError):
        strongest_channels(torch.zeros(shape), count, largest)


def test_maps_need_a_channel_each() -> None:
    with pytest.raises(EncoderError, match="a channel and a strength for each"):
        ChannelMaps((1,), (1.0,), torch.zeros(2, 3, 3), 3, 3, 8, 1)


def test_the_default_encoder_tells_its_story_in_seven_stages() -> None:
    encoder = Encoder(EncoderOptions("tf_efficientnet_lite2"))
    assert stage_names(encoder) == tuple(f"stages.{place}" for place in (0, 1, 4, 7, 15, 21, 22))


def test_all_stages_of_a_resnet_are_named() -> None:
    encoder = Encoder(EncoderOptions("resnet101", width=1))
    assert stage_names(encoder) == tuple(f"stages.{place}" for place in range(5))


def test_the_stages_seen_are_those_the_encoder_goes_through() -> None:
    encoder = tiny_checkpoint().encoder.eval()
    pixels = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(3))
    grid, seen = see_stages(encoder, pixels, 3, 16)
    sizes = [(maps.height, maps.width) for maps in seen.values()]
    assert sizes == [(32, 48), (32, 48), (16, 24), (8, 12), (4, 6), (4, 6)]
    assert hooks(encoder) == 0
    last = seen[f"stages.{len(encoder.stages) - 1}"]
    annotations = grid.annotations[0]  # (L, D)
    strengths = annotations.std(dim=0, correction=0)
    assert last.channels[0] == int(strengths.argmax())
    assert torch.allclose(last.maps.flatten(1).T, annotations[:, list(last.channels)], atol=1e-5)
