"""Ending a computation that nobody waits for any more: between an encoder's stages and a decoder's steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from captioner.errors import CaptionerError

_WANTED: ContextVar[Callable[[], bool] | None] = ContextVar("wanted", default=None)  # of this thread alone


class InterruptedCaptioningError(CaptionerError):
    """Nobody waits for the result any more."""


@contextmanager
def interruptible(wanted: Callable[[], bool]) -> Iterator[None]:
    """Inside, this thread's encoding and searching goes on only as long as `wanted()` is true.

    Args:
        wanted: asked before every stage of an encoder and every step of a search, so it must be quick.

    Raises:
        InterruptedCaptioningError: it was no longer true.
    """
    token = _WANTED.set(wanted)
    try:
        yield
    finally:
        _WANTED.reset(token)


def check_wanted() -> None:
    """Raise InterruptedCaptioningError where this thread is inside `interruptible` and the result is not wanted."""
    wanted = _WANTED.get()
    if wanted is not None and not wanted():
        raise InterruptedCaptioningError("The work was stopped: nobody waits for its result.")
