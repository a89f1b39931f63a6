"""Work on a GPU recorded once and replayed: the thousand small operations of a caption are started as a few.

A CUDA graph (`torch.cuda.CUDAGraph`) runs the same operations on the same memory. So a recording owns the memory that
the work is given and gives; what is asked is copied in, what came is copied out.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TypeAlias, TypeVar

import torch
from torch import Tensor

from captioner.errors import CaptionerError

LOG = logging.getLogger(__name__)
KEPT = 16  # recordings: each holds its own memory on the GPU
REMEMBERED = 100  # kinds of work done once: what comes a second time is recorded, for that takes a second or so
WARM_UP = 2  # runs before recording, in which libraries choose how to compute
NEAR = 1e-3  # how far a replay may be from the work itself, in a first try on the same numbers

Tensors: TypeAlias = tuple[Tensor, ...]
# From what was carried over, what is carried to the next time, like it in number and shapes, and what came.
Work: TypeAlias = Callable[[Tensors], tuple[Tensors, Tensors]]
# Runs what it is given, and gives what came of it and a function that does the same again into the same memory.
Capture: TypeAlias = Callable[[Callable[[], Tensors]], tuple[Tensors, Callable[[], None]]]

Kept = TypeVar("Kept")


class RecordingError(CaptionerError):
    """What is replayed is not what was recorded."""


def capture_cuda(device: torch.device, run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    """Capture work as a CUDA graph.

    Args:
        device: where the work is done.
        run: does it.

    Raises:
        RuntimeError: it cannot be captured: it waits for the GPU, or memory is short.
    """
    with torch.cuda.device(device):
        return _capture_here(run)


def _capture_here(run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
    before = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    before.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(before):
        for _ in range(WARM_UP):
            run()
    torch.cuda.current_stream().wait_stream(before)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may go on
        came = run()
    return came, graph.replay


def capture_for(device: torch.device) -> Capture | None:
    """What records the work of a device; None: nothing does."""
    return partial(capture_cuda, device) if device.type == "cuda" else None


class Recording:
    """One piece of work, recorded.

    Args:
        work: what is done; it must read nothing from its tensors.
        carried: what it is first given.
        capture: records.

    Raises:
        RecordingError: a replay gives something else than the work does.
        RuntimeError: see `capture_cuda`.
    """

    def __init__(self, work: Work, carried: Tensors, capture: Capture) -> None:
        self._carried = tuple(tensor.clone(memory_format=torch.contiguous_format) for tensor in carried)
        after, came = (tuple(tensor.clone() for tensor in part) for part in work(self._carried))

        def run() -> Tensors:
            after, came = work(self._carried)
            came = tuple(tensor.clone() for tensor in came)  # before what it may be part of changes
            for kept, new in zip(self._carried, after, strict=True):
                if new is not kept:
                    kept.copy_(new)
            return came

        self._came, self._replay = capture(run)
        self.begin(carried)
        self._replay()
        for part, expected in ((self._came, came), (self._carried, after)):
            if not all(map(_near, part, expected)):
                raise RecordingError("expected a replay to give what was recorded, got something else")

    def begin(self, carried: Sequence[Tensor | None]) -> None:
        """Put in what the work is given the next time; None: that stays as it is."""
        for kept, new in zip(self._carried, carried, strict=True):
            if new is not None:
                kept.copy_(new)

    def again(self) -> Tensors:
        """Do the work once more, on what was carried over; gives copies of what came."""
        self._replay()
        return tuple(tensor.clone() for tensor in self._came)

    @property
    def carried(self) -> Tensors:
        """What is carried to the next time; not to be changed."""
        return self._carried


def _near(given: Tensor, expected: Tensor) -> bool:
    """Whether floats are alike; whole numbers follow from them, and may change where two are all but equal."""
    return not expected.is_floating_point() or torch.allclose(given, expected, rtol=NEAR, atol=NEAR, equal_nan=True)


class Recordings:
    """The recordings of one model, made when work is done for the second time, the latest kept.

    Args:
        capture: records.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._kept: OrderedDict[Hashable, Recording | None] = OrderedDict()
        self._once: OrderedDict[Hashable, None] = OrderedDict()
        self.lock = threading.RLock()  # held from `of` to the last `again`: a recording has one memory

    def of(self, kind: Hashable, work: Work, carried: Tensors) -> Recording | None:
        """The recording of a kind of work, given what it is to work on; None where there is none, the first time too.

        Args:
            kind: what the work depends on beside its tensors.
            work: done to record it.
            carried: what it is given; other shapes are another recording.
        """
        key = (kind, tuple((tuple(tensor.shape), tensor.dtype) for tensor in carried))
        if key not in self._kept:
            if key not in self._once:
                _add(self._once, key, None, REMEMBERED)
                return None
            _add(self._kept, key, self._record(work, carried), KEPT)
        self._kept.move_to_end(key)
        recording = self._kept[key]
        if recording is not None:
            recording.begin(carried)
        return recording

    def _record(self, work: Work, carried: Tensors) -> Recording | None:
        try:
            return Recording(work, carried, self._capture)
        except (RuntimeError, RecordingError) as problem:
            LOG.warning("Work on the GPU is not recorded, so it takes longer: %s", problem)
            return None


def _add(latest: OrderedDict[Hashable, Kept], key: Hashable, value: Kept, most: int) -> None:
    """Add to what is kept, and let go of what nobody asked for the longest."""
    latest[key] = value
    while len(latest) > most:
        latest.popitem(last=False)


def filled_up(batch: Tensor) -> Tensor:
    """The rows (P, ...) and then the first again, up to a power of two: few sizes are recorded, and serve all."""
    missing = (1 << (len(batch) - 1).bit_length()) - len(batch)
    return torch.cat([batch, batch[:1].expand(missing, *batch.shape[1:])]) if missing else batch
