"""What stands between the network and the page: security headers on every answer, a limit on every JSON request.

Plain ASGI, so that Gradio's event streams are not buffered. Uploads have their own limit (`max_file_size`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

JSON_LIMIT = 4_100_000  # bytes: one photo as a data: address and some room

# Gradio compiles its templates in the browser ('unsafe-eval') and starts from inline scripts and styles.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "frame-ancestors 'self' https://huggingface.co",
    )
)
HEADERS = (
    (b"content-security-policy", CONTENT_POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
TOO_LARGE = b'{"detail": "The request is too large: send a smaller photo, or upload it as a file."}'


class Guard:
    """ASGI middleware.

    Args:
        app: what is guarded.
        json_limit: bytes of a POST, unless it uploads a file.
        left: is told the session of everyone who goes away before the answer.
    """

    def __init__(self, app: App, json_limit: int = JSON_LIMIT, left: Callable[[str], None] | None = None) -> None:
        self.app = app
        self.json_limit = json_limit
        self.left = left

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is a POST with too large a body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            await send(_with_headers(message))

        session = _listening(scope)
        if session is not None:
            await self._listen(session, scope, receive, send_guarded)
            return
        if scope["method"] != "POST" or scope["path"].endswith("/upload"):
            await self.app(scope, receive, send_guarded)
            return
        body = await _read_body(receive, self.json_limit)
        if body is None:
            await _refuse(send_guarded)
        else:
            self._hear_of_leaving(scope, body)
            await self.app(scope, _replay(body, receive), send_guarded)

    async def _listen(self, session: str, scope: Message, receive: Receive, send: Send) -> None:
        """A stream of answers; one that breaks off before its end has nobody at its other end any more."""
        ended = False

        async def send_on(message: Message) -> None:
            nonlocal ended
            ended = ended or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        try:
            await self.app(scope, receive, send_on)
        finally:
            if not ended and self.left is not None:
                self.left(session)

    def _hear_of_leaving(self, scope: Message, body: bytes) -> None:
        if self.left is None or not scope["path"].endswith("/cancel"):
            return
        try:
            session = json.loads(body)["session_hash"]
        except (ValueError, KeyError, TypeError):  # the page itself refuses it
            return
        if isinstance(session, str):
            self.left(session)


def _listening(scope: Message) -> str | None:
    """The session whose answers a request waits for; None where it waits for none."""
    path: list[str] = scope["path"].rstrip("/").split("/")
    if scope["method"] != "GET" or len(path) < 3:
        return None
    if path[-2:] == ["queue", "data"]:
        return next(iter(parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])), None)
    return path[-1] if path[-3] == "call" else None  # without a session of its own, a call is one


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None as soon as it is longer than `limit`."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once, then whatever comes next (the client going away)."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again


async def _refuse(send: Send) -> None:
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": TOO_LARGE})


def _with_headers(message: Message) -> Message:
    if message["type"] != "http.response.start":
        return message
    present = {name.lower() for name, _ in message["headers"]}
    return {**message, "headers": [*message["headers"], *(pair for pair in HEADERS if pair[0] not in present)]}
