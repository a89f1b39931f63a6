"""One visitor of a class, who asks what the page's own scripts ask."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import numpy as np
import orjson
from PIL import Image

from load.report import Report

PATIENCE = 120.0  # seconds an answer may take before it counts as failed
START = 180.0  # seconds the others may take to be ready
PAUSE = (4.0, 10.0)  # seconds between two deeds; two of five upload a photo, which one visitor may every 15 s
TRIES = 20  # of a photo that meets a full line


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
            time.sleep(self.random.uniform(*PAUSE))
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
            said = answers.read()  # it ends with the answer; thirty visitors have little of this computer's time
        for line in said.split(b"\n"):
            message = orjson.loads(line.removeprefix(b"data:")) if b'"process_completed"' in line[:80] else None
            if message is not None:
                if not message["success"]:
                    raise RuntimeError(f"refused: {message['output']}")
                view: dict[str, Any] = orjson.loads(message["output"]["data"][0])
                return view
        raise RuntimeError("the stream ended without an answer")

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """A question to the page's `answer`."""
        body = {"data": {**question, "visitor": self.name_given}, "component_id": self.viewer, "fn_name": "answer"}
        answer = self.client.post("component_server", json={**body, "session_hash": self.name_given})
        answer.raise_for_status()
        found: dict[str, Any] = orjson.loads(answer.content)
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
