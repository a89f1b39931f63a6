"""Signals end the real app in order: nothing is left of the photos, whoever still waits or sends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import app
from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from demo.ending import LAST, ended_by_signals
from demo.scheduler import ModelTask, Scheduler
from demo.tickets import GoneError
from page_calls import API, upload
from visits import free_port

PATIENCE = 60.0  # seconds for what takes a moment on a machine with nothing else to do
SOON = LAST + 4.0  # seconds: the end, and the system's own

# The app with a model that says so when it searches, and never comes to the end of its steps.
BUSY = """
import sys, time, app
from captioner.captioner import Captioner
from captioner.interrupt import check_wanted
def search(self, *_, **__):
    print("searching", flush=True)
    while True:
        check_wanted()
        time.sleep(0.01)
def warm_up(captioner):
    Captioner.search = search
import demo.callbacks
demo.callbacks.warm_up = warm_up
sys.exit(app.main())
"""


@dataclass
class Started:
    """The app in a process of its own, and where its files lie."""

    process: subprocess.Popen[str]
    address: str
    folder: Path

    def photos(self) -> list[Path]:
        return [file for file in self.folder.rglob("*") if file.is_file() and file.name != ".lock"]

    def hear(self, word: str) -> None:
        """Wait until a line with this word was written."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if word in line:
                return
        raise AssertionError(f"ended without {word!r}: {self.process.stderr and self.process.stderr.read()}")

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code, and what was said of errors."""
        begun = time.monotonic()
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=PATIENCE)
        assert time.monotonic() - begun < SOON
        return self.process.returncode, said


def hear_signals() -> None:
    """Take back what a shell does to a process in the background: it does not hear Ctrl+C, or with nohup a hang-up."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def started(folder: Path, *before: str, **environment: str) -> Iterator[Started]:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
    process = subprocess.Popen(
        [sys.executable, *(before or (app.__file__,)), "--port", str(port)],
        env={**kept, "TMPDIR": str(folder), **environment},
        cwd=Path(app.__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_signals,
    )
    try:
        yield Started(process, f"http://127.0.0.1:{port}", folder)
    finally:
        process.kill()
        process.communicate()


def begin_upload(address: str) -> socket.socket:
    """A connection on which a photo comes and does not end."""
    connection = socket.create_connection((urlsplit(address).hostname or "", urlsplit(address).port or 0))
    head = f"POST {API}/upload HTTP/1.1\r\nHost: {urlsplit(address).netloc}\r\nContent-Length: 1000000\r\n"
    kind = "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    part = '--x\r\nContent-Disposition: form-data; name="files"; filename="half.png"\r\n\r\n'
    connection.sendall((head + kind + part).encode() + b"y" * 100_000)
    return connection


def wait_until(true: object, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_ends_the_page_and_its_photos(name: str, tmp_path: Path) -> None:
    with started(tmp_path) as page:
        page.hear("SayWhere is ready")
        upload(page.address, photo_bytes(photo()))
        assert len(page.photos()) == 1
        code, said = page.end(getattr(signal, name))
        assert (code, said, list(tmp_path.iterdir())) == (0, "", [])


@pytest.mark.parametrize("chosen", [False, True])
def test_a_signal_ends_what_is_under_way(chosen: bool, tmp_path: Path) -> None:
    """While a photo is captioned, its visitor listens, and the next one's photo is still on its way."""
    environment = {"GRADIO_TEMP_DIR": str(tmp_path / "chosen")} if chosen else {}
    with started(tmp_path, "-c", BUSY, **environment) as page:
        page.hear("SayWhere is ready")
        (path,) = upload(page.address, photo_bytes(photo()))
        asked = httpx.post(f"{page.address}{API}/call/caption", json={"data": [{"path": path}, 3]}, timeout=PATIENCE)
        stream = f"{page.address}{API}/call/caption/{asked.json()['event_id']}"
        page.hear("searching")
        with httpx.stream("GET", stream, timeout=PATIENCE) as answer, begin_upload(page.address):
            wait_until(lambda: len(page.photos()) == 2, "the second photo does not come")
            code, said = page.end()
            with suppress(httpx.RemoteProtocolError):  # cut off, or told that it was given up
                assert "event: complete" not in answer.read().decode()
        assert code == 0
        assert "Traceback" not in said
        assert page.photos() == []


def test_a_signal_ends_it_before_the_model_is_there(tmp_path: Path) -> None:
    with started(tmp_path) as page:
        page.hear("The page is open")
        upload(page.address, photo_bytes(photo()))
        assert page.end() == (0, "")
        assert list(tmp_path.iterdir()) == []


def test_a_signal_that_was_ignored_is_ignored() -> None:
    """A page started with nohup outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals(None):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_DFL, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_as_they_were_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals(None):
        pass
    assert signal.getsignal(signal.SIGTERM) == before
    thread = threading.Thread(target=lambda: ended_by_signals(None).__enter__())
    thread.start()  # where signals cannot be heard
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_forked_process_dies_of_its_own_signal(tmp_path: Path) -> None:
    """It has the handlers of the page, and must not delete the page's photos."""
    (tmp_path / "photo").write_bytes(b"photo")
    command = (
        "import os, signal, sys, time\nfrom pathlib import Path\nfrom demo.ending import ended_by_signals\n"
        f"with ended_by_signals(Path({str(tmp_path)!r})):\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"  # from outside it could come too early, and be lost by Python
        "        time.sleep(60)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=Path(app.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout == f"{-signal.SIGTERM}\n"
    assert (tmp_path / "photo").exists()


def test_what_holds_up_the_end_is_cut_off(tmp_path: Path) -> None:
    """A thread that Python would wait for, and cleaning up that never ends."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    command = (
        "import demo.ending, threading, sys\nfrom pathlib import Path\ndemo.ending.LAST = 0.2\n"
        f"with demo.ending.ended_by_signals(Path({str(folder)!r})):\n"
        "    try:\n        print('ready', flush=True); threading.Event().wait()\n"
        "    finally:\n        threading.Event().wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", command], cwd=Path(app.__file__).parent, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert (process.returncode, folder.exists()) == (0, False)


def test_a_closed_line_gives_everything_up_and_takes_nothing() -> None:
    begun, go = threading.Event(), threading.Event()

    def hold(captioner: Captioner) -> None:
        begun.set()
        go.wait(PATIENCE)

    scheduler = Scheduler(tiny_captioner)
    busy, waiting = scheduler.ask(ModelTask(hold)), scheduler.ask(ModelTask(hold))
    assert begun.wait(PATIENCE)
    scheduler.close(0.01)
    for ticket in (busy, waiting):
        with pytest.raises(GoneError):
            ticket.result(PATIENCE)
    with pytest.raises(GoneError):
        scheduler.ask(ModelTask(hold))
    go.set()
    scheduler.close(PATIENCE)
    assert scheduler.waiting() == 0
    assert scheduler._worker is not None
    assert not scheduler._worker.is_alive()


def test_the_container_is_healthy_behind_a_proxy_for_going_out() -> None:
    """Its own check asks the page itself, not the proxy."""
    lines = (Path(app.__file__).parent / ".hosting" / "Dockerfile").read_text(encoding="utf-8")
    command = json.loads(lines[lines.index('  CMD ["python", "-c"') :].split("\n")[0].strip().removeprefix("CMD "))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        port = str(server.getsockname()[1])
        environment = {**os.environ, "SAYWHERE_PORT": port, "http_proxy": "http://127.0.0.1:9", "no_proxy": ""}
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
        thread.join(PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
