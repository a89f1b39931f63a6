"""Turns, batches, shared work and leaving, with a model that waits until the test lets it go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest
import torch
from PIL import Image

from builders import photo
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import PhotoError
from captioner.interrupt import check_wanted
from captioner.search_options import SearchOptions
from demo.batches import ON_CPU, Opened, PhotoTask, Seen, describe_within_memory
from demo.grids import GridCache
from demo.result_cache import ResultCache
from demo.scheduler import ModelTask, Scheduler
from demo.tickets import FullError, GoneError, Ticket
from visits import ScriptedCaptioner

PATIENCE = 20  # seconds after which a test has failed


class Gate(ScriptedCaptioner):
    """Describes nothing until it is `open`; `batches` are the widths of the photos it was given together."""

    def __init__(self, device: str = "cpu", memory: int = 99) -> None:
        self.open, self.begun, self.stopped = threading.Event(), threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.devices: list[str] = []
        self.device, self.memory = torch.device(device), memory

    def on(self, device: str) -> Gate:
        """The same, elsewhere, with room for everything."""
        other = Gate(device)
        other.open, other.batches, other.devices = self.open, self.batches, self.devices
        other.shown = self.shown
        return other

    def search(
        self, grid: FeatureGrid, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> tuple[Description, ...]:
        if len(grid.annotations) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append([photo.width for photo in self.behind(grid)])
        self.devices.append(self.device.type)
        self.begun.set()
        try:
            while not self.open.wait(0.01):
                check_wanted()
        finally:
            if not self.open.is_set():
                self.stopped.set()
        return super().search(grid, options, prefix)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def scheduler(gate: Gate) -> Scheduler:
    return Scheduler(lambda: cast(Captioner, gate), capacity=3)


def task(width: int, words: tuple[str, ...] = ()) -> PhotoTask:
    def finish(captioner: Captioner, shown: Image.Image, seen: Seen) -> dict[str, Any]:
        return {"text": seen.description.captions[0].text, "width": shown.width}

    return PhotoTask(f"photo {width}", "plain", SearchOptions(widths=(1, 2)), words, lambda: photo(width), finish)


def busy(scheduler: Scheduler, gate: Gate) -> Ticket:
    """Somebody's photo of width 90 that is under way."""
    ticket = scheduler.ask(task(90), "busy", "busy session")
    assert gate.begun.wait(PATIENCE)
    return ticket


def test_one_photo_is_begun_at_once(scheduler: Scheduler, gate: Gate) -> None:
    gate.open.set()
    result = scheduler.ask(task(40), "ann").result(PATIENCE)
    assert result == {"text": "a red dog", "width": 40}
    assert gate.batches == [[40]]


def test_those_who_wait_become_one_batch_and_get_each_their_own(scheduler: Scheduler, gate: Gate) -> None:
    first = busy(scheduler, gate)
    tickets = [scheduler.ask(task(width), f"visitor {width}") for width in (41, 42, 43)]
    gate.open.set()
    assert first.result()["width"] == 90
    assert [ticket.result()["width"] for ticket in tickets] == [41, 42, 43]
    assert gate.batches == [[90], [41, 42, 43]]


