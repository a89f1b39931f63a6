from __future__ import annotations

import asyncio
from typing import Any

from demo.guard import CONTENT_POLICY, Guard, Message

LIMIT = 10  # bytes


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """An application that answers with what it received."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body})


def ask(path: str, *parts: bytes, method: str = "POST") -> tuple[int, dict[bytes, bytes], bytes]:
    """Send a request whose body comes in parts; the status, headers and body of the answer."""
    waiting: list[Message] = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(Guard(echo, json_limit=LIMIT)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_a_small_request_passes_whole() -> None:
    assert ask("/call/caption", b"12345", b"67890")[::2] == (200, b"1234567890")


def test_a_large_request_is_refused_also_in_small_parts() -> None:
    for parts in ([b"12345678901"], [b"12345", b"67890", b"1"]):
        status, headers, body = ask("/call/caption", *parts)
        assert status == 413
        assert headers[b"content-type"] == b"application/json"
        assert b"too large" in body


def test_a_large_request_is_not_read_to_its_end() -> None:
    waiting = [{"type": "http.request", "body": b"x" * 6, "more_body": True} for _ in range(100)]

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/"}
    asyncio.run(Guard(echo, json_limit=LIMIT)(scope, receive, send))
    assert len(waiting) == 98


def test_uploads_have_a_limit_of_their_own() -> None:
    assert ask("/gradio_api/upload", b"x" * 50)[::2] == (200, b"x" * 50)


def test_every_answer_carries_the_security_headers() -> None:
    for answer in (ask("/", b"", method="GET"), ask("/", b"1"), ask("/", b"x" * 50)):
        headers = answer[1]
        assert headers[b"content-security-policy"] == CONTENT_POLICY.encode()
        assert headers[b"x-content-type-options"] == b"nosniff"
        assert headers[b"referrer-policy"] == b"same-origin"


def test_the_policy_names_no_address_to_load_from() -> None:
    loading = [part for part in CONTENT_POLICY.split("; ") if not part.startswith("frame-ancestors")]
    assert not any("http" in part or "*" in part for part in loading)


def left_by(path: str, query: str = "", method: str = "GET", body: bytes = b"", whole: bool = False) -> list[str]:
    """The sessions that are told as left when a request breaks off, or is answered whole."""
    left: list[str] = []

    async def stream(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": not whole})

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    asyncio.run(Guard(stream, left=left.append)(scope, receive, send))
    return left


def test_who_goes_away_before_the_answer_is_told_by_session() -> None:
    assert left_by("/gradio_api/queue/data", "session_hash=abc") == ["abc"]
    assert left_by("/gradio_api/call/caption/def") == ["def"]
    assert left_by("/gradio_api/cancel", method="POST", body=b'{"session_hash": "ghi"}') == ["ghi"]


def test_who_has_the_answer_or_waits_for_none_has_not_gone_away() -> None:
    assert left_by("/gradio_api/queue/data", "session_hash=abc", whole=True) == []
    assert left_by("/gradio_api/queue/data") == []
    assert left_by("/gradio_api/file=a") == []
    for body in (b"[]", b"no json", b'{"session_hash": 5}', b"{}"):
        assert left_by("/gradio_api/cancel", method="POST", body=body) == []
