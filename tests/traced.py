"""What a CUDA graph does, played on a processor: operations are traced once and repeated on the same memory."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx.experimental.proxy_tensor import make_fx

from captioner.recording import Tensors


def capture_traced(run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    """Trace work into single operations; what they read that was not given is the very memory that `run` reads.

    Raises:
        RuntimeError: the work reads numbers in between, as no CUDA graph can.
    """
    graph = make_fx(run)()
    came = graph()

    def replay() -> None:
        for kept, new in zip(came, graph(), strict=True):
            kept.copy_(new)

    return came, replay
