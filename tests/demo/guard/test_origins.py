from __future__ import annotations

import logging

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


@pytest.mark.parametrize(
    ("origin", "told"),
    [
        ("https://school.example", {"host": "school.example:443"}),
        ("https://school.example", {"host": "SCHOOL.example"}),
        ("http://[fd00::2]:8080", {"host": "[fd00::2]:8080"}),
        ("https://school.example", {"host": "127.0.0.1:7860", "x_forwarded_host": "school.example"}),
        ("http://school.example:8080", {"host": "localhost:7860", "x_forwarded_host": "school.example:8080"}),
        ("https://school.example", {"host": "127.0.0.1:7860", "x_forwarded_host": "evil.example, school.example"}),
        (
            "https://school.example",
            {"host": "127.0.0.1:7860", "forwarded": 'for=1.2.3.4;host="school.example";proto=https'},
        ),
        ("http://[::1]:8080", {"host": "127.0.0.1:7860", "forwarded": 'FOR="[::1]"; Host="[::1]:8080"'}),
        ("http://school.example:8080", {"host": "school.example", "x_forwarded_port": "8080"}),
        ("http://[::1]:8080", {"host": "[::1]", "x_forwarded_port": "8080"}),
        ("https://school.example", {"host": "school.example", "x_forwarded_port": "8080"}),
    ],
)
def test_the_page_may_ask_whatever_a_trusted_proxy_does_to_the_host(origin: str, told: dict[str, str]) -> None:
    assert visitor(GuardOptions(proxies=1)).ask(JOIN, b"1", origin=origin, **told).status == 200


@pytest.mark.parametrize(
    ("proxies", "told"),
    [
        (0, {"host": "127.0.0.1:7860", "x_forwarded_host": "evil.example"}),
        (0, {"host": "127.0.0.1:7860", "forwarded": "host=evil.example"}),
        (1, {"host": "127.0.0.1:7860", "x_forwarded_host": "evil.example, school.example"}),
        (1, {"host": "127.0.0.1:80", "x_forwarded_host": "evil.example"}),
        (1, {"host": "school.example", "forwarded": "host=evil.example"}),
        (1, {"host": "school.example", "x_forwarded_port": "evil.example"}),
        (1, {"host": "school.example", "sec_fetch_site": "same-site"}),
        (1, {"host": "school.example", "sec_fetch_site": "cross-site"}),
        (1, {}),
    ],
)
def test_another_site_may_not_by_what_it_says_of_a_proxy(proxies: int, told: dict[str, str]) -> None:
    asked = visitor(GuardOptions(proxies=proxies)).ask(JOIN, b"1", origin="https://evil.example", **told)
    assert asked.status == 403


def test_a_browser_knows_its_own_site() -> None:
    """Also where a proxy has left the host quite different; no script can write that header."""
    told = {"origin": "https://school.example:8443", "host": "inner", "sec_fetch_site": "same-origin"}
    assert visitor(GuardOptions()).ask(JOIN, b"1", **told).status == 200


def test_the_whole_address_of_the_page_is_an_origin_of_its_own() -> None:
    someone = visitor(GuardOptions(root_path="https://school.example/saywhere"))
    assert someone.ask(JOIN, b"1", host="inner", origin="https://school.example").status == 200
    assert someone.ask(JOIN, b"1", host="inner", origin="https://evil.example").status == 403


def test_a_refusal_is_logged_once_with_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    someone = visitor(GuardOptions())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert someone.ask(JOIN, b"1", host="school.example", origin="http://school.example:8080").status == 403
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == (
        "A request from http://school.example:8080 was refused, because it asked for school.example. If that is this "
        "page behind a proxy, let the proxy pass on the host as the browser names it (nginx: proxy_set_header Host "
        "$http_host;) or start with --origins http://school.example:8080; see .hosting/README.md."
    )


def test_the_log_is_neither_filled_nor_written_to_by_other_sites(caplog: pytest.LogCaptureFixture) -> None:
    someone = visitor(GuardOptions(visitors=0))
    with caplog.at_level(logging.WARNING):
        for number in range(100):
            someone.ask(JOIN, b"1", host="school.example", origin=f"http://{number}\n{'x' * 500}\x1b[31m")
    assert 0 < len(caplog.records) <= 20
    for record in caplog.records:
        assert record.getMessage().isprintable()
        assert len(record.getMessage()) < 600


def test_a_program_and_a_site_that_the_operator_named_may_ask() -> None:
    someone = visitor(GuardOptions(origins=("https://lessons.example",)))
    assert someone.ask(JOIN, b"1", host="school.example").status == 200
    assert someone.ask(JOIN, b"1", host="school.example", origin="https://lessons.example").status == 200
    assert someone.ask(JOIN, b"1", host="school.example", origin="http://lessons.example").status == 403
    named = visitor(GuardOptions(origins=(read_origin("https://Lessons.example:443"),)))
    assert named.ask(JOIN, b"1", host="school.example", origin="https://lessons.example").status == 200


@pytest.mark.parametrize(
    "value", ["school.example", "https://a.example/x", "ftp://a.example", "https://", "https://a:x", "https://u@a"]
)
def test_an_origin_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="expected an origin"):
        read_origin(value)
