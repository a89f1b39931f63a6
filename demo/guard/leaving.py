"""Who goes away before the answer is there: the stream of answers breaks off, or never begins, or the page says so."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

from demo.guard.asgi import App, Message, Receive, Send
from demo.guard.bodies import replay

PATIENCE = 10.0  # seconds from a question to the stream in which its answer is waited for: browsers take milliseconds


class Leaving:
    """ASGI middleware behind the guard, which has limited the bodies it reads.

    Args:
        app: what is asked.
        left: is told the session of everyone who goes away before the answer.
        patience: seconds after which a session that has asked, and does not listen, has gone away.
    """

    def __init__(self, app: App, left: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.app = app
        self.left = left
        self._patience = patience
        self._expected: dict[str, asyncio.TimerHandle] = {}  # sessions that have asked and do not listen yet
        self._listening: Counter[str] = Counter()  # open streams of sessions

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        session = _listening(scope) if scope["type"] == "http" else None
        if session is not None:
            await self._listen(session, scope, receive, send)
        elif _says_session(scope):
            body = await _whole(receive)
            self._hear(_session_in(body), asks=not scope["path"].endswith("/cancel"))
            await self.app(scope, replay(body, receive), send)
        else:
            await self.app(scope, receive, send)

    async def _listen(self, session: str, scope: Message, receive: Receive, send: Send) -> None:
        """A stream of answers; one that breaks off before its end has nobody at its other end any more.

        Gradio ends the stream of somebody who is gone like any other, so what it is told of that counts too.
        """
        begun = ended = gone = False
        self._expect(session, None)
        self._listening[session] += 1

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
            self._listening -= Counter([session])  # those with none are forgotten
            if gone or not ended:
                self.left(session)

    def _hear(self, session: str | None, asks: bool) -> None:
        """A session asks something, or says that it wants no answer any more."""
        if session is not None:
            self._expect(session, self._patience if asks and not self._listening[session] else None)
            if not asks:
                self.left(session)

    def _expect(self, session: str, seconds: float | None) -> None:
        """Let a session listen within so many seconds; None: it need not."""
        timer = self._expected.pop(session, None)
        if timer is not None:
            timer.cancel()
        if seconds is not None:
            self._expected[session] = asyncio.get_running_loop().call_later(seconds, self._miss, session)

    def _miss(self, session: str) -> None:
        del self._expected[session]
        self.left(session)


def _says_session(scope: Message) -> bool:
    """Whether a request's body may say the session in which an answer is waited for, or no longer."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    path: list[str] = scope["path"].rstrip("/").split("/")
    return path[-1] == "cancel" or path[-2:-1] == ["call"]


def _session_in(body: bytes) -> str | None:
    """Programs that ask name none: whoever types a request may take long to type the next."""
    try:
        session = json.loads(body)["session_hash"]
    except (ValueError, KeyError, TypeError, RecursionError):  # the page itself refuses it
        return None
    return session if isinstance(session, str) else None


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
