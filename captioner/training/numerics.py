"""Two choices about numbers: the running weight average, and whether bfloat16 pays."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import torch
from torch import Tensor

TRIES = 5
Tensors = tuple[Tensor, ...] | list[Tensor]


def running_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """The running weight average as `AveragedModel` wants it; early steps decay faster, to forget the start."""

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        steps = int(count)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(decay, (1 + steps) / (10 + steps)))

    return update


@functools.cache
def bfloat16_pays(size: int = 512) -> bool:
    """Whether bfloat16 matrix products are clearly faster than float32 ones on the device training would use.

    Measured once in a process, the best of a few products of each type: a run must not change its mind half way.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        left = torch.ones(size, size, device=device, dtype=dtype)
        float((left @ left)[0, 0])
        seconds.append(min(_seconds(left) for _ in range(TRIES)))
    return seconds[1] < 0.7 * seconds[0]


def _seconds(left: Tensor) -> float:
    started = time.perf_counter()
    float((left @ left)[0, 0])
    return time.perf_counter() - started
