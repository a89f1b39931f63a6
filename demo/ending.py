"""The end of the page, in order and soon whoever asks for it, so that no uploaded photo stays behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

# Ctrl+C; docker stop and systemd; a terminal that is closed, here and on Windows.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
MODEL_PATIENCE = 2.0  # seconds for the model to stop between two of its steps
STREAM_PATIENCE = 2  # seconds for those who still listen, before they are cut off
LAST = 8.0  # seconds until the process ends whatever still holds it up; docker stop waits for 10


@contextmanager
def ended_by_signals(folder: Path | None) -> Iterator[None]:
    """Let a signal end what is done meanwhile as an exception does, and then the process, with exit code 0.

    As the first process of a container, this one would not be ended by SIGTERM at all. Python's own end is left out:
    it aborts where a thread is still within PyTorch, and waits for photos that are still being opened.

    Args:
        folder: of the uploads; it is deleted even where something holds up the end.
    """
    home, ended = os.getpid(), False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal ended
        if os.getpid() != home:  # a process forked from this one: the photos are not its own
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        ended = True
        for other in kept:
            signal.signal(other, signal.SIG_IGN)
        last = threading.Timer(LAST, _end_now, [folder])
        last.daemon = True
        last.start()
        raise SystemExit(0)

    kept: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        found = [int(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]
        kept = {number: signal.getsignal(number) for number in found}
        kept = {number: before for number, before in kept.items() if before != signal.SIG_IGN}  # as nohup wants it
    for number in kept:
        signal.signal(number, end)
    try:
        yield
    finally:
        if ended:
            _end_now(folder)
        for number, before in kept.items():
            signal.signal(number, before)


def end_page(page: Any) -> None:
    """Stop the model's work, end every stream, delete the uploads, and wait for all that, some seconds at most."""
    page.scheduler.close(MODEL_PATIENCE)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that a stream is cut off is no fault to log
    if page.is_running:
        page.server.config.timeout_graceful_shutdown = STREAM_PATIENCE  # else an open stream holds it up for ever
        page.close(verbose=False)


def _end_now(folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(0)
