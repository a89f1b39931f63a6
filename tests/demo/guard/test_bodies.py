from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asgi_client import multipart, visitor
from demo.guard import GuardOptions
from demo.guard.asgi import Message
from demo.guard.bodies import BodyLimits

JSON = "/gradio_api/queue/join"
UPLOAD = "/gradio_api/upload"
OPTIONS = GuardOptions(limits=BodyLimits(json_bytes=10, upload_bytes=500, upload_files=2, silence=0.05))


def test_a_small_request_passes_whole() -> None:
    answer = visitor(OPTIONS).ask(JSON, b"12345", b"67890")
    assert (answer.status, answer.body) == (200, b"1234567890")


def test_a_large_request_is_refused_also_in_small_parts() -> None:
    for parts in ([b"12345678901"], [b"12345", b"67890", b"1"]):
        answer = visitor(OPTIONS).ask(JSON, *parts, content_length="5")
        assert answer.status == 413
        assert answer.headers[b"content-type"] == b"application/json"
        assert b"too large" in answer.body


def test_a_large_request_is_not_read_to_its_end() -> None:
    assert visitor(OPTIONS).ask(JSON, *[b"x" * 6] * 100).unread == 98


def test_a_request_that_says_no_more_is_given_up() -> None:
    assert visitor(OPTIONS).ask(JSON, b"1", ends="silent").status == 408


async def gradio(scope: Message, receive: Any, send: Any) -> None:
    """Takes an upload as Gradio does: with its own parser, into a folder named by the path of the request."""
    from gradio.route_utils import GradioMultiPartParser, MultiPartException
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    request = Request(scope, receive)
    folder = request.headers["folder"]
    parser = GradioMultiPartParser(request.headers, request.stream(), upload_dir=folder, max_file_size=10_000)
    try:
        form = await parser.parse()
        for file in form.getlist("files"):
            file.file.close()
        answer = PlainTextResponse("taken")
    except MultiPartException as problem:
        answer = PlainTextResponse(problem.message, 400)
    await answer(scope, receive, send)


def send_upload(folder: Path, body: bytes, kind: str, size: int = 40, **more: str) -> tuple[int, bytes]:
    """Upload in small parts; the status and the text."""
    folder.mkdir(exist_ok=True)
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    answer = visitor(OPTIONS, folder, gradio).ask(UPLOAD, *parts, content_type=kind, folder=str(folder), **more)
    return answer.status, answer.body


def test_an_upload_within_its_limits_is_taken(tmp_path: Path) -> None:
    kind, body = multipart([b"x" * 50, b"y" * 50])
    assert send_upload(tmp_path, body, kind) == (200, b"taken")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("size", [7, 40, 1000])
@pytest.mark.parametrize(
    ("files", "sentence"),
    [([b"x" * 600], b"too large"), ([b"x" * 300, b"y" * 200], b"too large"), ([b"x"] * 3, b"too many files")],
)
def test_an_upload_beyond_its_limits_is_refused_and_leaves_nothing_behind(
    tmp_path: Path, files: list[bytes], sentence: bytes, size: int
) -> None:
    kind, body = multipart(files)
    status, said = send_upload(tmp_path, body, kind, size, content_length="9")
    assert status == 413
    assert sentence in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ends", ["gone", "silent"])
def test_an_upload_that_breaks_off_leaves_nothing_behind(tmp_path: Path, ends: str) -> None:
    kind, body = multipart([b"x" * 300])
    status, said = send_upload(tmp_path, body[:200], kind, ends=ends)
    assert status == 408
    assert b"too slowly" in said
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_announces_too_much_is_not_read_at_all(tmp_path: Path) -> None:
    answer = visitor(OPTIONS, tmp_path).ask(UPLOAD, b"1", content_length="501")
    assert (answer.status, answer.unread) == (413, 1)


def test_a_boundary_cut_between_two_parts_is_counted(tmp_path: Path) -> None:
    kind, body = multipart([b"x"] * 3)
    assert [send_upload(tmp_path / str(size), body, kind, size)[0] for size in range(1, 30)] == [413] * 29
