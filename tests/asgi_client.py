"""Ask an ASGI application directly: requests whose bodies come in parts, break off, or never end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.guard import Guard, GuardOptions
from demo.guard.asgi import Message

SERVER = ("127.0.0.1", 7860)  # where the page listens


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes
    unread: int  # parts of the body that nobody asked for


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """An application that answers with what it received."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Visitor:
    """Sends requests through one guard, so that they are counted together."""

    guard: Guard
    address: str = "10.0.0.1"

    def ask(self, path: str, *parts: bytes, method: str = "POST", ends: str = "whole", **more: str) -> Answer:
        """Send a request. ends: "whole", "gone" (the client goes away) or "silent" (it sends no more)."""
        waiting: list[Message] = [
            {"type": "http.request", "body": part, "more_body": ends != "whole" or index < len(parts) - 1}
            for index, part in enumerate(parts or (b"",))
        ]
        if ends == "gone":
            waiting.append({"type": "http.disconnect"})
        sent: list[Message] = []

        async def receive() -> Message:
            if not waiting:
                await asyncio.sleep(60)
            return waiting.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        told = {name.replace("_", "-"): value for name, value in more.items()}
        headers = [(name.encode(), value.encode()) for name, value in told.items()]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": headers,
            "client": (self.address, 1),
            "server": SERVER,
        }
        asyncio.run(self.guard(scope, receive, send))
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), body, len(waiting))


def visitor(options: GuardOptions, uploads: Path | None = None, app: Any = echo) -> Visitor:
    """A visitor of an application behind a new guard; nothing is written into its folder of uploads."""
    return Visitor(Guard(app, uploads or Path(tempfile.gettempdir()), options))


def multipart(files: Sequence[bytes], boundary: str = "line") -> tuple[str, bytes]:
    """The content type and body of an upload."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{number}.png"\r\n\r\n'.encode()
        + content
        for number, content in enumerate(files)
    ]
    return f"multipart/form-data; boundary={boundary}", b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])
