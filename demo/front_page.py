"""What the page says and does before Gradio's scripts run, put into Gradio's own HTML, which has no place for it.

Gradio tells the page an address that it makes of the host it was asked for. Where a proxy has changed that, or shows
the page under a path, the browser knows better: the page asks wherever it came from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

from demo.guard.asgi import App, Message, Receive, Send
from demo.text import Texts

BASE = re.compile(rb'<base href="./" />')
ROOT = re.compile(rb'const root = "[^"]*";')  # from which Gradio loads one script more
BODY = re.compile(rb"<gradio-app")  # Gradio's other scripts run after all of the HTML was read
OWN_ADDRESS = '<script>window.gradio_config.root = document.baseURI.replace(/\\/$/, "");</script>'


class FrontPage:
    """ASGI middleware behind the guard.

    Args:
        app: Gradio.
        languages: what the page says in each.
        path: the root path, "" for none; with it a browser need not have ended the address in a slash.
    """

    def __init__(self, app: App, languages: Mapping[str, Texts], path: str = "") -> None:
        self.app = app
        lines = "".join(
            f'<p lang="{escape(code)}" style="margin: 1rem">{escape(texts["needs_script"])}</p>'
            for code, texts in languages.items()
        )
        base = f'<base href="{escape(path)}/" />' if path else '<base href="./" />'
        body = f"<noscript>{lines}</noscript>{OWN_ADDRESS}<gradio-app"
        self._put = {BASE: base.encode(), ROOT: b"const root = document.baseURI;", BODY: body.encode()}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on; the answer to that for the page itself is completed."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        begun: list[Message] = []
        content = bytearray()

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            content.extend(message.get("body", b""))
            if not message.get("more_body", False):
                await self._answer(begun[0], bytes(content), send)

        await self.app(scope, receive, complete)

    async def _answer(self, begun: Message, content: bytes, send: Send) -> None:
        for place, put in self._put.items():
            content = place.sub(put.replace(b"\\", rb"\\"), content, count=1)
        headers = [(name, value) for name, value in begun["headers"] if name.lower() != b"content-length"]
        await send({**begun, "headers": [*headers, (b"content-length", str(len(content)).encode("ascii"))]})
        await send({"type": "http.response.body", "body": content})
