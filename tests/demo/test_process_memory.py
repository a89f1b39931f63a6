"""Memory is returned as long as the page is served, and no longer."""

from __future__ import annotations

import asyncio
import threading

import pytest

from demo import process_memory


def test_memory_is_returned_again_and_again_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    returned = threading.Semaphore(0)
    monkeypatch.setattr(process_memory, "return_memory", returned.release)

    async def serve() -> None:
        async with process_memory.returning(0.001):
            for _ in range(3):
                assert await asyncio.to_thread(returned.acquire, timeout=20)

    asyncio.run(serve())
    while returned.acquire(blocking=False):
        pass
    assert not returned.acquire(timeout=0.1)


def test_what_is_returned_is_used_again() -> None:
    process_memory.return_memory()
    assert bytes(10_000_000).count(0) == 10_000_000
