"""Layers laid out for the processor say what PyTorch's say, notice new weights, and leave training alone."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from captioner import packed
from captioner.layout import Product
from captioner.packed import PackedLinear, PackedLSTMCell


@pytest.fixture(autouse=True)
def small_layers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SMALLEST", 1)
    torch.manual_seed(4)


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Shapes of the matrices that oneDNN was given, whole float32 numbers."""
    given, made = [], packed.onednn_product

    def watched(weight: torch.Tensor, bias: torch.Tensor | None, rows: int) -> Product | None:
        given.append(weight.shape)
        return made(weight, bias, rows)

    monkeypatch.setattr(packed, "onednn_product", watched)
    return given


def plain(layer: PackedLinear, rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.linear(rows, layer.weight, layer.bias).detach()


def in_float16(layer: nn.Module) -> None:
    """Matrices that hold nothing but float16 numbers, as checkpoints saved so do."""
    with torch.no_grad():
        for weight in layer.parameters():
            if weight.dim() == 2:
                weight.copy_(weight.half())


@pytest.mark.parametrize("shape", [(24,), (1, 24), (20, 24), (2, 3, 24), (2, 1, 3, 24), (0, 24), (2, 0, 24)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_a_product_is_pytorch_s(shape: tuple[int, ...], bias: bool, half: bool) -> None:
    layer, rows = PackedLinear(24, 50, bias), torch.randn(shape)
    if half:
        in_float16(layer)
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), plain(layer, rows), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("half", [True, False])
def test_rows_need_not_lie_one_after_the_other(half: bool) -> None:
    layer, rows = PackedLinear(24, 50), torch.randn(24, 6)
    if half:
        in_float16(layer)
    with torch.inference_mode():
        for given in (rows.T, rows.T[::2], rows.T[0], torch.randn(4, 48)[:, ::2], torch.randn(24).expand(3, 24)):
            torch.testing.assert_close(layer(given), plain(layer, given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(), (23,), (3, 25), (3, 1), (2, 3, 12)])
@pytest.mark.parametrize("half", [True, False])
def test_what_is_no_row_is_refused_as_pytorch_refuses_it(shape: tuple[int, ...], half: bool) -> None:
    layer, rows = PackedLinear(24, 50), torch.ones(shape)
    if half:
        in_float16(layer)
    with pytest.raises(RuntimeError) as wanted:
        plain(layer, rows)
    with torch.inference_mode(), pytest.raises(RuntimeError) as refused:
        layer(rows)
    assert str(refused.value) == str(wanted.value)


@pytest.mark.skipif(not packed._fbgemm_serves(), reason="FBGEMM is not to be had here")
def test_float16_weights_are_read_as_such_and_lose_nothing(in_float32: list[torch.Size]) -> None:
    layer, cell = PackedLinear(24, 50), PackedLSTMCell(30, 16)
    with torch.no_grad():
        for weight in (layer.weight, cell.weight_ih, cell.weight_hh):
            weight.copy_((weight * 1e-4).half())  # among them subnormal ones, which a careless reader takes for 0
    rows, read, state = torch.randn(3, 24), torch.randn(5, 30), (torch.randn(5, 16), torch.randn(5, 16))
    expected = nn.LSTMCell.forward(cell, read, state)
    with torch.inference_mode():
        exact = rows.double() @ layer.weight.double().T + layer.bias.double()
        torch.testing.assert_close(layer(rows).double(), exact, rtol=1e-6, atol=1e-7)
        for given, wanted in zip(cell(read, state), expected, strict=True):
            torch.testing.assert_close(given, wanted.detach(), rtol=1e-5, atol=1e-6)
    assert layer._layout.product is not None
    assert cell._layout.product is not None
    assert in_float32 == []


@pytest.mark.parametrize("number", [0.1, 1e5])  # between two float16 numbers, above all of them
def test_one_weight_that_float16_cannot_hold_keeps_all_in_float32(number: float, in_float32: list[torch.Size]) -> None:
    layer, rows = PackedLinear(24, 50), torch.randn(3, 24)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.half())
        layer.weight[7, 3] = number
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), plain(layer, rows), rtol=1e-5, atol=1e-5)
    assert in_float32 == [(50, 24)]


def test_without_fbgemm_float16_weights_are_read_as_float32(
    monkeypatch: pytest.MonkeyPatch, in_float32: list[torch.Size]
) -> None:
    monkeypatch.setattr(packed, "_fbgemm_serves", lambda: False)
    layer, rows = PackedLinear(24, 50), torch.randn(3, 24)
    with torch.no_grad():
        layer.weight.copy_(layer.weight.half())
    with torch.inference_mode():
        torch.testing.assert_close(layer(rows), plain(layer, rows), rtol=1e-5, atol=1e-5)
    assert in_float32 == [(50, 24)]


@pytest.mark.parametrize("rows", [(), (1,), (5,), (20,)])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("begun", [True, False])
def test_a_cell_s_step_is_pytorch_s(rows: tuple[int, ...], half: bool, begun: bool) -> None:
    cell = PackedLSTMCell(30, 16)
    if half:
        in_float16(cell)
    read, state = torch.randn(*rows, 30), (torch.randn(*rows, 16), torch.randn(*rows, 16)) if begun else None
    expected = nn.LSTMCell.forward(cell, read, state)
    with torch.inference_mode():
        for given, wanted in zip(cell(read, state), expected, strict=True):
            torch.testing.assert_close(given, wanted.detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("read", "hidden", "state"),
    [
        ((2, 31), (2, 15), (2, 16)),  # as many numbers in all
        ((2, 30), (2, 16), (1, 16)),  # which would be spread over both rows
        ((2, 30), (1, 16), (1, 16)),
        ((2, 30), (16,), (16,)),
        ((2, 3, 30), (2, 16), (2, 16)),
    ],
)
def test_what_is_no_state_is_refused_as_pytorch_refuses_it(
    read: tuple[int, ...], hidden: tuple[int, ...], state: tuple[int, ...]
) -> None:
    cell, given = PackedLSTMCell(30, 16), (torch.ones(read), (torch.ones(hidden), torch.ones(state)))
    with pytest.raises((RuntimeError, ValueError)) as wanted:
        nn.LSTMCell.forward(cell, *given)
    with torch.inference_mode(), pytest.raises((RuntimeError, ValueError)) as refused:
        cell(*given)
    assert str(refused.value) == str(wanted.value)


def test_the_layers_really_lay_their_weights_out() -> None:
    layer = PackedLinear(24, 50)
    layer(torch.randn(3, 24))
    assert layer._layout.product is None  # outside inference mode nothing is done
    with torch.inference_mode():
        layer(torch.randn(3, 24))
    assert layer._layout.product is not None


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
        assert twin._layout.product is None
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
    assert layer._layout.product is None
