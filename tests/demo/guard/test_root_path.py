"""A page under a path of a proxy, whether the proxy takes the path away or not."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_client import visitor
from demo.guard import GuardOptions
from demo.guard.asgi import Message
from demo.guard.root_path import read_root_path
from demo.server_options import read_options

UPLOAD = "/gradio_api/upload"


async def path_of(scope: Message, receive: Any, send: Any) -> None:
    """An application that answers with the path it was asked for."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize(
    ("root", "asked", "path"),
    [
        ("", "/", b"/"),
        ("", "//assets/a.js", b"/assets/a.js"),
        ("/saywhere", "/", b"/"),
        ("/saywhere", "/saywhere", b"/"),
        ("/saywhere", "/saywhere/", b"/"),
        ("/saywhere", "/saywhere/assets/a.js", b"/assets/a.js"),
        ("/saywhere", "/assets/a.js", b"/assets/a.js"),
        ("/saywhere", "/saywhere//assets/a.js", b"/assets/a.js"),
        ("/a/b", "/a/b/health", b"/health"),
        ("https://school.example/a", "/a/health", b"/health"),
        ("https://school.example", "/health", b"/health"),
    ],
)
def test_the_page_is_asked_as_without_a_proxy(root: str, asked: str, path: bytes) -> None:
    answer = visitor(GuardOptions(root_path=root), app=path_of).ask(asked, method="GET")
    assert (answer.status, answer.body) == (200, path)


@pytest.mark.parametrize("asked", ["/other/assets/a.js", "/saywherever", "/saywhere/saywhere/health", "/saywhere/run"])
def test_there_is_nothing_at_other_paths(asked: str) -> None:
    assert visitor(GuardOptions(root_path="/saywhere"), app=path_of).ask(asked, method="GET").status == 404


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("", ""),
        ("/", ""),
        ("saywhere", "/saywhere"),
        ("/saywhere/", "/saywhere"),
        ("/a/b-1", "/a/b-1"),
        ("https://School.example/a/", "https://school.example/a"),
        ("http://10.0.0.2:8000", "http://10.0.0.2:8000"),
    ],
)
def test_a_root_path_has_one_form(value: str, kept: str) -> None:
    assert read_root_path(value) == kept
    assert read_options(["--root-path", value], {"GRADIO_ROOT_PATH": "/other"}).guard.root_path == kept
    assert (
        read_options([], {"SAYWHERE_ROOT_PATH": "/saywhere", "GRADIO_ROOT_PATH": "/o"}).guard.root_path == "/saywhere"
    )
    assert read_options([], {"GRADIO_ROOT_PATH": "/other"}).guard.root_path == "/other"


@pytest.mark.parametrize(
    "value",
    [
        "/a b",
        "/a?b",
        "/a#b",
        "/../a",
        "/a//b",
        "ftp://a/b",
        "//a.example/b",
        "https://u@a/b",
        '/"><script>',
        "/.",
        "http:///a",
    ],
)
def test_a_root_path_that_is_none_is_one_sentence(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="expected a path such as /saywhere"):
        read_root_path(value)
    with pytest.raises(ValueError, match="expected a root path such as /saywhere"):
        GuardOptions(root_path="saywhere/")
    with pytest.raises(SystemExit) as stopped:
        read_options(["--root-path", value], {})
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_stream_is_passed_on_as_it_comes() -> None:
    async def stream(scope: Message, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")] if scope["path"] == "/health" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    someone = visitor(GuardOptions(), app=stream)
    assert someone.ask("/health", method="GET").headers[b"x-accel-buffering"] == b"no"
    assert b"x-accel-buffering" not in someone.ask("/", method="GET").headers


def test_an_upload_that_is_refused_is_read_so_that_a_proxy_passes_the_reason_on() -> None:
    someone = visitor(GuardOptions())
    told = {"origin": "https://evil.example", "host": "school.example"}
    refused = someone.ask(UPLOAD, b"1", b"2", b"3", **told)
    assert (refused.status, refused.unread) == (403, 0)
    assert refused.headers[b"content-length"] == str(len(refused.body)).encode()
    announced = someone.ask(UPLOAD, b"1", b"2", content_length=str(2**30))
    assert (announced.status, announced.unread) == (413, 2)
