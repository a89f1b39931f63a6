"""Who goes away before the answer is there: the stream of answers breaks off, or the page says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

from demo.guard.asgi import App, Message, Receive, Send
from demo.guard.bodies import replay


class Leaving:
    """ASGI middleware behind the guard, which has limited the bodies it reads.

    Args:
        app: what is asked.
        left: is told the session of everyone who goes away before the answer.
    """

    def __init__(self, app: App, left: Callable[[str], None]) -> None:
        self.app = app
        self.left = left

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        session = _listening(scope) if scope["type"] == "http" else None
        if session is not None:
            await self._listen(session, scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/cancel"):
            body = await _whole(receive)
            self._hear(body)
            await self.app(scope, replay(body, receive), send)
        else:
            await self.app(scope, receive, send)

    async def _listen(self, session: str, scope: Message, receive: Receive, send: Send) -> None:
        """A stream of answers; one that breaks off before its end has nobody at its other end any more.

        Gradio ends the stream of somebody who is gone like any other, so what it is told of that counts too.
        """
        begun = ended = gone = False

        async def receive_on() -> Message:
            nonlocal gone
            message = await receive()
            gone = gone or (message["type"] == "http.disconnect" and not ended)
            return message

        async def send_on(message: Message) -> None:
            nonlocal begun, ended
            begun = True
            ended = ended or (message["type"] == "http.response.body" and not message.get("more_body", False))
            await send(message)

        try:
            await self.app(scope, receive_on, send_on)
        except RuntimeError as broken:
            # Gradio says in the stream that it knows no such session, and raises besides, which comes too late.
            if not begun or not isinstance(broken.__cause__, HTTPException):
                raise
            if not ended:
                await send({"type": "http.response.body", "body": b""})
        finally:
            if gone or not ended:
                self.left(session)

    def _hear(self, body: bytes) -> None:
        try:
            session = json.loads(body)["session_hash"]
        except (ValueError, KeyError, TypeError, RecursionError):  # the page itself refuses it
            return
        if isinstance(session, str):
            self.left(session)


def _listening(scope: Message) -> str | None:
    """The session whose answers a request waits for; None where it waits for none."""
    path: list[str] = scope["path"].rstrip("/").split("/")
    if scope["method"] != "GET" or len(path) < 3:
        return None
    if path[-2:] == ["queue", "data"]:
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        return next(iter(asked.get("session_hash", [])), None)
    return path[-1] if path[-3] == "call" else None  # without a session of its own, a call is one


async def _whole(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return bytes(body)
