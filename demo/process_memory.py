"""Memory of the serving process: what the collector and the allocator are told at its start."""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from anyio import to_thread

MALLOPT_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
PERIOD = 5.0  # seconds between two looks for memory that can be returned


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collections: they take a fifth of the time of importing PyTorch, which leaves hardly any garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def spare_memory() -> None:
    """Let all threads share one pool of memory: each photo is captioned in another thread, and in a pool of its own for
    each of them what the last one needed lies idle. Threads seldom meet there, Python runs one at a time."""
    choose = _of_glibc("mallopt")
    if choose is not None:
        choose(MALLOPT_ARENA_MAX, 1)


def settle_memory() -> None:
    """Give back what only loading needed, and spare what stays from garbage collections: looking through it takes a
    third of a second, in the middle of somebody's caption."""
    gc.collect()
    gc.freeze()
    return_memory()
    atexit.register(gc.unfreeze)  # what lives to the end is cleared up as ever


def return_memory() -> None:
    """Give what is free back to the machine: after a batch of photos, that is a fifth of all this process has."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


@asynccontextmanager
async def returning(seconds: float = PERIOD) -> AsyncIterator[None]:
    """Return memory again and again meanwhile; it takes some milliseconds."""

    async def return_on() -> None:
        while True:
            await asyncio.sleep(seconds)
            await to_thread.run_sync(return_memory)

    task = asyncio.create_task(return_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where another library takes its place."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
