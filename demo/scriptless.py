"""The line of the page that a browser without JavaScript shows; Gradio's page has none."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from demo.guard.asgi import App, Message, Receive, Send

END = b"</body>"


class Scriptless:
    """ASGI middleware that writes `line` at the end of the page."""

    def __init__(self, app: App, line: str) -> None:
        self.app = app
        self.line = line.encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, and the page back with the line in it."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                body = (self.line + END).join(body.rsplit(END, 1))
                await send({**start, "headers": _with_length(start["headers"], len(body))})
                await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, send_page)


def scriptless_line(languages: Mapping[str, Mapping[str, Any]]) -> str:
    """What is needed, in every language: without JavaScript nobody can choose one."""
    said = (f'<p lang="{escape(code)}">{escape(texts["scriptless"])}</p>' for code, texts in languages.items())
    return f"<noscript>{''.join(said)}</noscript>"


def _with_length(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower() != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]
