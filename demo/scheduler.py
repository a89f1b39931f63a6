"""Who is next: the one place where the page's photos and questions meet the model.

One thread owns the model. It takes what has waited longest and, with it, all waiting photos that are to be searched in
the same way, as one batch; a single photo is begun at once. The same photo asked about by several visitors is one job
with several tickets; a job without a ticket is dropped, and stopped where it is under way.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError
from captioner.interrupt import interruptible
from demo import text
from demo.batches import PhotoTask, batch_limit, describe_batch
from demo.grids import GridCache
from demo.process_memory import return_memory
from demo.result_cache import ResultCache, measure

if TYPE_CHECKING:
    from captioner.captioner import Captioner

LOG = logging.getLogger(__name__)
CAPACITY = 32  # jobs that may wait; the next is refused, and its visitor told when to try again
PLACE_PERIOD = 0.25  # seconds between two looks at the place in the line
RECENT = 20  # batches whose pace tells how long the next will take
UNKNOWN_PACE = 1.0  # seconds a job, before anything was measured


class FullError(CaptionerError):
    """Too many wait.

    Attributes:
        seconds: until those who wait now will have had their turn.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(text.try_again_in(seconds))
        self.seconds = seconds


class GoneError(CaptionerError):
    """The visitor went away, or asked for something else in this one's place."""


@dataclass(frozen=True, eq=False)
class ModelTask:
    """Anything else that needs the model; its result is not kept."""

    work: Callable[[Captioner], Any]


Task = PhotoTask | ModelTask


@dataclass(eq=False)
class _Job:
    task: Task
    key: Hashable | None
    tickets: list[Ticket] = field(default_factory=list)


@dataclass(eq=False)
class Ticket:
    """One visitor's place.

    Attributes:
        session: the connection it was asked on, which may end; see `Scheduler.leave`.
    """

    scheduler: Scheduler
    visitor: Hashable
    session: Hashable
    future: Future[Any] = field(default_factory=Future)

    def result(self, seconds: float = math.inf, told: Callable[[int], None] | None = None) -> Any:
        """Wait for the result.

        Args:
            seconds: the most to wait; the place is given up then.
            told: is told whenever the number of jobs before this one changes; 0 once its turn has come.

        Raises:
            FullError: its turn did not come in time.
            GoneError: the place was given up meanwhile.
            CaptionerError: the task's own.
        """
        deadline, last = time.monotonic() + seconds, None
        while not self.future.done():
            ahead = self.scheduler.ahead(self)
            if told is not None and ahead != last:
                told(ahead)
            last = ahead
            if ahead and time.monotonic() >= deadline:  # what was begun is waited for
                self.scheduler.give_up(self)
                raise FullError(self.scheduler.seconds_left())
            wait([self.future], PLACE_PERIOD)
        try:
            return self.future.result()
        except CancelledError as gone:
            raise GoneError(text.GONE) from gone


