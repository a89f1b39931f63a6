"""A small HTTP server in the place of the service, which answers as a script says: well, badly, or not at all."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from PIL import Image

from captioner.description import Description
from captioner.serving.contract import Asked
from captioner.serving.describing import Describer

DIE, CUT, ANSWER, NONSENSE, ELSEWHERE, SILENCE = "die", "cut", "answer", "nonsense", "elsewhere", "silence"
Behaviour = str | tuple[int, str]  # one of these, or a status and its sentence


class StandIn(ThreadingHTTPServer):
    """Answers with a describer; each request takes the next behaviour of the script, after its end ANSWER.

    Attributes:
        colours: what is answered to every photo of one colour, whichever request comes first.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, describer: Describer, script: Sequence[Behaviour], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.describer = describer
        self.script = list(script)
        self.seen: list[tuple[str, str, int]] = []  # method, path, bytes of the body
        self.lock = threading.Lock()
        self.colours: dict[str, Behaviour] = {}
        self.waited, self.closing = threading.Event(), threading.Event()  # a request met with SILENCE; its end

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        self.take(b"")

    def do_POST(self) -> None:
        self.take(self.rfile.read(int(self.headers["Content-Length"])))

    def take(self, body: bytes) -> None:
        with self.server.lock:
            self.server.seen.append((self.command, self.path, len(body)))
            behaviour = self.server.script.pop(0) if self.server.script else self.of_colour(body)
        self.close_connection = True
        if behaviour == SILENCE:
            self.server.waited.set()
            self.server.closing.wait(60)
        if behaviour in (DIE, SILENCE):
            return
        if behaviour == ELSEWHERE:
            self.send_response(302)
            self.send_header("Location", f"{self.server.url}/secret")
            self.end_headers()
            return
        status, content = self.content(behaviour, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:10] if behaviour == CUT else content)

    def of_colour(self, body: bytes) -> Behaviour:
        if not self.server.colours or not body:
            return ANSWER
        with Image.open(io.BytesIO(body)) as photo:
            red, green, blue = photo.convert("RGB").resize((1, 1)).tobytes()
        return self.server.colours.get(f"#{red:02x}{green:02x}{blue:02x}", ANSWER)

    def content(self, behaviour: Behaviour, body: bytes) -> tuple[int, bytes]:
        if isinstance(behaviour, tuple):
            return behaviour[0], json.dumps({"error": behaviour[1]}).encode()
        if behaviour == NONSENSE:
            return 200, b"<html>"
        parts = urlsplit(self.path)
        if parts.path == "/info":
            return 200, json.dumps(self.server.describer.info.to_record()).encode()
        question = self.server.describer.question(body, Asked.read(dict(parse_qsl(parts.query))))
        (outcome,) = self.server.describer.answer([question])
        assert isinstance(outcome, Description)
        return 200, json.dumps(outcome.to_record()).encode()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's word)
        """Nothing: the tests look at `seen`."""


@contextmanager
def stand_in(describer: Describer, script: Sequence[Behaviour] = (), port: int = 0) -> Iterator[StandIn]:
    """Served from a thread until the block is left."""
    server = StandIn(describer, script, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
