"""Weights laid out once as the processor reads them, and when that may be used.

Between two products everything the interpreter looks at has left the processor's cache, for the weights went through
it. Whether a layout still holds is therefore asked with as little as possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor

Product: TypeAlias = Callable[..., Tensor]


class Layout:
    """A product with weights as oneDNN or FBGEMM wants them, made when first asked for and anew when one was changed.

    A change through `weight.data` is not seen; no part of SayWhere makes any. Copies start empty.
    """

    def __init__(self) -> None:
        self._made_of: tuple[tuple[Tensor, int, int], ...] = ()
        self._made_for: torch.dtype | None = None
        self.product: Product | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Layout:
        return Layout()

    def __reduce__(self) -> tuple[type[Layout], tuple[()]]:
        return Layout, ()

    def of(self, weights: tuple[Tensor, ...], read: Tensor, arrange: Callable[[], Product | None]) -> Product | None:
        """The product; None where PyTorch's own is to be used: outside inference mode, while numbers are cast, on
        GPUs, for nothing at all, without oneDNN, and where `arrange` has none.

        Args:
            weights: what it is made of, 1 or more.
            read: what is to be multiplied.
            arrange: makes it.
        """
        if not torch.is_inference_mode_enabled() or not read.is_cpu or not read.numel():
            return None
        if torch.is_autocast_enabled("cpu") or not torch.backends.mkldnn.enabled:
            return None
        if read.dtype is not self._made_for or not self._holds(weights):
            if any(weight.is_inference() for weight in weights):  # no version: a change would not be seen
                return None
            self.product = arrange() if _onednn_takes((read, *weights)) else None
            self._made_of = tuple((weight, weight.data_ptr(), weight._version) for weight in weights)
            self._made_for = read.dtype
        return self.product

    def _holds(self, weights: tuple[Tensor, ...]) -> bool:
        if len(weights) != len(self._made_of):
            return False
        for weight, (old, place, version) in zip(weights, self._made_of, strict=True):
            if weight is not old or weight._version != version or weight.data_ptr() != place:
                return False
        return True


def _onednn_takes(tensors: tuple[Tensor, ...]) -> bool:
    """Whether oneDNN is to be had and computes with these numbers on this processor: half as long ones need
    instructions of their own."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    kind = tensors[0].dtype
    if not all(tensor.is_cpu and tensor.numel() and tensor.dtype == kind for tensor in tensors):
        return False
    name = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}.get(kind)
    return name is None or bool(getattr(torch.ops.mkldnn, name, bool)())
