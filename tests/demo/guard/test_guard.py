from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from asgi_client import echo, visitor
from demo.guard import Guard, GuardOptions
from demo.guard.asgi import Message
from demo.guard.headers import CONTENT_POLICY

OPTIONS = GuardOptions()


def test_every_answer_carries_the_security_headers(tmp_path: Path) -> None:
    someone = visitor(OPTIONS, tmp_path)
    answers = [
        someone.ask("/", method="GET"),
        someone.ask("/gradio_api/queue/join", b"1"),
        someone.ask("/gradio_api/run/caption", b"1"),
        someone.ask("/gradio_api/queue/join", b"1", origin="https://evil.example", host="here"),
    ]
    assert [answer.status for answer in answers] == [200, 200, 404, 403]
    for answer in answers:
        assert answer.headers[b"content-security-policy"] == CONTENT_POLICY.encode()
        assert answer.headers[b"x-content-type-options"] == b"nosniff"
        assert answer.headers[b"referrer-policy"] == b"same-origin"
        assert answer.headers[b"cross-origin-resource-policy"] == b"same-origin"


def test_the_policy_names_no_address_to_load_from() -> None:
    loading = [part for part in CONTENT_POLICY.split("; ") if not part.startswith("frame-ancestors")]
    assert not any("http" in part or "*" in part for part in loading)


def test_there_are_no_web_sockets(tmp_path: Path) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing is read of it")

    asyncio.run(Guard(echo, tmp_path)({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_files_come_in_through_the_door_of_uploads_alone() -> None:
    answer = visitor(OPTIONS).ask(
        "/gradio_api/component_server/", b"--x--", content_type="Multipart/form-data; boundary=x"
    )
    assert answer.status == 415


def test_an_upload_is_refused_when_the_disk_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    someone = visitor(OPTIONS, tmp_path)
    assert someone.ask("/gradio_api/upload", b"1").status == 200
    monkeypatch.setattr("demo.guard.guard.MIN_FREE", 2**62)
    refused = someone.ask("/gradio_api/upload", b"1")
    assert refused.status == 507
    assert b"no room" in refused.body


@pytest.mark.parametrize("wrong", [{"visitors": -1}, {"proxies": -1}])
def test_options_below_zero_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected visitors and proxies of 0 or more"):
        GuardOptions(**wrong)  # type: ignore[arg-type]
