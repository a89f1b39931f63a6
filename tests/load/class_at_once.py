"""A class that uploads its photos at the same moment, then uses the page for a while.

    python tests/load/class_at_once.py --visitors 30 --minutes 10
    python tests/load/class_at_once.py --visitors 4 --minutes 0.2 --address http://127.0.0.1:7860 --pid 1234

Without an address it starts `python app.py` of its own, with an upload folder of its own. It ends by itself: after
the minutes no visitor begins anything new. What goes wrong is counted and printed; the exit code is 1 where a request
failed or a photo could be reached by another visitor. Only addresses of this computer are asked.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import httpx
import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds an answer may take before it counts as failed
START = 180.0  # seconds the server may take to be ready
SAMPLE = 1.0  # seconds between two looks at the server's memory
TRIES = 20  # of a photo that meets a full line


@dataclass
class Report:
    """What was seen, by all visitors together.

    Attributes:
        first: seconds from the common start, upload included, to each visitor's first caption.
        done: how often each thing was done to its end.
        failures: sentences.
        reached: ways in which a photo of another visitor could be reached; there should be none.
        memory: (seconds since the start, bytes) of the server's resident memory.
        left_behind: files in the upload folder that are none of the photos uploaded.
    """

    first: list[float] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing failed and nobody reached another's photo."""
        return not self.failures and not self.reached and not self.left_behind and bool(self.first)

    @property
    def growth(self) -> float | None:
        """Bytes a minute after the first minute; None where it did not last that long."""
        later = [(seconds, size) for seconds, size in self.memory if seconds > 60]
        if len(later) < 10:
            return None
        seconds, sizes = np.array(later, dtype=np.float64).T
        return float(np.polyfit(seconds / 60, sizes, 1)[0])

    def lines(self) -> Iterator[str]:
        """The report in words."""
        first = sorted(self.first)
        if first:
            share = first[min(len(first) - 1, int(0.95 * len(first)))]
            yield f"first captions: {len(first)}; median {statistics.median(first):.1f} s, 95 % within {share:.1f} s, "
            yield f"  worst {first[-1]:.1f} s"
        yield "done: " + ", ".join(f"{name} {count}" for name, count in sorted(self.done.items()))
        yield f"failed requests: {len(self.failures)}"
        yield from (f"  {failure}" for failure in self.failures[:20])
        for minute in range(int(self.memory[-1][0] // 60) + 1 if self.memory else 0):
            sizes = [size for seconds, size in self.memory if seconds // 60 == minute]
            if sizes:
                yield f"memory in minute {minute + 1}: {max(sizes) / 1e6:.0f} MB at most, {sizes[-1] / 1e6:.0f} MB last"
        if self.growth is not None:
            yield f"memory after the first minute: {self.growth / 1e6:+.1f} MB a minute"
        yield f"photos of others reached: {len(self.reached)}"
        yield from (f"  {way}" for way in self.reached)
        yield f"files left behind: {len(self.left_behind)}"
        yield from (f"  {name}" for name in self.left_behind[:20])


class Visitor(threading.Thread):
    """One visitor: asks what the page's own scripts ask, by the same addresses."""

    def __init__(self, number: int, address: str, start: threading.Barrier, until: float, report: Report) -> None:
        super().__init__(name=f"visitor {number}", daemon=True)
        self.random = random.Random(number)
        self.address, self.barrier, self.until, self.report = address, start, until, report
        self.client = httpx.Client(base_url=f"{address}/gradio_api/", timeout=PATIENCE)
        self.name_given = f"{self.random.getrandbits(128):032x}"
        self.paths: list[str] = []
        self.photos: list[bytes] = []

    def run(self) -> None:
        """The first photo at the same moment as all others, then this and that."""
        deeds: list[Callable[[], None]] = [self.new_photo, self.force_a_word, self.probe, self.reload, self.go_away]
        self._do("first photo", self.first_photo)
        while time.monotonic() < self.until:
            deed = self.random.choice(deeds)
            self._do(deed.__name__.replace("_", " "), deed)
            time.sleep(self.random.uniform(0.2, 2.0))
        self.client.close()

    def _do(self, name: str, deed: Callable[[], None]) -> None:
        try:
            deed()
            self.report.done[name] += 1
        except Exception as problem:  # a failed request, whatever it is, is what is looked for
            self.report.failures.append(f"{self.name}, {name}: {type(problem).__name__} {str(problem)[:200]}")

    def first_photo(self) -> None:
        """Counts from when all are ready."""
        photo = noise_photo(self.random)
        self.barrier.wait(START)
        begun = time.monotonic()
        self.caption(self.upload(photo))
        self.report.first.append(time.monotonic() - begun)

    def new_photo(self) -> None:
        """Another photo, to its caption."""
        self.caption(self.upload(noise_photo(self.random)))

    def force_a_word(self) -> None:
        """ "What if it had said ...": a caption from a given first word."""
        self.expect("result", self.ask({"kind": "continue", "photo": {"path": self.paths[-1]}, "words": ["a"]}))

    def probe(self) -> None:
        """An experiment with the last photo's maps."""
        self.expect("seen", self.ask({"kind": "probe", "test": "seen", "photo": {"path": self.paths[-1]}}))

    def reload(self) -> None:
        """The page again, as a browser gets it."""
        for path in ("/", "/config"):
            httpx.get(self.address + path, timeout=PATIENCE).raise_for_status()

    def go_away(self) -> None:
        """A photo whose browser goes away before the caption has come."""
        session = self.get_in_line(self.upload(noise_photo(self.random)))
        with self.client.stream("GET", "queue/data", params={"session_hash": session}) as answers:
            answers.raise_for_status()
            time.sleep(self.random.uniform(0, 0.3))

    def upload(self, photo: bytes) -> str:
        """The path the server gave the photo."""
        answer = self.client.post("upload", files={"files": ("photo.jpg", photo, "image/jpeg")})
        answer.raise_for_status()
        self.paths.append(answer.json()[0])
        self.photos.append(photo)
        return self.paths[-1]

    def get_in_line(self, path: str) -> str:
        """Ask for a caption in a session of its own."""
        session = f"{self.random.getrandbits(64):016x}"
        data = [{"path": path, "visitor": self.name_given}]
        self.client.post("call/look", json={"data": data, "session_hash": session}).raise_for_status()
        return session

    def caption(self, path: str) -> dict[str, Any]:
        """Wait for a photo's caption; a full line is tried again when it says."""
        for _ in range(TRIES):
            view = self.wait(self.get_in_line(path))
            if view["kind"] != "full":
                self.expect("result", view)
                if view["source"] != {"path": path}:
                    self.report.reached.append(f"{self.name} was told of {view['source']}")
                return view
            self.report.done["told to try again"] += 1
            time.sleep(view["seconds"] * self.random.uniform(1, 1.5))
        raise TimeoutError(f"the line was full {TRIES} times")

    def wait(self, session: str) -> dict[str, Any]:
        """The answer that comes on a session's stream."""
        with self.client.stream("GET", "queue/data", params={"session_hash": session}) as answers:
            for line in answers.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"refused: {message['output']}")
                    view: dict[str, Any] = json.loads(message["output"]["data"][0])
                    return view
        raise RuntimeError("the stream ended without an answer")

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """A question to the page's `answer`."""
        body = {"data": {**question, "visitor": self.name_given}, "component_id": self.viewer, "fn_name": "answer"}
        answer = self.client.post("component_server", json={**body, "session_hash": self.name_given})
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    @property
    def viewer(self) -> int:
        """The id of the component that answers."""
        return find_viewer(self.address)

    def expect(self, kind: str, answer: dict[str, Any]) -> None:
        """Raise where it is something else; being told to wait is no failure."""
        if answer["kind"] == "problem" and "try again in about" in answer["message"]:
            self.report.done["told to try again"] += 1
        elif answer["kind"] != kind:
            raise RuntimeError(f"expected {kind}, got {answer['kind']}: {answer.get('message')}")


VIEWERS: dict[str, int] = {}


def find_viewer(address: str) -> int:
    """The id of the page's viewer, asked for once."""
    if address not in VIEWERS:
        components = httpx.get(f"{address}/config", timeout=PATIENCE).json()["components"]
        VIEWERS[address] = next(c["id"] for c in components if "answer" in (c["props"].get("server_fns") or ()))
    return VIEWERS[address]


def noise_photo(source: random.Random, width: int = 1024, height: int = 768) -> bytes:
    """A JPEG of soft random patches, different every time."""
    patches = np.frombuffer(source.randbytes(12 * 16 * 3), dtype=np.uint8).reshape(12, 16, 3)
    buffer = BytesIO()
    Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def try_to_reach(address: str, owner: Visitor, report: Report) -> None:
    """As somebody else who knows how the page works, but not the random part of an address."""
    known = Path(owner.paths[0])
    folder, name = known.parent.parent, known.name
    api = f"{address}/gradio_api"
    guesses = {
        "listing the upload folder": f"{api}/file={folder}",
        "listing the photo's own folder": f"{api}/file={folder}/",
        "guessing a folder": f"{api}/file={folder}/{'0' * 64}/{name}",
        "leaving the folder": f"{api}/file={folder}/../{folder.name}",
        "the queue's messages without a session": f"{api}/queue/data?session_hash=",
        "a finished call": f"{api}/call/look/{'0' * 32}",
        "run history": f"{address}/gradio_api/history",
    }
    with httpx.Client(timeout=20) as stranger:
        for way, target in guesses.items():
            report.reached.extend(_opened(stranger, way, target, owner))
        session = owner.get_in_line(owner.paths[0])
        owner.wait(session)
        report.reached.extend(
            _opened(stranger, "replaying a finished session", f"{api}/queue/data?session_hash={session}", owner)
        )
        for path in (str(folder), f"{folder}/{'0' * 64}/{name}", f"{folder}/*/{name}", "/etc/hostname"):
            joined = stranger.post(f"{api}/call/caption", json={"data": [{"path": path}, 3]})
            if joined.status_code == 200:
                said = stranger.get(f"{api}/call/caption/{joined.json()['event_id']}").text
                if "attention" in said:
                    report.reached.append(f"a caption of {path}")
        report.done["attempts to reach a photo"] += len(guesses) + 5


def _opened(stranger: httpx.Client, way: str, target: str, owner: Visitor) -> Iterator[str]:
    """The way, where it gave a photo or an answer of the owner's; an endless stream is read for a moment."""
    content = bytearray()
    try:
        with stranger.stream("GET", target, timeout=3) as answer:
            for part in answer.iter_bytes():
                content += part
    except httpx.HTTPError:  # refused, or nothing came
        pass
    if any(photo in content for photo in owner.photos) or any(path.encode() in content for path in owner.paths):
        yield way
    if b'"kind":"result"' in content.replace(b" ", b""):
        yield way


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


def main() -> int:
    """Read the command line, run, report."""
    parser = argparse.ArgumentParser(description="A class uploads at the same moment, then uses the page for a while.")
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--address", help="of a page that runs already on this computer; else one is started")
    parser.add_argument("--pid", type=int, help="of that page's process, to watch its memory")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    given = parser.parse_args()
    if not 1 <= given.visitors <= 200 or not 0 < given.minutes <= 60:
        parser.error("expected 1 to 200 visitors and at most 60 minutes")
    if given.address:
        report = run_class(given.address.rstrip("/"), given.visitors, given.minutes * 60, given.pid)
    else:
        with served() as (address, pid, folder):
            report = run_class(address, given.visitors, given.minutes * 60, pid, folder)
    load = os.getloadavg()[0]
    lines = (
        [json.dumps({**asdict(report), "load": load})] if given.json else [*report.lines(), f"load average: {load:.1f}"]
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
