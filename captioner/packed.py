"""Linear layers that answer a few rows quickly on a CPU: the same weights, laid out once as the processor reads them.

A decoder step multiplies a handful of rows by large matrices, and reading those is all that takes time. Where every
weight is a float16 number, as in checkpoints saved so, it is read as one: half the bytes, the same float32 products.
Outside inference mode, on GPUs and where oneDNN is not to be had, these layers are PyTorch's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

SMALLEST = 1 << 17  # numbers of a matrix below which laying it out anew gains nothing
ONEDNN = ("_reorder_linear_weight", "_linear_pointwise")  # of torch.ops.mkldnn
FBGEMM = ("linear_prepack_fp16", "linear_dynamic_fp16")  # of torch.ops.quantized
ROWS = 8  # rows the layout is made for; it serves any number

Packed: TypeAlias = Any  # oneDNN's layout is a tensor, FBGEMM's an object that has no Python type


class PackedLinear(nn.Linear):
    """`nn.Linear`, faster in inference mode."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self._layout = Layout()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Linear's word)
        """(..., inputs) to (..., outputs)."""
        if not _can_pack((self.weight,), input):
            return super().forward(input)
        return multiply(input, self._layout.of((self.weight,), lambda: side_by_side((self.weight,))), self.bias)


class PackedLSTMCell(nn.LSTMCell):
    """`nn.LSTMCell`, faster in inference mode: both of its products are one."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self._layout = Layout()

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:  # noqa: A002
        """Input (N, inputs), hidden and cell (N, hidden) to the next hidden and cell."""
        weights = (self.weight_ih, self.weight_hh)
        if hx is None or not _can_pack(weights, input):
            return super().forward(input, hx)
        packed = self._layout.of(weights, lambda: side_by_side(weights))
        read = torch.cat([input, hx[0]], dim=1)  # (N, inputs + hidden)
        gates = multiply(read, packed, self.bias_ih + self.bias_hh)  # (N, 4 * hidden)
        enter, keep, candidate, leave = gates.chunk(4, dim=1)  # (N, hidden) each, in PyTorch's order
        cell = keep.sigmoid() * hx[1] + enter.sigmoid() * candidate.tanh()
        return leave.sigmoid() * cell.tanh(), cell


class Layout:
    """Weights as oneDNN or FBGEMM wants them, arranged when first asked for and anew when one was changed.

    A change through `weight.data` is not seen; no part of SayWhere makes any. Copies start empty.
    """

    def __init__(self) -> None:
        self._made_of: tuple[tuple[Tensor, int, int], ...] = ()
        self._packed: Packed | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Layout:
        return Layout()

    def __reduce__(self) -> tuple[type[Layout], tuple[()]]:
        return Layout, ()

    def of(self, weights: tuple[Tensor, ...], arrange: Callable[[], Packed]) -> Packed:
        """The arrangement of weights.

        Args:
            weights: what it is made of.
            arrange: makes it.
        """
        made_of = tuple((weight, weight.data_ptr(), weight._version) for weight in weights)
        same = len(made_of) == len(self._made_of) and all(
            new[0] is old[0] and new[1:] == old[1:] for new, old in zip(made_of, self._made_of, strict=True)
        )
        if not same or self._packed is None:
            self._packed = arrange()
            self._made_of = made_of
        return self._packed


def side_by_side(weights: tuple[Tensor, ...]) -> Packed:
    """Matrices (outputs, inputs each) as one (outputs, all inputs), in float16 where that loses nothing, else in the
    layout for `ROWS` rows."""
    whole = torch.cat([weight.detach() for weight in weights], dim=1)
    if _fbgemm_serves() and torch.equal(whole.half().float(), whole):
        return torch.ops.quantized.linear_prepack_fp16(whole, None)
    return torch.ops.mkldnn._reorder_linear_weight(whole, ROWS)


def multiply(rows: Tensor, packed: Packed, bias: Tensor | None) -> Tensor:
    """(..., outputs) of rows (..., inputs) and a layout."""
    if isinstance(packed, Tensor):
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, packed, bias, "none", [], "")
        return product
    half: Tensor = torch.ops.quantized.linear_dynamic_fp16(rows, packed)
    return half if bias is None else half.add_(bias)


def _fbgemm_serves() -> bool:
    """Whether FBGEMM, PyTorch's library for x86, multiplies float32 rows by float16 weights here."""
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return False
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    return all(hasattr(torch.ops.quantized, name) for name in FBGEMM)


def _can_pack(weights: tuple[Tensor, ...], rows: Tensor) -> bool:
    if sum(weight.numel() for weight in weights) < SMALLEST or any(w.dtype != torch.float32 for w in (rows, *weights)):
        return False
    return onednn_serves((rows, *weights), ONEDNN)


def onednn_serves(tensors: tuple[Tensor, ...], names: tuple[str, ...]) -> bool:
    """Whether oneDNN may be called directly: in inference mode, on a CPU, with no casting going on.

    Args:
        tensors: what it would read.
        names: the functions of torch.ops.mkldnn that would be called.
    """
    if not torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    if any(tensor.device.type != "cpu" or not tensor.numel() for tensor in tensors):
        return False
    if not all(_onednn_takes(tensor.dtype) for tensor in tensors):
        return False
    if any(weight.is_inference() for weight in tensors[1:]):  # they have no version: a change would not be seen
        return False
    if not torch.backends.mkldnn.is_available() or not torch.backends.mkldnn.enabled:  # type: ignore[no-untyped-call]
        return False
    return all(hasattr(torch.ops.mkldnn, name) for name in names)


def _onednn_takes(kind: torch.dtype) -> bool:
    """Whether oneDNN computes with such numbers on this processor: half as long ones need instructions of their own."""
    name = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}.get(kind)
    if name is None:
        return True
    ask = getattr(torch.ops.mkldnn, name, None)
    return ask is not None and bool(ask())