def test_photos_searched_differently_are_not_one_batch(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    tickets = [scheduler.ask(one) for one in (task(41), task(42, ("two",)), task(43))]
    gate.open.set()
    assert [ticket.result()["text"] for ticket in tickets] == ["a red dog", "two red dog", "a red dog"]
    assert gate.batches == [[90], [41, 43], [42]]


def test_the_next_photos_are_opened_while_the_model_is_busy(gate: Gate) -> None:
    scheduler, opened = Scheduler(lambda: cast(Captioner, gate)), threading.Semaphore(0)

    def open_photo() -> Image.Image:
        opened.release()
        return photo(41)

    def opening(width: int) -> PhotoTask:
        return PhotoTask(f"photo {width}", "plain", task(41).options, (), open_photo, task(41).finish)

    busy(scheduler, gate)
    tickets = [scheduler.ask(opening(width)) for width in range(41, 41 + ON_CPU + 2)]
    for _ in range(ON_CPU):
        assert opened.acquire(timeout=PATIENCE)
    assert not gate.open.is_set()
    assert not opened.acquire(timeout=0.2)  # the last two are not of the next batch
    gate.open.set()
    assert [ticket.result()["width"] for ticket in tickets] == [41] * len(tickets)


def test_the_model_goes_on_while_what_it_saw_is_made_ready(scheduler: Scheduler, gate: Gate) -> None:
    slow, ready = threading.Event(), task(40).finish

    def finish(captioner: Captioner, shown: Image.Image, seen: Seen) -> Any:
        assert slow.wait(PATIENCE)
        return ready(captioner, shown, seen)

    gate.open.set()
    first = scheduler.ask(PhotoTask("slow", "plain", task(40).options, (), lambda: photo(40), finish))
    answered = scheduler.ask(ModelTask(lambda captioner: slow.set()))
    answered.result(PATIENCE)  # were it not done meanwhile, the first would wait for ever
    assert first.result(PATIENCE)["width"] == 40


def test_a_fault_in_making_it_ready_is_told_to_whom_it_concerns(scheduler: Scheduler, gate: Gate) -> None:
    def finish(captioner: Captioner, shown: Image.Image, seen: Seen) -> Any:
        raise ZeroDivisionError("a fault")

    gate.open.set()
    wrong = scheduler.ask(PhotoTask("wrong", "plain", task(40).options, (), lambda: photo(40), finish))
    with pytest.raises(ZeroDivisionError):
        wrong.result(PATIENCE)
    assert scheduler.ask(task(41)).result(PATIENCE)["width"] == 41
    assert scheduler.seconds_left() == 1


def test_a_photo_that_cannot_be_opened_spoils_no_other(scheduler: Scheduler, gate: Gate) -> None:
    def broken() -> Image.Image:
        raise PhotoError("broken")

    busy(scheduler, gate)
    bad = PhotoTask("bad", "plain", task(41).options, (), broken, task(41).finish)
    wrong, right = scheduler.ask(bad), scheduler.ask(task(41))
    gate.open.set()
    assert right.result()["width"] == 41
    with pytest.raises(PhotoError, match="broken"):
        wrong.result()


def test_the_same_photo_is_captioned_once_while_it_waits_and_afterwards(scheduler: Scheduler, gate: Gate) -> None:
    first = busy(scheduler, gate)
    second = scheduler.ask(task(90), "bob")
    waiting = [scheduler.ask(task(41), visitor) for visitor in ("cid", "dot")]
    gate.open.set()
    assert first.result() == second.result()
    assert waiting[0].result() == waiting[1].result()
    assert scheduler.ask(task(41), "eve").result() == waiting[0].result()
    assert gate.batches == [[90], [41]]


def test_a_new_photo_takes_the_place_of_ones_own_waiting_photo(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    tickets = [scheduler.ask(task(width), "ann") for width in range(41, 61)]  # more than there is room for
    for old in tickets[:-1]:
        with pytest.raises(GoneError):
            old.result()
    gate.open.set()
    assert tickets[-1].result()["width"] == 60
    assert gate.batches == [[90], [60]]


def test_asking_again_for_the_same_photo_keeps_its_place(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    scheduler.ask(task(41), "ann")
    scheduler.ask(task(42, ("two",)), "bob")
    assert scheduler.ahead(scheduler.ask(task(41), "ann")) == 1


def test_the_place_counts_down_to_zero(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    scheduler.ask(task(41))
    ticket, told = scheduler.ask(task(42)), list[int]()

    def hear(ahead: int) -> None:
        told.append(ahead)
        gate.open.set()

    ticket.result(PATIENCE, hear)
    assert told[0] == 2
    assert told == sorted(told, reverse=True)


def test_a_full_line_says_when_to_try_again(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    for width in (41, 42, 43):
        scheduler.ask(task(width))
    with pytest.raises(FullError, match=r"in about 4 s\.$") as refused:  # nothing was measured: a second each
        scheduler.ask(task(44))
    assert refused.value.seconds == 4
    gate.open.set()


def test_who_leaves_the_line_makes_room_and_is_never_begun(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    tickets = [scheduler.ask(task(width), session=width) for width in (41, 42, 43)]
    scheduler.leave(42)
    last = scheduler.ask(task(44))
    gate.open.set()
    with pytest.raises(GoneError):
        tickets[1].result()
    assert last.result()["width"] == 44
    assert gate.batches == [[90], [41, 43, 44]]


def test_work_stops_when_its_only_visitor_leaves_and_the_next_is_begun(scheduler: Scheduler, gate: Gate) -> None:
    ticket = busy(scheduler, gate)
    following = scheduler.ask(task(41))
    scheduler.leave("busy session")
    with pytest.raises(GoneError):
        ticket.result()
    assert gate.stopped.wait(PATIENCE)
    gate.open.set()
    assert following.result()["width"] == 41
    assert scheduler.ask(task(90)).result()["width"] == 90  # what was stopped is not known
    assert gate.batches == [[90], [41], [90]]


def test_work_goes_on_as_long_as_one_waits_for_it(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    other = scheduler.ask(task(90), "bob", "other session")
    scheduler.leave("busy session")
    gate.open.set()
    assert other.result()["width"] == 90
    assert not gate.stopped.is_set()


def test_a_turn_that_does_not_come_in_time_is_given_up(scheduler: Scheduler, gate: Gate) -> None:
    busy(scheduler, gate)
    with pytest.raises(FullError):
        scheduler.ask(task(41)).result(seconds=0)
    gate.open.set()
    scheduler.ask(task(42)).result()
    assert gate.batches == [[90], [42]]


def test_other_work_waits_its_turn_and_is_not_kept(scheduler: Scheduler, gate: Gate) -> None:
    seen: list[object] = []
    work = ModelTask(lambda captioner: seen.append(captioner) or len(seen))  # type: ignore[func-returns-value]
    gate.open.set()
    assert [scheduler.ask(work).result() for _ in range(2)] == [1, 2]
    assert seen == [gate, gate]


def test_a_fault_is_told_to_its_asker_and_the_next_is_served(scheduler: Scheduler, gate: Gate) -> None:
    def fail(captioner: Captioner) -> None:
        raise ZeroDivisionError

    gate.open.set()
    with pytest.raises(ZeroDivisionError):
        scheduler.ask(ModelTask(fail)).result()
    assert scheduler.ask(task(40)).result()["width"] == 40


def test_a_model_that_cannot_be_loaded_is_told() -> None:
    def find() -> Captioner:
        raise PhotoError("no model")

    with pytest.raises(PhotoError, match="no model"):
        Scheduler(find).ask(task(40)).result()


@pytest.mark.parametrize(
    ("memory", "batches", "devices"),
    [(4, [[40, 41], [42, 43, 44]], ["cuda", "cuda"]), (0, [[40], [41], [42], [43], [44]], ["cpu"] * 5)],
)
def test_too_little_memory_halves_the_batch_and_at_last_takes_the_cpu(
    memory: int, batches: list[list[int]], devices: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate("cuda", memory)
    gate.open.set()
    batch = [Opened(task(40 + index), photo(40 + index), photo(40 + index)) for index in range(5)]
    found = describe_within_memory(cast(Captioner, gate), batch, GridCache())
    assert len(found) == 5
    assert gate.batches == batches
    assert gate.devices == devices
    assert "two batches" in caplog.text
    assert ("on the CPU" in caplog.text) == (memory == 0)


def test_too_little_memory_on_the_cpu_itself_is_a_fault() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        describe_within_memory(cast(Captioner, Gate("cpu", 0)), [Opened(task(40), photo(40), photo(40))], GridCache())


@pytest.mark.parametrize(("fill", "left"), [(lambda: ResultCache(2), [2, 3]), (lambda: ResultCache(9, 2500), [2, 3])])
def test_the_results_not_used_for_longest_leave(fill: Callable[[], ResultCache], left: list[int]) -> None:
    cache = fill()
    for number in (1, 2):
        cache.keep(number, b"a" * 1000)
    assert cache.find(2) is not None
    cache.keep(3, b"b" * 1000)
    assert [number for number in (1, 2, 3) if cache.find(number)] == left


def test_a_result_larger_than_all_that_may_be_kept_is_not_kept() -> None:
    cache = ResultCache(bytes_kept=100)
    cache.keep(1, b"a" * 200)
    assert len(cache) == 0
