"""The harness takes turns, and its ratios are what the times say; no real time is measured here."""

from __future__ import annotations

import json

import pytest

from captioner.bench.harness import Comparison, Pair, compare
from captioner.errors import DataError


class Clock:
    """Time that passes only when something takes some."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns: list[str] = []

    def __call__(self) -> float:
        return self.now

    def work(self, name: str, seconds: float) -> str:
        self.turns.append(name)
        self.now += seconds
        return name


def pair(clock: Clock) -> Pair[str, str]:
    return Pair(
        "a pair", lambda: clock.work("ours", 0.5), lambda: clock.work("reference", 2.0), lambda a, b: a[0] == b[0]
    )


def test_both_sides_take_turns_after_a_warm_up() -> None:
    clock = Clock()
    comparison = compare(pair(clock), 3, clock)
    assert clock.turns == ["ours", "reference"] * 4
    assert comparison.ours == pytest.approx((0.5,) * 3)
    assert comparison.reference == pytest.approx((2.0,) * 3)
    assert comparison.quartiles == pytest.approx((4.0,) * 3)


def test_answers_are_compared_where_that_is_asked() -> None:
    clock = Clock()
    assert compare(pair(clock), 2, clock).same is False
    indifferent = Pair("a", lambda: clock.work("a", 1), lambda: clock.work("b", 1))
    assert compare(indifferent, 2, clock).same is None


def test_the_ratio_is_the_median_over_rounds_and_not_that_of_the_medians() -> None:
    comparison = Comparison("a", ours=(1.0, 2.0, 4.0, 5.0, 1.0), reference=(3.0, 8.0, 4.0, 10.0, 5.0))
    assert comparison.ratios == pytest.approx((3, 4, 1, 2, 5))
    assert comparison.quartiles == pytest.approx((2, 3, 4))
    record = comparison.record()
    assert (record["ratio"], record["ratio_quartiles"]) == (3.0, [2.0, 4.0])
    assert (record["ours_median"], record["reference_median"]) == (2.0, 5.0)
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize(
    ("ours", "reference", "message"),
    [
        ((1.0, 1.0), (1.0,), "equally many rounds of both, 2 or more, got 2 and 1"),
        ((1.0,), (1.0,), "2 or more, got 1 and 1"),
        ((1.0, 0.0), (1.0, 1.0), r"times above 0 s, got 0\.0"),
    ],
)
def test_times_that_cannot_be(ours: tuple[float, ...], reference: tuple[float, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Comparison("a", ours, reference)
