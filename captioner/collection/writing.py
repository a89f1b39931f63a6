"""Lines of a collection on their way out: a thread of its own writes them, from a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from captioner.errors import RecordError

WAITING_LINES = 256  # captioned, but not written yet

Line = dict[str, Any]  # of one photo: plain JSON values, "photo" among them


class Store(Protocol):
    """Where the lines of a collection lie."""

    def resume(self, retry: bool) -> set[str]:
        """The photos that have a line; what a kill left half done is cleared away.

        Args:
            retry: drop the lines of photos that were refused.

        Raises:
            RecordError: what lies there is something else, or cannot be read or written.
        """
        ...

    def add(self, line: Line) -> None:
        """Write a line, at once or with later ones; an OSError when that cannot be done."""
        ...

    def close(self) -> None:
        """Write what was kept for later, unless writing failed before; an OSError when that cannot be done."""
        ...


class Writer:
    """Gives lines to a store from a thread of its own; what goes wrong there is raised by the next `put` or at the end.

    The store is closed in any case.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lines: queue.Queue[Line | None] = queue.Queue(WAITING_LINES)
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._write, name="collection writer", daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._lines.put(None)
        self._thread.join()
        if kind is None:
            self._raise()

    def put(self, line: Line) -> None:
        """Queue a line; waits while many are queued."""
        self._raise()
        self._lines.put(line)

    def _raise(self) -> None:
        if isinstance(self._problem, OSError):
            raise RecordError(
                "The captions could not all be written: make room, then give the same command again"
            ) from self._problem
        if self._problem is not None:
            raise self._problem

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if self._problem is None:  # else the queue is emptied, so that nobody waits for it
                self._try(self._store.add, line)
        self._try(self._store.close)

    def _try(self, act: Callable[..., None], *given: Line) -> None:
        try:
            act(*given)
        except Exception as problem:  # whatever it is: it belongs to the thread that waits
            self._problem = self._problem or problem
