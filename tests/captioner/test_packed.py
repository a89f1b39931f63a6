"""Layers laid out for the processor say what PyTorch's say, notice new weights, and leave training alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from captioner import packed
from captioner.packed import PackedLinear, PackedLSTMCell


@pytest.fixture(autouse=True)
def small_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SMALLEST", 1)
    torch.manual_seed(4)


def plain(layer: PackedLinear, rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(rows, layer.weight, layer.bias).detach()


@pytest.mark.parametrize("shape", [(1, 24), (20, 24), (2, 3, 24), (0, 24)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_pytorch_s(shape: tuple[int, ...], bias: bool) -> None:
    layer, rows = PackedLinear(24, 50, bias), torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), plain(layer, rows), rtol=1e-5, atol=1e-5)


def halved(layer: nn.Module) -> None:
    """Round the weights, but not the biases, to what half precision holds."""
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("weight"):
                parameter.copy_(parameter.half())


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which library laid weights out, call after call."""
    calls: list[str] = []
    real = packed.lay_out

    def lay_out(weights: tuple[torch.Tensor, ...], biases: tuple[torch.Tensor, ...]) -> packed.Product:
        product = real(weights, biases)
        calls.append("half" if "half" in product.__code__.co_freevars else "whole")
        return product

    monkeypatch.setattr(packed, "lay_out", lay_out)
    return calls


@pytest.mark.skipif(not packed._half_serves(), reason="FBGEMM is not to be had on this processor")
@pytest.mark.parametrize("bias", [True, False])
def test_weights_that_half_precision_holds_are_read_so_and_lose_nothing(bias: bool, asked: list[str]) -> None:
    layer, rows = PackedLinear(700, 50, bias), torch.randn(3, 700)
    halved(layer)
    exact = nn.functional.linear(
        rows.double(), layer.weight.double(), None if layer.bias is None else layer.bias.double()
    )
    with torch.inference_mode():
        assert float((layer(rows) - exact).abs().max()) < 1e-5  # rounding of float32, not of half precision: 1e-3
    assert asked == ["half"]
    cell, state = PackedLSTMCell(30, 16), (torch.randn(5, 16), torch.randn(5, 16))
    halved(cell)
    read = torch.randn(5, 30)
    expected = nn.LSTMCell.forward(cell, read, state)
    with torch.inference_mode():
        for given, wanted in zip(cell(read, state), expected, strict=True):
            torch.testing.assert_close(given, wanted.detach(), rtol=1e-5, atol=1e-5)
    assert asked == ["half", "half"]


def test_other_weights_keep_all_their_digits(asked: list[str]) -> None:
    layer, rows = PackedLinear(700, 50), torch.randn(3, 700)
    exact = nn.functional.linear(rows.double(), layer.weight.double(), layer.bias.double())
    with torch.inference_mode():
        assert float((layer(rows) - exact).abs().max()) < 1e-5
    assert asked == ["whole"]


@pytest.mark.skipif(not packed._half_serves(), reason="FBGEMM is not to be had on this processor")
def test_rows_do_not_depend_on_their_neighbours() -> None:
    layer, rows = PackedLinear(700, 50), torch.randn(20, 700)
    halved(layer)
    with torch.inference_mode():
        together = layer(rows)
        for place in (0, 7, 19):
            torch.testing.assert_close(layer(rows[place : place + 1])[0], together[place], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 5, 20])
def test_a_cell_s_step_is_pytorch_s(rows: int) -> None:
    cell = PackedLSTMCell(30, 16)
    read, state = torch.randn(rows, 30), (torch.randn(rows, 16), torch.randn(rows, 16))
    expected = nn.LSTMCell.forward(cell, read, state)
    with torch.inference_mode():
        for given, wanted in zip(cell(read, state), expected, strict=True):
            torch.testing.assert_close(given, wanted.detach(), rtol=1e-5, atol=1e-5)


def test_the_layers_really_lay_their_weights_out() -> None:
    layer = PackedLinear(24, 50)
    layer(torch.randn(3, 24))
    assert layer._layout._packed is None  # outside inference mode nothing is done
    with torch.inference_mode():
        layer(torch.randn(3, 24))
    assert layer._layout._packed is not None


def test_new_weights_are_noticed() -> None:
    layer, rows = PackedLinear(24, 50), torch.randn(3, 24)
    for change in (
        lambda: nn.init.normal_(layer.weight),
        lambda: layer.load_state_dict(PackedLinear(24, 50).state_dict()),
        lambda: layer.load_state_dict(PackedLinear(24, 50).state_dict(), assign=True),
        lambda: setattr(layer, "weight", nn.Parameter(torch.randn(50, 24))),
        lambda: nn.init.constant_(layer.bias, 3.0),
    ):
        with torch.inference_mode():
            before = layer(rows)
        change()
        with torch.inference_mode():
            torch.testing.assert_close(layer(rows), plain(layer, rows), rtol=1e-5, atol=1e-5)
            assert not torch.allclose(before, layer(rows))


def test_copies_and_state_are_those_of_plain_layers() -> None:
    layer, rows = PackedLinear(24, 50), torch.randn(3, 24)
    with torch.inference_mode():
        expected = layer(rows)
        twin = copy.deepcopy(layer)
        assert twin._layout._packed is None
        torch.testing.assert_close(twin(rows), expected)
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_gradients_flow_as_ever() -> None:
    layer = PackedLinear(24, 50)
    with torch.inference_mode():
        layer(torch.randn(2, 24))
    layer(torch.randn(2, 24)).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_numbers_take_the_plain_way(dtype: torch.dtype) -> None:
    layer, rows = PackedLinear(24, 50).to(dtype), torch.randn(3, 24, dtype=dtype)
    with torch.inference_mode():
        assert torch.equal(layer(rows), plain(layer, rows))


def test_without_onednn_the_plain_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer, rows = PackedLinear(24, 50), torch.randn(3, 24)
    with torch.inference_mode():
        assert torch.equal(layer(rows), plain(layer, rows))
    assert layer._layout._packed is None
