"""A page served by a program in a process of its own, watched from outside: when it answers, and what memory it has."""

from __future__ import annotations

import base64
import http.client
import io
import itertools
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from PIL import Image

from captioner.errors import DataError

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
LONGEST = 180.0  # seconds anything is waited for
OFTEN = 0.02  # seconds between two looks
SIDE = 640  # pixels of the photo that is sent


@dataclass(frozen=True)
class Memory:
    """What a process has, in bytes.

    Attributes:
        resident: in memory now, pages of files counted (VmRSS).
        peak: its highest `resident` so far (VmHWM).
        private: what is no file's: nobody shares it, and the system cannot drop it (RssAnon).
    """

    resident: int
    peak: int
    private: int

    def __post_init__(self) -> None:
        if not 0 <= self.private <= self.resident <= self.peak or not self.resident:
            raise DataError(
                f"expected private <= resident <= peak bytes, got {self.private}, {self.resident}, {self.peak}"
            )


def parse_memory(status: str) -> Memory:
    """What Linux says of a process in /proc/PID/status.

    Raises:
        DataError: it says nothing of memory.
    """
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    try:
        resident, peak, private = (
            int(fields[name].removesuffix("kB")) * 1024 for name in ("VmRSS", "VmHWM", "RssAnon")
        )
    except (KeyError, ValueError) as problem:
        raise DataError("expected the memory of a process, got a process that has ended") from problem
    return Memory(resident, max(peak, resident), private)  # Linux brings the two up to date at different moments


class Served:
    """A program that serves a page; ended when the `with` block is left.

    Args:
        arguments: for Python; `{port}` in them becomes a free port.

    Raises:
        DataError: by every method, when the program ends early or takes too long; with the last line it wrote.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.port = _free_port()
        command = [sys.executable, *(argument.replace("{port}", str(self.port)) for argument in arguments)]
        environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}
        self._lines: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()
        self._last = "nothing"
        self._started = time.perf_counter()
        self._process = subprocess.Popen(  # noqa: S603 (a program of ours)
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def answers(self) -> float:
        """Seconds from the start until `/` answers 200."""
        while True:
            try:
                if self.ask("GET", "/")[0] == http.HTTPStatus.OK:
                    return time.perf_counter() - self._started
            except (OSError, http.client.HTTPException):  # not yet
                self._check()
            time.sleep(OFTEN)

    def says(self, beginning: str) -> float:
        """Seconds from the start until it writes a line that begins so."""
        while True:
            try:
                when, line = self._lines.get(timeout=OFTEN)
            except queue.Empty:
                self._check()
                continue
            if line.startswith(beginning):
                return when - self._started
            self._last = line or self._last

    def memory(self) -> Memory:
        """What its process has now."""
        self._check()
        return parse_memory(Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8"))

    def caption(self, photo: str) -> dict[str, Any]:
        """What `/caption` says of a photo, a data: address, at a beam width of 5, as Gradio's clients ask it."""
        asked = json.dumps({"data": [{"path": None, "url": photo}, 5]})
        status, answer = self.ask("POST", "/gradio_api/call/caption", asked)
        try:
            event = json.loads(answer)["event_id"]
            _, answer = self.ask("GET", f"/gradio_api/call/caption/{event}")
            return parse_caption(answer)
        except (KeyError, TypeError, ValueError) as problem:
            raise DataError(f"expected a caption, got status {status}: {answer[:200]!r}") from problem

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Status and text of one request."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=LONGEST)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put((time.perf_counter(), line.strip()))

    def _check(self) -> None:
        """Raise when waiting any longer is in vain."""
        ended = self._process.poll() is not None
        if not ended and time.perf_counter() - self._started < LONGEST:
            return
        if ended:
            self._reader.join()
            while not self._lines.empty():
                self._last = self._lines.get()[1] or self._last
        how = "it ended" if ended else f"it took longer than {LONGEST:.0f} s"
        raise DataError(f"expected a page that is served, but {how}; its last line: {self._last}")


def parse_caption(events: str) -> dict[str, Any]:
    """The result in the stream of events that Gradio answers a call with.

    Raises:
        DataError: the call did not succeed.
    """
    lines = events.splitlines()
    for event, data in itertools.pairwise(lines):
        if event == "event: complete" and data.startswith("data: "):
            found = json.loads(data.removeprefix("data: "))[0]
            if isinstance(found, dict) and found.get("captions"):
                return found
    raise DataError(f"expected a caption, got {events[:200]!r}")


def data_address(photo: Image.Image) -> str:
    """A photo as what a program sends in the place of a file."""
    small = photo.copy()
    small.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
