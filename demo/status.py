"""What the running server says of itself at /health, for load balancers and whoever runs it. Never names a file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from captioner.errors import CaptionerError
from demo import server_text
from demo.guard.guard import MIN_FREE
from demo.health import Checkup

MEGABYTE = 1_000_000
MIN_MEMORY = 100 * MEGABYTE  # bytes the machine has left


class Report(TypedDict):
    """The answer. `problems` make the server unusable, `notes` do not.

    `queue` counts photos; sizes are in megabytes, None where the machine does not tell. `attention` is as in
    `demo.health.HealthView`.
    """

    status: str
    problems: list[str]
    notes: list[str]
    model: dict[str, Any]
    queue: dict[str, int]
    disk_free_mb: int | None
    memory: dict[str, int | None]


class ServerStatus:
    """Asks the model's checkup, the queue, the disk and the machine.

    Args:
        checkup: of the model.
        waiting: how many photos wait in the queue.
        places: how many may.
        uploads: the folder of uploaded photos.
    """

    def __init__(self, checkup: Checkup, waiting: Callable[[], int], places: int, uploads: Path) -> None:
        self._checkup = checkup
        self._waiting = waiting
        self._places = places
        self._uploads = uploads

    def report(self) -> tuple[int, Report]:
        """The status of HTTP, 200 where photos are captioned and 503 where not, and what there is to say."""
        health, trouble = self._checkup.view(), self._checkup.trouble()
        model = "failed" if trouble else "loading" if health["state"] == "loading" else "ready"
        free, memory = _free_bytes(self._uploads), _memory()
        problems = [server_text.MODEL_LOADING] if model == "loading" else []
        if trouble:
            problems.append(
                server_text.MODEL_UNUSABLE if isinstance(trouble, CaptionerError) else server_text.MODEL_FAULT
            )
        if free is not None and free < MIN_FREE:
            problems.append(server_text.DISK_FULL)
        if memory["available"] is not None and memory["available"] < MIN_MEMORY:
            problems.append(server_text.LITTLE_MEMORY)
        notes = [server_text.POOR_ATTENTION] if health["state"] == "bad" else []
        waiting = self._waiting()
        if waiting >= self._places:
            notes.append(server_text.QUEUE_FULL)
        report: Report = {
            "status": "unusable" if problems else "usable",
            "problems": problems,
            "notes": notes,
            "model": {
                "state": model,
                "name": health["model"],
                "attention": health["state"],
                "findings": health["findings"],
            },
            "queue": {"waiting": waiting, "places": self._places},
            "disk_free_mb": _megabytes(free),
            "memory": {f"{name}_mb": _megabytes(size) for name, size in memory.items()},
        }
        return 503 if problems else 200, report


def _free_bytes(folder: Path) -> int | None:
    """Free space where a folder is or will be."""
    try:
        return shutil.disk_usage(next(place for place in (folder, *folder.parents) if place.exists())).free
    except (OSError, StopIteration):
        return None


def _memory() -> dict[str, int | None]:
    """Bytes this process holds, and bytes the machine, or the container it is in, has left."""
    available = [
        size for size in (_kilobytes("/proc/meminfo", "MemAvailable:"), _left_in_container()) if size is not None
    ]
    return {"used": _kilobytes("/proc/self/status", "VmRSS:"), "available": min(available, default=None)}


def _kilobytes(file: str, name: str) -> int | None:
    """A line such as "VmRSS:  123 kB" in bytes; None on a machine without such a file."""
    try:
        lines = Path(file).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == name and words[1].isdigit():
            return int(words[1]) * 1024
    return None


def _left_in_container(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a control group (version 2) still allows; None where it has no limit. Cached files count as free."""
    try:
        limit = int((folder / "memory.max").read_text(encoding="ascii"))  # "max": no limit, no number
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    cached = dict(zip(statistics[::2], statistics[1::2], strict=False)).get("inactive_file", "0")
    return max(0, limit - used + int(cached))


def _megabytes(size: int | None) -> int | None:
    return None if size is None else size // MEGABYTE
