"""The guard itself: asks one room after the other, and passes on what all of them let through."""

from __future__ import annotations

import asyncio
import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from demo import server_text
from demo.guard.asgi import App, Message, Receive, Refusal, Send, header_values
from demo.guard.bodies import TOO_LARGE, BodyLimits, UploadBody, announced_bytes, drain, read_body, replay
from demo.guard.clients import client_of, without_forwarded
from demo.guard.files import is_upload
from demo.guard.headers import with_headers
from demo.guard.origins import is_own_origin, refusal_reason
from demo.guard.rates import RateLimiter
from demo.guard.root_path import RootPath, read_root_path
from demo.guard.routes import FILE_PREFIX, Door, find_door
from demo.guard.unfinished import discard, is_full

LOG = logging.getLogger(__name__)
NOT_FOUND = Refusal(404, server_text.NO_SUCH_ADDRESS)
FOREIGN = Refusal(403, server_text.OTHER_SITE)
NOT_JSON = Refusal(415, server_text.NOT_JSON)
DISK_FULL = Refusal(507, server_text.DISK_FULL)
CLOSING = Refusal(503, server_text.CLOSING)
REASONS_KEPT = 20
MIN_FREE = 500 * 2**20  # bytes that uploads leave free on the disk


@dataclass(frozen=True)
class GuardOptions:
    """What the operator decides.

    Attributes:
        visitors: how many may share one address; 0: no limit on the rate.
        proxies: trusted proxies in front of the page.
        origins: other sites whose pages may ask this one.
        limits: on bodies.
        root_path: the path of the page at the proxy, such as /saywhere, or its whole address there; "" for none.
    """

    visitors: int = 30
    proxies: int = 0
    origins: tuple[str, ...] = ()
    limits: BodyLimits = field(default_factory=BodyLimits)
    root_path: str = ""

    def __post_init__(self) -> None:
        if self.root_path != read_root_path(self.root_path):
            raise ValueError(f"expected a root path such as /saywhere, got {self.root_path!r}")
        if self.visitors < 0 or self.proxies < 0:
            raise ValueError(f"expected visitors and proxies of 0 or more, got {self.visitors} and {self.proxies}")


class Guard:
    """ASGI middleware; `uploads` is the folder of uploaded photos, the only files that are given out."""

    def __init__(self, app: App, uploads: Path, options: GuardOptions | None = None) -> None:
        self.app = app
        self.uploads = uploads
        self.options = options or GuardOptions()
        self.rates = RateLimiter(self.options.visitors)
        self._root = RootPath(self.options.root_path)
        self._origins = (*self.options.origins, *self._root.origins)
        self._told: set[str] = set()  # reasons of refusals that the log has

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it. There are no web sockets here."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            await send(with_headers(message))

        client = client_of(scope, self.options.proxies)
        if not self.options.proxies:
            scope = without_forwarded(scope)
        scope = {**self._root.inside(scope), "client": (client, 0)}  # what Gradio tells the page of its visitor
        door = find_door(scope["method"], scope["path"])
        found = self._examine(scope, door, client)
        if isinstance(found, Refusal):
            if door is not None and door.kind == "upload" and found is not TOO_LARGE:
                await drain(receive, self.options.limits)
            await _refuse(send_guarded, found, door)
        elif found.kind == "upload":
            await self._take_upload(scope, receive, send_guarded)
        elif found.writes:
            body = await read_body(receive, self.options.limits)
            if isinstance(body, Refusal):
                await _refuse(send_guarded, body, door)
            else:
                await self.app(scope, replay(body, receive), send_guarded)
        else:
            await self.app(scope, receive, send_guarded)

    def _examine(self, scope: Message, door: Door | None, client: str) -> Door | Refusal:
        """What is known before anything of the body is read."""
        if door is None:
            return NOT_FOUND
        if door.writes and not is_own_origin(scope, self._origins, self.options.proxies):
            self._tell(refusal_reason(scope))
            return FOREIGN
        wait = self.rates.take(client, door.kind)
        if wait:
            return Refusal(429, server_text.too_often(wait), wait)
        if door.kind == "file" and not is_upload(self.uploads, scope["path"].removeprefix(FILE_PREFIX)):
            return NOT_FOUND
        if door.kind == "upload":
            return self._examine_upload(scope, door)
        if door.writes and _is_form(scope):
            return NOT_JSON
        return door

    def _tell(self, reason: str) -> None:
        """Log a reason once; other sites may think of many."""
        if reason not in self._told and len(self._told) < REASONS_KEPT:
            self._told.add(reason)
            LOG.warning(reason)

    async def _take_upload(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass an upload on; one that finds no room on the disk any more leaves nothing there."""
        upload = UploadBody(scope, receive, self.options.limits)
        try:
            await self.app(scope, upload.receive, upload.sending(send))
        except asyncio.CancelledError as ended:  # the page is closed
            discard(ended)
            for message in (upload.refusal or CLOSING).messages(plain=True):
                await send(message)
        except OSError as problem:  # none is raised once an answer was begun: all was written by then
            discard(problem)
            if not is_full(problem):
                raise
            for message in (upload.refusal or DISK_FULL).messages(plain=True):
                await send(message)

    def _examine_upload(self, scope: Message, door: Door) -> Door | Refusal:
        if announced_bytes(scope) > self.options.limits.upload_bytes:
            return TOO_LARGE
        try:
            self.uploads.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            if is_full(problem):
                return DISK_FULL
            raise
        return DISK_FULL if shutil.disk_usage(self.uploads).free < MIN_FREE else door


def _is_form(scope: Message) -> bool:
    """Whether the body calls itself a form: files come in through the door of uploads alone."""
    return any(b"multipart/" in value.lower() for value in header_values(scope, b"content-type"))


async def _refuse(send: Send, refusal: Refusal, door: Door | None) -> None:
    for message in refusal.messages(plain=door is not None and door.kind == "upload"):
        await send(message)
