"""Two choices about numbers: the running weight average, and whether bfloat16 pays."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...] | list[Tensor]


def running_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The running weight average as `AveragedModel` wants it; early steps decay faster, to forget the start."""

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        steps = int(count)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(decay, (1 + steps) / (10 + steps)))

    return update


def bfloat16_pays(size: int = 512) -> bool:
    """Whether bfloat16 matrix products are clearly faster than float32 ones on the device training would use."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.ones(size, size, device=device, dtype=dtype)
        _ = left @ left
        started = time.perf_counter()
        float((left @ left)[0, 0])
        seconds.append(time.perf_counter() - started)
    return seconds[1] < 0.7 * seconds[0]
