"""Uploaded photos leave the server after an hour, by a clock that only grows.

Gradio goes by the machine's clock: set forward by a day, it would take away the photo a visitor has just brought; set
back, it would keep photos for a day. It also knows only of what it was given since it was started.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from anyio import to_thread

HOUR = 3600.0  # seconds; photos are deleted when they have lain longer than that, looked at every hour
_HASH = re.compile(r"[0-9a-f]{64}")


class Expiry:
    """Deletes uploads by when they were first seen.

    Args:
        folder: of the uploads; nothing in it is touched that does not look like one.
        seconds: that a photo may lie there, and between two looks.
        clock: gives seconds that only grow.
    """

    def __init__(self, folder: Path, seconds: float = HOUR, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._seconds, self._clock = folder, seconds, clock
        self._seen: dict[tuple[Path, int], float] = {}  # a file as it was last written -> when it was first seen

    def sweep(self) -> None:
        """Delete what has lain there for too long; what was brought again meanwhile begins anew."""
        now = self._clock()
        seen = {upload: self._seen.get(upload, now) for upload in self._uploads()}
        old = [upload for upload, first in seen.items() if now - first >= self._seconds]
        for file, _ in old:
            with contextlib.suppress(OSError):
                file.unlink()
                if file.parent != self._folder:
                    file.parent.rmdir()
        self._seen = {upload: first for upload, first in seen.items() if upload not in old}

    async def sweep_on(self) -> None:
        """Sweep for ever, at once and then again and again."""
        while True:
            await to_thread.run_sync(self.sweep)
            await asyncio.sleep(self._seconds)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: object) -> AsyncIterator[None]:
        """While the page is served."""
        del app
        sweeping = asyncio.create_task(self.sweep_on())
        try:
            yield
        finally:
            sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping

    def _uploads(self) -> Iterator[tuple[Path, int]]:
        """The photos, and what a process left of an upload when it was killed."""
        for place in _listed(self._folder):
            for file in _listed(place) if _HASH.fullmatch(place.name) else [place] if self._unfinished(place) else []:
                with contextlib.suppress(OSError):
                    if file.is_file():
                        yield file, file.lstat().st_ctime_ns

    def _unfinished(self, place: Path) -> bool:
        """Whether Gradio's name for an upload under way; other programs use such names where they share a folder."""
        return place.name.startswith(tempfile.gettempprefix()) and self._folder != Path(tempfile.gettempdir())


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # gone, or no folder
        return []