class Scheduler:
    """Gives every visitor a turn with the model.

    Args:
        find_captioner: gives the captioner, waiting for it where it is still being loaded.
        capacity: how many jobs may wait.
        cache: keeps results.
        grids: keeps the photos' grids.
    """

    def __init__(
        self,
        find_captioner: Callable[[], Captioner],
        capacity: int = CAPACITY,
        cache: ResultCache | None = None,
        grids: GridCache | None = None,
    ) -> None:
        self._find_captioner, self._capacity = find_captioner, capacity
        self._cache = ResultCache() if cache is None else cache
        self._grids = grids or GridCache()
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._paces: deque[float] = deque(maxlen=RECENT)
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def ask(self, task: Task, visitor: Hashable = None, session: Hashable = None, most: int = 1) -> Ticket:
        """A ticket for the task's result.

        Args:
            visitor: who asks, by any name the visitor alone has; None where that is not known.
            session: see `leave`.
            most: how many jobs of this visitor may wait; the first gives its place to this one.

        Raises:
            FullError: too many wait.
        """
        ticket, key = Ticket(self, visitor, session), task.key if isinstance(task, PhotoTask) else None
        with self._changed:
            known = None if key is None else self._cache.find(key)
            if known is not None:
                ticket.future.set_result(known)
                return ticket
            job = self._same(key)
            self._replace(visitor, most, job)
            if job is None:
                if len(self._waiting) >= self._capacity:
                    raise FullError(self._seconds_left())
                job = _Job(task, key)
                self._waiting.append(job)
            job.tickets.append(ticket)
            self._changed.notify()
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="model", daemon=True)
                self._worker.start()
        return ticket

    def ahead(self, ticket: Ticket) -> int:
        """How many jobs are done before this ticket's is begun."""
        with self._changed:
            places = [place for place, job in enumerate(self._waiting) if ticket in job.tickets]
            return places[0] + len(self._running) if places else 0

    def waiting(self) -> int:
        """How many jobs wait for their turn."""
        with self._changed:
            return len(self._waiting)

    def seconds_left(self) -> int:
        """About how long those who wait now, and who is being served, will take; 1 or more."""
        with self._changed:
            return self._seconds_left()

    def leave(self, session: Hashable) -> None:
        """The connection has ended: nobody waits there any more."""
        with self._changed:
            jobs = [*self._waiting, *self._running]
            for ticket in [ticket for job in jobs for ticket in job.tickets if ticket.session == session]:
                self._drop(ticket)

    def give_up(self, ticket: Ticket) -> None:
        """The result is no longer wanted on this ticket."""
        with self._changed:
            self._drop(ticket)

    def _same(self, key: Hashable | None) -> _Job | None:
        jobs = (*self._running, *self._waiting)
        return None if key is None else next((job for job in jobs if job.key == key and job.tickets), None)

    def _replace(self, visitor: Hashable, most: int, job: _Job | None) -> None:
        """Let the first of a visitor's waiting jobs go where there would be too many; `job` itself keeps its place."""
        if visitor is None:
            return
        others = [other for other in self._waiting if other is not job]
        own = [ticket for other in others for ticket in other.tickets if ticket.visitor == visitor]
        for ticket in own[: len(own) + 1 - most]:
            self._drop(ticket)

    def _drop(self, ticket: Ticket) -> None:
        for job in (*self._waiting, *self._running):
            if ticket in job.tickets:
                job.tickets.remove(ticket)
        self._waiting = [job for job in self._waiting if job.tickets]
        ticket.future.cancel()

    def _seconds_left(self) -> int:
        pace = sum(self._paces) / len(self._paces) if self._paces else UNKNOWN_PACE
        return max(1, math.ceil(pace * (len(self._waiting) + len(self._running))))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
            try:
                captioner = self._find_captioner()
            except Exception as problem:
                with self._changed:
                    self._running, self._waiting = self._waiting, []
                self._settle(self._running, [problem] * len(self._running))
                continue
            begun, jobs = time.monotonic(), self._take(batch_limit(captioner))
            if jobs:
                self._settle(jobs, self._results(captioner, jobs))
                self._paces.append((time.monotonic() - begun) / len(jobs))
                if not self.waiting():
                    return_memory()

    def _take(self, limit: int) -> list[_Job]:
        """The job that has waited longest, and those that can be done with it."""
        with self._changed:
            if self._waiting:
                first = self._waiting[0].task
                alike = [job for job in self._waiting[1:] if _alike(first, job.task)]
                self._running = [self._waiting[0], *alike][:limit]
                self._waiting = [job for job in self._waiting if job not in self._running]
            return self._running

    def _results(self, captioner: Captioner, jobs: Sequence[_Job]) -> list[Any]:
        """For each job its result, or the exception that is in its place."""
        try:
            with interruptible(lambda: any(job.tickets for job in jobs)):
                if isinstance(jobs[0].task, ModelTask):
                    return [jobs[0].task.work(captioner)]
                tasks = [job.task for job in jobs if isinstance(job.task, PhotoTask)]
                return describe_batch(captioner, tasks, self._grids)
        except Exception as problem:  # whatever it is, it is the asker's to tell
            return [problem] * len(jobs)

    def _settle(self, jobs: Sequence[_Job], results: Sequence[Any]) -> None:
        both = list(zip(jobs, results, strict=True))
        sizes = [0 if job.key is None or isinstance(result, Exception) else measure(result) for job, result in both]
        with self._changed:
            self._running = []
            for job, result, size in zip(jobs, results, sizes, strict=True):
                if size:
                    self._cache.keep(job.key, result, size)
                for ticket in job.tickets:
                    _answer(ticket.future, result)


def _alike(first: Task, other: Task) -> bool:
    return isinstance(first, PhotoTask) and isinstance(other, PhotoTask) and first.alike(other)


def _answer(future: Future[Any], result: Any) -> None:
    try:
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
    except InvalidStateError:  # its visitor left at this very moment
        LOG.debug("A result came too late.")
