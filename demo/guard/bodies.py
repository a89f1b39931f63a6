"""What a request may bring along: bytes counted as they come, whatever its Content-Length says."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass

from demo import server_text
from demo.guard.asgi import Message, Receive, Refusal, Send, header_values

MEBIBYTE = 2**20
DRAINING = 5.0  # seconds at most for an upload that is read in vain
TOO_LARGE = Refusal(413, server_text.REQUEST_TOO_LARGE)
TOO_SLOW = Refusal(408, server_text.REQUEST_TOO_SLOW)
TOO_MANY_FILES = Refusal(413, server_text.TOO_MANY_FILES)


@dataclass(frozen=True)
class BodyLimits:
    """What a body may be.

    Attributes:
        json_bytes: of any request but an upload: one photo as a data: address and some room.
        upload_bytes: of an upload, all its files together.
        upload_files: in one upload.
        silence: seconds without a byte after which a body is given up.
    """

    json_bytes: int = 4_100_000
    upload_bytes: int = 31 * MEBIBYTE
    upload_files: int = 4
    silence: float = 30.0


async def read_body(receive: Receive, limits: BodyLimits) -> bytes | Refusal:
    """The whole body, or a refusal as soon as it is too long or too slow."""
    body = bytearray()
    while True:
        try:
            message = await asyncio.wait_for(receive(), limits.silence)
        except asyncio.TimeoutError:
            return TOO_SLOW
        body += message.get("body", b"")
        if len(body) > limits.json_bytes:
            return TOO_LARGE
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


async def drain(receive: Receive, limits: BodyLimits) -> None:
    """Read an upload that was refused, as far as one may be long: behind a proxy, the answer to one that is cut off is
    lost, and with it the reason."""

    async def read_on() -> None:
        read, more = 0, True
        while more and read <= limits.upload_bytes:
            message = await receive()
            read += len(message.get("body", b""))
            more = message["type"] == "http.request" and message.get("more_body", False)

    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(read_on(), min(limits.silence, DRAINING))


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then whatever comes next (the client going away)."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


class UploadBody:
    """An upload on its way: passed on as it comes, so that it is neither kept in memory nor written twice.

    Gradio deletes what it has written of an upload only when the upload is malformed, not when its client goes away. So
    what is too large, too slow or broken off ends in a header without a name, which no upload may have.
    """

    def __init__(self, scope: Message, receive: Receive, limits: BodyLimits) -> None:
        self.refusal: Refusal | None = None
        self._receive = receive
        self._limits = limits
        boundary = re.search(rb'boundary="?([^";,\s]+)', b"".join(header_values(scope, b"content-type")))
        self._line = b"--" + boundary[1] if boundary else b""
        self._tail = b""
        self._bytes = self._lines = 0
        self._whole = False

    async def receive(self) -> Message:
        """The next message, or the end that makes Gradio clean up."""
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._limits.silence)
        except asyncio.TimeoutError:
            return self._end(TOO_SLOW)
        if message["type"] != "http.request":
            return self._end(TOO_SLOW)
        self._count(message.get("body", b""))
        if self._bytes > self._limits.upload_bytes:
            return self._end(TOO_LARGE)
        if self._lines > self._limits.upload_files + 1:  # one before each file, and one at the end
            return self._end(TOO_MANY_FILES)
        self._whole = not message.get("more_body", False)
        return message

    def sending(self, send: Send) -> Send:
        """A `send` that says why the upload was refused, where it was, whatever Gradio says of it."""
        said = False

        async def send_refusal(message: Message) -> None:
            nonlocal said
            if self.refusal is None:
                await send(message)
            elif not said:
                said = True
                for part in self.refusal.messages(plain=True):
                    await send(part)

        return send_refusal

    def _count(self, content: bytes) -> None:
        self._bytes += len(content)
        if self._line:
            seen = self._tail + content
            self._lines += seen.count(self._line)
            self._tail = seen[len(seen) - len(self._line) + 1 :] if len(seen) >= len(self._line) else seen

    def _end(self, refusal: Refusal) -> Message:
        self.refusal, self._whole = refusal, True
        return {"type": "http.request", "body": b"\r\n" + self._line + b"\r\n:", "more_body": False}


def announced_bytes(scope: Message) -> int:
    """What Content-Length announces; 0 where it is missing or no number."""
    told = b"".join(header_values(scope, b"content-length")[:1])
    return int(told) if told.isdigit() else 0
