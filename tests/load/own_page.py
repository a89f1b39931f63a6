"""A page of its own for a load, in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from load.visitor import find_viewer

ROOT = Path(__file__).parents[2]
START = 180.0  # seconds the server may take to be ready


@contextmanager
def served() -> Iterator[tuple[str, int, Path]]:
    """The page of `app.py`, served from a process of its own until the end: address, process, upload folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "app.py", "--port", str(port)]
        environment = {**os.environ, "GRADIO_TEMP_DIR": folder}
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            yield f"http://127.0.0.1:{port}", server.pid, Path(folder)
        finally:
            server.terminate()
            server.wait(30)


def wait_until_ready(address: str) -> None:
    """Return when the model has been loaded and tested."""
    deadline = time.monotonic() + START
    while time.monotonic() < deadline:
        try:
            body = {"data": {"kind": "health"}, "component_id": find_viewer(address), "fn_name": "answer"}
            asked = httpx.post(f"{address}/gradio_api/component_server", json={**body, "session_hash": "ready"})
            if asked.json()["state"] != "loading":
                return
        except (httpx.HTTPError, ValueError):
            pass
        time.sleep(0.5)
    raise TimeoutError(f"the page at {address} was not ready within {START:.0f} s")
