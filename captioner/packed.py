"""Linear layers that answer a few rows quickly on a CPU: the same weights, laid out once as the processor reads them.

A decoder step multiplies a handful of rows by large matrices, and reading those is all that takes time. Where every
weight is a float16 number, as in checkpoints saved so, it is read as one: half the bytes, the same float32 products.
Outside inference mode, on GPUs and where oneDNN is not to be had, these layers are PyTorch's own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from captioner.layout import Layout, Product

SMALLEST = 1 << 17  # numbers of a matrix below which laying it out anew gains nothing
ONEDNN = ("_reorder_linear_weight", "_linear_pointwise")  # of torch.ops.mkldnn
FBGEMM = ("linear_prepack_fp16", "linear_dynamic_fp16")  # of torch.ops.quantized
ROWS = 8  # rows the layout is made for; it serves any number


class PackedLinear(nn.Linear):
    """`nn.Linear`, faster in inference mode."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self._layout = Layout()

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (nn.Linear's word)
        """(..., inputs) to (..., outputs)."""
        weight, bias = self.weight, self.bias
        if input.dim() < 2 or input.shape[-1] != self.in_features:  # FBGEMM takes no row alone
            return super().forward(input)
        made_of = (weight,) if bias is None else (weight, bias)
        product = self._layout.of(made_of, input, lambda: arrange((weight,), bias))
        return super().forward(input) if product is None else product(input)


class PackedLSTMCell(nn.LSTMCell):
    """`nn.LSTMCell`, faster in inference mode: both of its products are one."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden)
        self._layout = Layout()

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:  # noqa: A002
        """Input (N, inputs), hidden and cell (N, hidden) to the next hidden and cell; or all without N."""
        if hx is None or not self._fits(input, *hx):
            return super().forward(input, hx)
        weights, biases = (self.weight_ih, self.weight_hh), (self.bias_ih, self.bias_hh)
        product = self._layout.of((*weights, *biases), input, lambda: arrange(weights, biases[0] + biases[1]))
        if product is None:
            return super().forward(input, hx)
        gates = product(torch.cat([input, hx[0]], dim=1))  # (N, 4 * hidden)
        enter, keep, candidate, leave = gates.chunk(4, dim=1)  # (N, hidden) each, in PyTorch's order
        cell = keep.sigmoid() * hx[1] + enter.sigmoid() * candidate.tanh()
        return leave.sigmoid() * cell.tanh(), cell

    def _fits(self, input: Tensor, hidden: Tensor, cell: Tensor) -> bool:  # noqa: A002
        """Whether these are rows of the right lengths; all else is taken, or refused, by PyTorch's own."""
        rows = input.shape[:1]
        return input.shape == (*rows, self.input_size) and hidden.shape == cell.shape == (*rows, self.hidden_size)


def arrange(weights: tuple[Tensor, ...], bias: Tensor | None) -> Product | None:
    """The product of rows (..., inputs) and matrices (outputs, inputs each) as one (outputs, all inputs), kept in
    float16 where that loses nothing, else as oneDNN reads it for `ROWS` rows; None for small ones, and where neither
    is to be had."""
    whole = torch.cat([weight.detach() for weight in weights], dim=1)
    if whole.numel() < SMALLEST or whole.dtype != torch.float32:
        return None
    bias = None if bias is None else bias.detach()
    if _fbgemm_serves() and torch.equal(whole.half().float(), whole):
        half, multiply = torch.ops.quantized.linear_prepack_fp16(whole, bias), torch.ops.quantized.linear_dynamic_fp16
        return lambda rows: multiply(rows, half)
    return onednn_product(whole, bias, ROWS)


def onednn_product(weight: Tensor, bias: Tensor | None, rows: int) -> Product | None:
    """The product of (..., inputs) and a matrix (outputs, inputs) as oneDNN reads it; None where it is not to be had.

    Args:
        weight: the matrix.
        bias: (outputs,), or None.
        rows: it is made for; it serves any number.
    """
    if not all(hasattr(torch.ops.mkldnn, name) for name in ONEDNN):
        return None
    packed, multiply = torch.ops.mkldnn._reorder_linear_weight(weight, rows), torch.ops.mkldnn._linear_pointwise
    return lambda read: multiply(read, packed, bias, "none", [], "")


def _fbgemm_serves() -> bool:
    """Whether FBGEMM, PyTorch's library for x86, multiplies float32 rows by float16 weights here."""
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        return False
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    return all(hasattr(torch.ops.quantized, name) for name in FBGEMM)
