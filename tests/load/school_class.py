"""All visitors of a class together, and the memory and the files of the page they use."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from urllib.parse import urlparse

import httpx

from load.report import Report
from load.stranger import try_to_reach
from load.visitor import PATIENCE, Visitor, find_viewer

SAMPLE = 1.0  # seconds between two looks at the server's memory


def resident(pid: int) -> int | None:
    """Bytes a process holds in memory; None where Linux does not say or it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def run_class(
    address: str, visitors: int, seconds: float, pid: int | None = None, uploads: Path | None = None
) -> Report:
    """The whole load.

    Args:
        address: of the page, on this computer.
        seconds: of mixed use after the first captions began.
        pid: the server's, to watch its memory.
        uploads: its upload folder, to look for files left behind.
    """
    if urlparse(address).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ValueError(f"expected an address of this computer, got {address}: start the page here")
    report, barrier = Report(), threading.Barrier(visitors)
    before = files_in(uploads)
    begun = time.monotonic()
    class_ = [Visitor(number, address, barrier, begun + seconds, report) for number in range(visitors)]
    find_viewer(address)
    for visitor in class_:
        visitor.start()
    end = begun + seconds + 2 * PATIENCE
    while any(visitor.is_alive() for visitor in class_) and time.monotonic() < end:
        size = None if pid is None else resident(pid)
        if size is not None:
            report.memory.append((time.monotonic() - begun, size))
        time.sleep(SAMPLE)
    report.failures += [f"{visitor.name} did not come to an end" for visitor in class_ if visitor.is_alive()]
    owner = next((visitor for visitor in class_ if visitor.paths), None)
    if owner is not None:
        owner.client = httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE)
        try_to_reach(address, owner, report)
        owner.client.close()
    known = {path for visitor in class_ for path in visitor.paths}
    report.left_behind = sorted(files_in(uploads) - before - known)
    return report


def files_in(folder: Path | None) -> set[str]:
    """All files below a folder."""
    return set() if folder is None else {str(file) for file in folder.rglob("*") if file.is_file()}
