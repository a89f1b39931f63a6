"""A visitor's place in the line for the model, and what becomes of it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from captioner.errors import CaptionerError
from demo import text

LOG = logging.getLogger(__name__)
PLACE_PERIOD = 0.25  # seconds between two looks at the place in the line


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


class Line(Protocol):
    """Where tickets wait: the scheduler."""

    def ahead(self, ticket: Ticket) -> int:
        """How many jobs are done before this ticket's is begun."""

    def give_up(self, ticket: Ticket) -> None:
        """The result is no longer wanted on this ticket."""

    def seconds_left(self) -> int:
        """About how long those who wait now will take."""


@dataclass(eq=False)
class Ticket:
    """One visitor's place.

    Attributes:
        session: the connection it was asked on, which may end; see `Scheduler.leave`.
    """

    line: Line
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
            ahead = self.line.ahead(self)
            if told is not None and ahead != last:
                told(ahead)
            last = ahead
            if ahead and time.monotonic() >= deadline:  # what was begun is waited for
                self.line.give_up(self)
                raise FullError(self.line.seconds_left())
            wait([self.future], PLACE_PERIOD)
        try:
            return self.future.result()
        except CancelledError as gone:
            raise GoneError(text.GONE) from gone

    def settle(self, result: Any) -> None:
        """Give the result, or raise the exception in its place, where it is waited for."""
        try:
            if isinstance(result, Exception):
                self.future.set_exception(result)
            else:
                self.future.set_result(result)
        except InvalidStateError:  # its visitor left at this very moment
            LOG.debug("A result came too late.")
