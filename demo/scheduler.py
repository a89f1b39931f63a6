"""Who is next: the one place where the page's photos and questions meet the model.

One thread owns the model. It takes what has waited longest and, with it, all waiting photos that are to be searched in
the same way, as one batch; a single photo is begun at once. Meanwhile a second thread opens the photos that come next,
and makes of what was seen before what the page shows. The same photo asked about by several visitors is one job with
several tickets; a job without a ticket is dropped, and stopped where it is under way.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from captioner.interrupt import interruptible
from demo import text
from demo.batches import Opened, PhotoTask, batch_limit, finish, look, open_task
from demo.grids import GridCache
from demo.packing import read_json, write_json
from demo.result_cache import ResultCache
from demo.tickets import FullError, GoneError, Ticket

if TYPE_CHECKING:
    from captioner.captioner import Captioner

CAPACITY = 32  # jobs that may wait; the next is refused, and its visitor told when to try again
RECENT = 20  # batches whose pace tells how long the next will take
UNKNOWN_PACE = 1.0  # seconds a job, before anything was measured


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
    opened: Future[Opened | Exception] | None = None  # its photo, from when it is among the next


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
        self._finishing: list[_Job] = []
        self._hands = ThreadPoolExecutor(1, "hands")
        self._captioner: Captioner | None = None  # the one last found
        self._paces: deque[float] = deque(maxlen=RECENT)
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def ask(self, task: Task, visitor: Hashable = None, session: Hashable = None, most: int = 1) -> Ticket:
        """A ticket for the task's result.

        Args:
            visitor: who asks, by any name the visitor alone has; None where that is not known.
            session: see `leave`.
            most: how many jobs of this visitor may wait; the first gives its place to this one.

        Raises:
            FullError: too many wait.
            GoneError: it was closed.
        """
        ticket, key = Ticket(self, visitor, session), task.key if isinstance(task, PhotoTask) else None
        with self._changed:
            if self._closed:
                raise GoneError(text.GONE)
            known = None if key is None else self._cache.find(key)
            if known is None:
                self._join(ticket, task, key, most)
        if known is not None:  # read while nobody waits for the line
            ticket.settle(read_json(known))
        return ticket

    def _join(self, ticket: Ticket, task: Task, key: Hashable | None, most: int) -> None:
        """Let a ticket wait for a job like its own, or for a new one."""
        job = self._same(key)
        self._replace(ticket.visitor, most, job)
        if job is None:
            if len(self._waiting) >= self._capacity:
                raise FullError(self._seconds_left())
            job = _Job(task, key)
            self._waiting.append(job)
        job.tickets.append(ticket)
        self._open_next()
        self._changed.notify()
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="model", daemon=True)
            self._worker.start()

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
            for ticket in [ticket for job in self._all() for ticket in job.tickets if ticket.session == session]:
                self._drop(ticket)

    def give_up(self, ticket: Ticket) -> None:
        """The result is no longer wanted on this ticket."""
        with self._changed:
            self._drop(ticket)

    def close(self, seconds: float) -> None:
        """Give up all that waits or is under way, take nothing any more, and wait so long for the model to stop."""
        with self._changed:
            self._closed = True
            for ticket in [ticket for job in self._all() for ticket in job.tickets]:
                self._drop(ticket)
            self._changed.notify()
        if self._worker is not None:
            self._worker.join(seconds)

    def _same(self, key: Hashable | None) -> _Job | None:
        return None if key is None else next((job for job in self._all() if job.key == key and job.tickets), None)

    def _all(self) -> list[_Job]:
        return [*self._finishing, *self._running, *self._waiting]

    def _replace(self, visitor: Hashable, most: int, job: _Job | None) -> None:
        """Let the first of a visitor's waiting jobs go where there would be too many; `job` itself keeps its place."""
        if visitor is None:
            return
        others = [other for other in self._waiting if other is not job]
        own = [ticket for other in others for ticket in other.tickets if ticket.visitor == visitor]
        for ticket in own[: len(own) + 1 - most]:
            self._drop(ticket)

    def _drop(self, ticket: Ticket) -> None:
        for job in self._all():
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
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
            try:
                captioner = self._find_captioner()
            except Exception as problem:
                with self._changed:
                    jobs, self._waiting = self._waiting, []
                for job in jobs:
                    self._settle(job, problem)
                continue
            self._turn(captioner)

    def _turn(self, captioner: Captioner) -> None:
        begun, jobs = time.monotonic(), self._take(captioner)
        if jobs:
            self._do(captioner, jobs)
            self._paces.append((time.monotonic() - begun) / len(jobs))

    def _take(self, captioner: Captioner) -> list[_Job]:
        """The job that has waited longest, and those that can be done with it; the next photos are opened meanwhile."""
        with self._changed:
            self._captioner = captioner
            if self._waiting:
                first = self._waiting[0].task
                alike = [job for job in self._waiting[1:] if _alike(first, job.task)]
                self._running = [self._waiting[0], *alike][: batch_limit(captioner)]
                self._waiting = [job for job in self._waiting if job not in self._running]
            self._open_next()
            return self._running

    def _open_next(self) -> None:
        """Have the photos opened that are next, as many as a batch has: more would take memory before their time."""
        if self._captioner is None:
            return
        for job in (*self._running, *self._waiting[: batch_limit(self._captioner)]):
            if job.opened is None and isinstance(job.task, PhotoTask):
                job.opened = self._hands.submit(open_task, self._captioner, job.task)

    def _do(self, captioner: Captioner, jobs: Sequence[_Job]) -> None:
        """What needs the model; the rest is left to the other thread."""
        try:
            with interruptible(lambda: any(job.tickets for job in jobs)):
                found = _seen(captioner, jobs, self._grids)
        except Exception as problem:  # whatever it is, it is the asker's to tell
            found = [partial(_as_it_is, problem)] * len(jobs)
        with self._changed:
            self._finishing += jobs
            self._running = []
        for job, result in zip(jobs, found, strict=True):
            if isinstance(job.task, PhotoTask):
                self._hands.submit(self._finish, job, result)
            else:  # ready as it is
                self._finish(job, result)

    def _finish(self, job: _Job, result: Callable[[], Any]) -> None:
        try:
            self._settle(job, result())
        except Exception as problem:
            self._settle(job, problem)

    def _settle(self, job: _Job, result: Any) -> None:
        kept = None if job.key is None or isinstance(result, Exception) else write_json(result)
        with self._changed:
            if kept is not None:
                self._cache.keep(job.key, kept)
            if job in self._finishing:
                self._finishing.remove(job)
            for ticket in job.tickets:
                ticket.settle(result)


def _seen(captioner: Captioner, jobs: Sequence[_Job], grids: GridCache) -> list[Callable[[], Any]]:
    """For each job what gives its result, or the exception that is in its place, without the model."""
    first = jobs[0].task
    if isinstance(first, ModelTask):
        answer = first.work(captioner)
        return [partial(_as_it_is, answer)]
    opened = [job.opened.result() for job in jobs if job.opened is not None]
    batch = [one for one in opened if isinstance(one, Opened)]
    found = iter(look(captioner, batch, grids) if batch else ())
    return [
        partial(finish, captioner, one, next(found)) if isinstance(one, Opened) else partial(_as_it_is, one)
        for one in opened
    ]


def _as_it_is(result: Any) -> Any:
    return result


def _alike(first: Task, other: Task) -> bool:
    return isinstance(first, PhotoTask) and isinstance(other, PhotoTask) and first.alike(other)
