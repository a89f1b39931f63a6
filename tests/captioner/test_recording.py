"""Work recorded and replayed: on a processor the recording is a traced graph, which like a CUDA graph repeats
operations and never runs the function again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from captioner.recording import KEPT, REMEMBERED, Recording, RecordingError, Recordings, Tensors, capture_for, filled_up
from traced import capture_traced


def add_up(carried: Tensors) -> tuple[Tensors, Tensors]:
    """Carries a sum and a fixed summand; gives the sum before and after: the first is what was carried itself."""
    total, summand = carried
    after = total + summand
    return (after, summand), (total, after)


def carried(total: float = 0.0, summand: float = 1.0, size: int = 2) -> Tensors:
    return torch.full((size,), float(total)), torch.full((size,), float(summand))


def first(tensors: Tensors) -> list[float]:
    return [float(tensor[0]) for tensor in tensors]


def test_a_replay_goes_on_where_the_last_one_ended() -> None:
    given = carried()
    made = Recording(add_up, given, capture_traced)
    made.begin(given)
    came = [made.again() for _ in range(3)]
    assert list(map(first, came)) == [[0, 1], [1, 2], [2, 3]]  # the earlier ones were not written over
    assert first(made.carried) == [3, 1]
    made.begin((None, torch.full((2,), 5.0)))
    assert first(made.again()) == [3, 8]
    made.begin(carried(10, 2))
    assert first(made.again()) == [10, 12]
    assert first(given) == [0, 1]  # what was given was copied


def test_a_replay_repeats_operations_and_not_the_function() -> None:
    calls = 0

    def counted(tensors: Tensors) -> tuple[Tensors, Tensors]:
        nonlocal calls
        calls += 1
        return add_up(tensors)

    made = Recording(counted, carried(), capture_traced)
    made.begin(carried())
    before = calls
    for _ in range(5):
        made.again()
    assert calls == before


def test_a_replay_that_gives_something_else_is_refused() -> None:
    def forgets(run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        return run(), lambda: None  # replays nothing

    with pytest.raises(RecordingError, match="a replay to give what was recorded"):
        Recording(add_up, carried(0, 1), forgets)


@pytest.mark.parametrize("problem", [RuntimeError("operation not permitted when stream is capturing"), MemoryError()])
def test_what_cannot_be_recorded_is_tried_once_and_said(problem: Exception, caplog: pytest.LogCaptureFixture) -> None:
    tries = 0

    def fails(run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        nonlocal tries
        tries += 1
        raise problem

    recordings = Recordings(fails)
    assert recordings.of("sum", add_up, carried()) is None  # the first time nothing is recorded
    assert tries == 0
    if isinstance(problem, MemoryError):  # none of PyTorch's: a fault of the program or the machine
        with pytest.raises(MemoryError):
            recordings.of("sum", add_up, carried())
        return
    assert recordings.of("sum", add_up, carried()) is None
    assert recordings.of("sum", add_up, carried()) is None
    assert tries == 1
    assert "not recorded, so it takes longer: operation not permitted" in caplog.text


def test_other_kinds_and_shapes_are_other_recordings() -> None:
    recordings = Recordings(capture_traced)
    assert recordings.of("sum", add_up, carried()) is None
    one = recordings.of("sum", add_up, carried())
    assert recordings.of("sum", add_up, carried(7)) is one
    assert one is not None
    assert first(one.again()) == [7, 8]  # it was given what it was asked for
    for kind, given in (("sum", carried(size=3)), ("other", carried())):
        assert recordings.of(kind, add_up, given) is None
        assert recordings.of(kind, add_up, given) not in (None, one)


def test_the_latest_recordings_are_kept() -> None:
    made = 0

    def counted(run: Callable[[], Tensors]) -> tuple[Tensors, Callable[[], None]]:
        nonlocal made
        made += 1
        return capture_traced(run)

    recordings = Recordings(counted)
    for kind in (*range(KEPT + 1), *range(KEPT)):
        recordings.of(kind, add_up, carried())
    recordings.of(0, add_up, carried())
    assert made == KEPT
    recordings.of(KEPT, add_up, carried())  # takes the place of kind 1, the one that nobody asked for since
    recordings.of(0, add_up, carried())
    assert made == KEPT + 1
    recordings.of(1, add_up, carried())
    assert made == KEPT + 2


def test_what_was_done_once_is_forgotten_after_a_while() -> None:
    recordings = Recordings(capture_traced)
    for kind in range(REMEMBERED + 1):
        recordings.of(kind, add_up, carried())
    assert recordings.of(1, add_up, carried()) is not None
    assert recordings.of(0, add_up, carried()) is None


@pytest.mark.parametrize(("rows", "full"), [(1, 1), (2, 2), (3, 4), (5, 8), (8, 8), (9, 16)])
def test_batches_are_filled_up_to_a_power_of_two(rows: int, full: int) -> None:
    batch = torch.arange(2.0 * rows).view(rows, 2)
    filled = filled_up(batch)
    assert len(filled) == full
    assert torch.equal(filled[:rows], batch)
    assert torch.equal(filled[rows:], batch[:1].expand(full - rows, 2))


def test_work_that_waits_for_its_numbers_cannot_be_recorded(caplog: pytest.LogCaptureFixture) -> None:
    def asks(tensors: Tensors) -> tuple[Tensors, Tensors]:
        return tensors, (tensors[0] if tensors[0].sum() > 0 else tensors[1],)

    recordings = Recordings(capture_traced)
    for _ in range(2):
        assert recordings.of("asks", asks, carried(1)) is None
    assert "not recorded" in caplog.text


def test_only_a_gpu_is_recorded() -> None:
    assert capture_for(torch.device("cpu")) is None
    assert capture_for(torch.device("cuda")) is not None


def test_cuda_without_a_gpu_is_refused_and_left() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    capture = capture_for(torch.device("cuda"))
    assert capture is not None
    recordings = Recordings(capture)
    for _ in range(2):
        assert recordings.of("sum", add_up, carried()) is None


def plain(work: Callable[[Tensors], tuple[Tensors, Tensors]], given: Tensors, times: int) -> list[Tensor]:
    came = []
    for _ in range(times):
        given, (_, after) = work(given)
        came.append(after)
    return came


def test_equals_the_plain_loop() -> None:
    made = Recording(add_up, carried(0.5, 0.25), capture_traced)
    made.begin(carried(0.5, 0.25))
    for expected in plain(add_up, carried(0.5, 0.25), 6):
        assert torch.equal(made.again()[1], expected)
