"""The shapes of ASGI, and the one way in which the guard says no."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Refusal:
    """A request that is not passed on.

    Attributes:
        status: of HTTP.
        sentence: what the client is told.
        retry_after: seconds after which it may try again; 0 where that is no question of time.
    """

    status: int
    sentence: str
    retry_after: int = 0

    def messages(self, *, plain: bool = False) -> tuple[Message, Message]:
        """The answer: JSON with a "detail", or plain text, which is what Gradio shows of a failed upload."""
        kind = b"text/plain; charset=utf-8" if plain else b"application/json"
        body = (self.sentence if plain else json.dumps({"detail": self.sentence})).encode("utf-8")
        length = str(len(body)).encode("ascii")  # a proxy passes on what is whole, though the connection breaks
        headers = [(b"content-type", kind), (b"content-length", length), (b"connection", b"close")]
        if self.retry_after:
            headers.append((b"retry-after", str(self.retry_after).encode("ascii")))
        return (
            {"type": "http.response.start", "status": self.status, "headers": headers},
            {"type": "http.response.body", "body": body},
        )


def header_values(scope: Message, name: bytes) -> list[bytes]:
    """Every value of a header, in the order in which they came; `name` in lower case."""
    return [value for found, value in scope.get("headers", ()) if found.lower() == name]
