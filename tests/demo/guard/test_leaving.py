"""Who goes away before the answer is told by session; who has it, or waits for none, is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from demo.guard.asgi import Message
from demo.guard.leaving import Leaving


async def never() -> Message:
    raise AssertionError("nothing is read")


def left_by(path: str, query: str = "", method: str = "GET", body: bytes = b"", whole: bool = False) -> list[str]:
    """The sessions that are told as left when a request breaks off, or is answered whole."""
    left: list[str] = []
    heard: list[bytes] = []

    async def stream(scope: Message, receive: Any, send: Any) -> None:
        if method == "POST":
            heard.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": not whole})

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode()}
    asyncio.run(Leaving(stream, left.append)(scope, receive, send))
    assert heard == ([body] if method == "POST" else [])
    return left


def test_who_goes_away_before_the_answer_is_told_by_session() -> None:
    assert left_by("/gradio_api/queue/data", "session_hash=abc") == ["abc"]
    assert left_by("/gradio_api/call/caption/def") == ["def"]
    assert left_by("/gradio_api/cancel", method="POST", body=b'{"session_hash": "ghi"}') == ["ghi"]


def test_who_has_the_answer_or_waits_for_none_has_not_gone_away() -> None:
    assert left_by("/gradio_api/queue/data", "session_hash=abc", whole=True) == []
    assert left_by("/gradio_api/queue/data") == []
    assert left_by("/gradio_api/file=a") == []
    for body in (b"[]", b"no json", b'{"session_hash": 5}', b"{}", b"[" * 100_000):
        assert left_by("/gradio_api/cancel", method="POST", body=body) == []


@pytest.mark.parametrize(("first", "left"), [("gone", ["abc"]), ("answered", [])])
def test_a_stream_that_is_ended_because_nobody_is_there_was_left(first: str, left: list[str]) -> None:
    async def stream(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if first == "gone":
            await receive()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        if first == "answered":
            await receive()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/queue/data", "query_string": b"session_hash=abc"}
    found: list[str] = []
    asyncio.run(Leaving(stream, found.append)(scope, receive, send))
    assert found == left


def test_a_stream_that_says_so_and_then_fails_ends_like_any_other() -> None:
    sent: list[Message] = []

    async def stream(scope: Message, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"no such session", "more_body": True})
        raise RuntimeError("Caught handled exception, but response already started.") from HTTPException(404)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/queue/data/", "query_string": b"session_hash=abc"}
    left: list[str] = []
    asyncio.run(Leaving(stream, left.append)(scope, never, send))
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    assert left == ["abc"]


@pytest.mark.parametrize("begun", [False, True])
def test_any_other_fault_of_a_stream_is_not_hidden(begun: bool) -> None:
    async def stream(scope: Message, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("a fault")
        raise RuntimeError("before anything was said") from HTTPException(404)

    async def send(message: Message) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/queue/data", "query_string": b"session_hash=abc"}
    with pytest.raises(RuntimeError):
        asyncio.run(Leaving(stream, lambda session: None)(scope, never, send))


@pytest.mark.parametrize(
    ("asks", "listens", "left"),
    [
        (['{"session_hash": "abc", "data": []}'], False, ["abc"]),
        (['{"session_hash": "abc"}', '{"session_hash": "abc"}'], False, ["abc"]),  # one session, told once
        (['{"session_hash": "abc"}'], True, []),
        (['{"data": []}'], False, []),  # a program without a session: its answer waits for it
        (['{"session_hash": 5}', "no json"], False, []),
    ],
)
def test_who_asks_and_does_not_listen_in_time_has_gone_away(asks: list[str], listens: bool, left: list[str]) -> None:
    found: list[str] = []

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            assert (await receive())["body"].decode() in asks  # what was read ahead is still there
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(message: Message) -> None:
        pass

    async def visit() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: found.append(str(problem)))
        leaving = Leaving(answer, found.append, patience=0.05)
        for body in asks:

            async def receive(body: str = body) -> Message:
                return {"type": "http.request", "body": body.encode()}

            await leaving({"type": "http", "method": "POST", "path": "/gradio_api/call/look"}, receive, send)
        assert found == []
        if listens:
            query = b"session_hash=abc"
            await leaving(
                {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "query_string": query}, never, send
            )
        await asyncio.sleep(0.2)

    asyncio.run(visit())
    assert found == left


def test_who_listens_already_may_ask_again() -> None:
    found: list[str] = []
    heard = asyncio.Event()

    async def answer(scope: Message, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await heard.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive() -> Message:
        return {"type": "http.request", "body": b'{"session_hash": "abc"}'}

    async def send(message: Message) -> None:
        pass

    async def visit() -> None:
        leaving = Leaving(answer, found.append, patience=0.05)
        stream = {"type": "http", "method": "GET", "path": "/queue/data", "query_string": b"session_hash=abc"}
        listening = asyncio.create_task(leaving(stream, never, send))
        await asyncio.sleep(0)
        await leaving({"type": "http", "method": "POST", "path": "/call/look"}, receive, send)
        await asyncio.sleep(0.2)
        assert found == []
        heard.set()
        await listening
        await leaving({"type": "http", "method": "POST", "path": "/call/look"}, receive, send)
        await asyncio.sleep(0.2)  # the stream has ended: it must listen anew

    asyncio.run(visit())
    assert found == ["abc"]
