from __future__ import annotations

import pytest

from asgi_client import visitor
from demo.guard import GuardOptions
from demo.guard.origins import read_origin

JOIN = "/gradio_api/queue/join"


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860"),
        ("https://school.example", "school.example"),  # a proxy with https in front
        ("https://school.example", "school.example:443"),
        ("http://school.example:80", "school.example"),
        ("http://[::1]:7860", "[::1]:7860"),
        ("http://SCHOOL.example", "school.example"),
    ],
)
def test_the_page_itself_may_ask(origin: str, host: str) -> None:
    assert visitor(GuardOptions()).ask(JOIN, b"1", origin=origin, host=host).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://school.example:8000",
        "http://school.example.evil.example",
        "http://evil.example/school.example",
        "http://school.example@evil.example",
        "null",
        "",
        "school.example",
        "file://",
        "http://school.example:x",
        "chrome-extension://school.example",
    ],
)
def test_another_site_may_not(origin: str) -> None:
    answer = visitor(GuardOptions()).ask(JOIN, b"1", origin=origin, host="school.example")
    assert answer.status == 403
    assert b"another site" in answer.body
    forged = {"x_forwarded_host": "evil.example", "host": "school.example"}
    for proxies in (0, 1):
        asked = visitor(GuardOptions(proxies=proxies)).ask(JOIN, b"1", origin="https://evil.example", **forged)
        assert asked.status == 403


def test_a_program_and_a_site_that_the_operator_named_may_ask() -> None:
    someone = visitor(GuardOptions(origins=("https://lessons.example",)))
    assert someone.ask(JOIN, b"1", host="school.example").status == 200
    assert someone.ask(JOIN, b"1", host="school.example", origin="https://lessons.example").status == 200
    assert someone.ask(JOIN, b"1", host="school.example", origin="http://lessons.example").status == 403


@pytest.mark.parametrize(
    "value", ["school.example", "https://a.example/x", "ftp://a.example", "https://", "https://a:x", "https://u@a"]
)
def test_an_origin_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected an origin"):
        read_origin(value)
