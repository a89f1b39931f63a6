from __future__ import annotations

import pytest

from asgi_client import visitor
from demo.allowance import Rate
from demo.guard import GuardOptions
from demo.guard.clients import client_of
from demo.guard.rates import RATES, RateLimiter

JOIN = "/gradio_api/queue/join"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_passes_then_one_for_every_second_that_passes(clock: Clock) -> None:
    rates = RateLimiter(1, {"caption": Rate(burst=3, seconds=2.0)}, clock)
    assert [rates.take("a", "caption") for _ in range(5)] == [0, 0, 0, 2, 2]
    clock.now = 1.5
    assert rates.take("a", "caption") == 1
    clock.now = 2.0
    assert [rates.take("a", "caption") for _ in range(2)] == [0, 2]
    clock.now = 1e6  # no more than a burst is saved up
    assert [rates.take("a", "caption") for _ in range(4)] == [0, 0, 0, 2]


def test_clients_and_kinds_have_rates_of_their_own(clock: Clock) -> None:
    rates = RateLimiter(1, {"caption": Rate(1, 60.0), "upload": Rate(1, 60.0)}, clock)
    assert rates.take("a", "caption") == 0
    assert rates.take("a", "caption") == 60
    assert rates.take("a", "upload") == 0
    assert rates.take("b", "caption") == 0
    assert [rates.take("a", "static") for _ in range(9)] == [0] * 9


def test_no_more_than_so_many_clients_are_remembered(clock: Clock) -> None:
    rates = RateLimiter(1, {"caption": Rate(1, 60.0)}, clock, kept=2)
    for client in "abcdefgh":
        rates.take(client, "caption")
    assert len(rates) == 2
    assert rates.take("h", "caption") > 0


def test_without_visitors_nothing_is_refused(clock: Clock) -> None:
    rates = RateLimiter(0, {"caption": Rate(1, 60.0)}, clock)
    assert [rates.take("a", "caption") for _ in range(50)] == [0] * 50
    assert len(rates) == 0


@pytest.mark.parametrize(("burst", "seconds"), [(0, 1), (1, 0), (float("nan"), 1)])
def test_a_rate_for_nothing_is_refused(burst: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="expected a burst"):
        Rate(burst, seconds)


def use_for(minutes: float, visitors: int, rates: RateLimiter, clock: Clock) -> list[int]:
    """A class behind one address: everyone opens the page and uploads at once, a model loads for a minute, and then
    everybody asks something every 4 seconds, has a photo captioned every 20 and uploads one every minute."""
    waits: list[int] = []

    def take(kind: str, times: int) -> None:
        waits.extend(rates.take("school", kind) for _ in range(times * visitors))

    take("page", 8)
    take("upload", 1)
    take("caption", 1)
    take("file", 2)
    for second in range(int(minutes * 60)):
        clock.now = float(second)
        if second % 4 == 0 or (second < 60 and second % 2 == 0):
            take("question", 1)
        if second % 20 == 0:
            take("caption", 1)
            take("page", 2)
            take("file", 1)
        if second % 60 == 0:
            take("upload", 1)
    return waits


def test_thirty_phones_behind_one_address_are_not_refused(clock: Clock) -> None:
    waits = use_for(10, 30, RateLimiter(30, clock=clock), clock)
    assert len(waits) > 5000
    assert not any(waits)


def test_as_many_behind_an_address_meant_for_one_are(clock: Clock) -> None:
    assert any(use_for(10, 30, RateLimiter(1, clock=clock), clock))


def test_who_asks_too_often_is_told_when_to_come_again() -> None:
    someone = visitor(GuardOptions(visitors=1))
    answers = [someone.ask(JOIN, b"1") for _ in range(int(RATES["caption"].burst) + 1)]
    assert [answer.status for answer in answers[:-1]] == [200] * (len(answers) - 1)
    assert answers[-1].status == 429
    assert answers[-1].headers[b"retry-after"] == b"10"
    assert b"try again in 10 s" in answers[-1].body
    upload = [someone.ask("/gradio_api/upload", b"1") for _ in range(int(RATES["upload"].burst) + 1)][-1]
    assert upload.status == 429
    assert upload.body.startswith(b"Too many requests")  # plain: Gradio shows it as it is


def peer(address: str, *forwarded: str) -> dict[str, object]:
    return {"client": (address, 5), "headers": [(b"x-forwarded-for", entry.encode()) for entry in forwarded]}


def test_nobody_is_believed_without_proxies() -> None:
    assert client_of(peer("10.0.0.9", "1.1.1.1"), 0) == "10.0.0.9"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (1, ["1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),  # the visitor wrote the first
        (1, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (2, ["6.6.6.6, 1.1.1.1, 10.0.0.2"], "1.1.1.1"),
        (2, ["1.1.1.1"], "1.1.1.1"),
        (1, ["1.1.1.1:5555"], "1.1.1.1"),
        (1, ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        (1, ["2001:db8:1:2:9::9"], "2001:db8:1:2::/64"),
        (1, ["::ffff:1.1.1.1"], "1.1.1.1"),
        (1, ["rubbish"], "10.0.0.9"),
        (1, [], "10.0.0.9"),
    ],
)
def test_the_client_is_read_from_the_right(proxies: int, forwarded: list[str], client: str) -> None:
    assert client_of(peer("10.0.0.9", *forwarded), proxies) == client


def test_an_unnamed_peer_is_a_client_too() -> None:
    assert client_of({"client": None, "headers": []}, 0) == ""
    assert client_of({"headers": []}, 1) == ""


def test_a_forged_header_brings_no_new_start() -> None:
    for proxies in (0, 1):
        someone = visitor(GuardOptions(visitors=1, proxies=proxies))
        statuses = [
            someone.ask(JOIN, b"1", x_forwarded_for=f"6.6.6.{number}" + ", 1.1.1.1" * proxies).status
            for number in range(12)
        ]
        assert statuses == [200] * 6 + [429] * 6
