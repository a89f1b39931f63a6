"""What is put into Gradio's HTML; and what the API says of itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from builders import tiny_captioner
from demo.front_page import FrontPage
from demo.guard import GuardOptions
from demo.guard.asgi import Message
from page_calls import API
from visits import GRADIO_WARNINGS, serve

pytestmark = GRADIO_WARNINGS


@pytest.fixture(scope="module")
def rooted(gradio_folder: Path) -> Iterator[str]:
    captioner = tiny_captioner()
    yield from serve(lambda: captioner, guard=GuardOptions(root_path="/saywhere"))


@pytest.mark.parametrize("asked", ["/", "/?__theme=dark", "/saywhere", "/saywhere/?a=b"])
def test_the_page_is_completed_and_whole(rooted: str, asked: str) -> None:
    answer = httpx.get(rooted + asked, headers={"accept-encoding": "identity"})
    assert answer.headers["content-type"].startswith("text/html")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.text.count("<noscript>") == answer.text.count("document.baseURI.replace(") == 1
    assert answer.text.count('<base href="/saywhere/" />') == 1
    assert answer.text.count("const root = document.baseURI;") == 1
    assert answer.text.rstrip().endswith("</html>")
    packed = httpx.get(rooted + asked, headers={"accept-encoding": "br"})
    assert packed.text == answer.text


def test_only_the_page_itself_is_changed() -> None:
    content = b'<base href="./" /> const root = "x"; <gradio-app>'

    async def parts(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"49")]})
        await send({"type": "http.response.body", "body": content[:9], "more_body": True})
        await send({"type": "http.response.body", "body": content[9:]})

    def answered(path: str, method: str = "GET") -> tuple[list[tuple[bytes, bytes]], bytes]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        page = FrontPage(parts, {"en": {"needs_script": "a < b"}})
        asyncio.run(page({"type": "http", "method": method, "path": path}, None, send))  # type: ignore[arg-type]
        return sent[0]["headers"], b"".join(message["body"] for message in sent[1:])

    assert answered("/assets/a.js") == ([(b"content-length", b"49")], content)
    assert answered("/", "HEAD") == ([(b"content-length", b"49")], content)
    headers, body = answered("/")
    assert headers == [(b"content-length", str(len(body)).encode())]
    assert b'<noscript><p lang="en" style="margin: 1rem">a &lt; b</p></noscript>' in body


def test_the_api_says_what_it_takes_and_nothing_it_refuses(tiny_address: str) -> None:
    told = httpx.get(f"{tiny_address}{API}/info").json()["named_endpoints"]["/caption"]
    photo, width = told["parameters"]
    assert "a whole number from 1 to 100, by default 5" in told["description"]
    assert width["type"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert width["parameter_default"] == 5
    assert photo["type"]["additional_description"] == "An uploaded file, or a data: address."
    said = json.dumps(told) + json.dumps(httpx.get(f"{tiny_address}{API}/openapi.json").json()["paths"])
    outside = {address for address in re.findall(r"https?://[\w.:]+", said) if address != tiny_address}
    assert outside == set()
    assert "ublicly available" not in said
