"""Curves say what their times say; the searches timed have the sizes they are meant to have."""

from __future__ import annotations

import json

import pytest
import torch

from builders import photo
from captioner.bench import growth as rooms
from captioner.bench.growth import Curve, GrowthSizes, endless_captioner, growth
from captioner.bench.options import BenchOptions
from captioner.bench.task import Task
from captioner.errors import DataError
from captioner.search_options import SearchOptions

SMALL = GrowthSizes((1, 2, 4), (2, 4), (40, 80), width=2, steps=3, vocabulary=40, grid=2, decoder=8)


def test_exponents_computed_by_hand() -> None:
    """1, 2, 8 seconds (the medians) at 1, 2, 4: size ** 1.5 between the ends, squared in the second half."""
    curve = Curve("a", (1, 2, 4), ((1.0, 1.0, 9.0), (2.0, 1.0, 3.0), (8.0, 8.0, 8.0)))
    assert curve.medians == (1.0, 2.0, 8.0)
    assert curve.exponent == pytest.approx(1.5)
    assert curve.steepest == pytest.approx(2.0)
    record = curve.record()
    assert json.loads(json.dumps(record)) == record
    assert record["points"][1] == {"size": 2, "median": 2.0, "quartiles": [1.5, 2.5], "seconds": [2.0, 1.0, 3.0]}
    head, *points = curve.lines()
    assert "size^1.50 end to end, ^2.00 where steepest" in head
    assert [line.count("#") for line in points] == [4, 8, 30]


def test_a_flat_curve_has_exponent_0() -> None:
    assert Curve("a", (10, 1000), ((2.0, 2.0), (2.0, 2.0))).exponent == 0


@pytest.mark.parametrize(
    ("sizes", "seconds", "message"),
    [
        ((1,), ((1.0, 1.0),), "2 ascending sizes"),
        ((2, 1), ((1.0, 1.0), (1.0, 1.0)), "2 ascending sizes"),
        ((1, 2), ((1.0, 1.0),), "2 ascending sizes"),
        ((1, 2), ((1.0, 1.0), (1.0,)), "2 rounds or more"),
        ((1, 2), ((1.0, 1.0), (1.0, 0.0)), "times above 0 s"),
    ],
)
def test_curves_that_cannot_be(sizes: tuple[int, ...], seconds: tuple[tuple[float, ...], ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Curve("a", sizes, seconds)


@pytest.mark.parametrize(("width", "steps"), [(1, 2), (3, 7)])
def test_every_search_has_the_steps_it_is_asked_for(width: int, steps: int) -> None:
    captioner = endless_captioner(40, SMALL, torch.device("cpu"))
    grid = rooms._grid(SMALL, torch.device("cpu"))
    (description,) = captioner.search(grid, SearchOptions((width,), max_steps=steps))
    captions = description.at_width(width)
    assert [(len(caption.words), caption.finished) for caption in captions] == [(steps, False)] * width


def test_the_bare_product_is_what_a_search_asks_of_the_layer() -> None:
    captioner = endless_captioner(40, SMALL, torch.device("cpu"))
    rows: list[tuple[int, ...]] = []
    captioner.decoder.output.register_forward_pre_hook(lambda module, given: rows.append(tuple(given[0].shape)))
    rooms._product(captioner, SMALL)()
    product, rows[:] = list(rows), []
    rooms._search(captioner, rooms._grid(SMALL, torch.device("cpu")), SMALL.width, SMALL.steps)()
    assert product == rows == [(1, 1, 8), (1, 2, 8), (1, 2, 8)]


def test_all_sizes_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock on which a search takes its width times its words, and the product half a unit."""
    asked: list[str] = []

    def search(captioner: object, grid: object, width: int, steps: int) -> object:
        return (float(width * steps), f"{width}x{steps}")

    monkeypatch.setattr(rooms, "_search", search)
    monkeypatch.setattr(rooms, "_product", lambda captioner, sizes: (0.5, "product"))

    def turns(calls: list[tuple[float, str]], rounds: int, device: object) -> tuple[tuple[float, ...], ...]:
        asked.extend(name for _, name in calls)
        return tuple((seconds,) * rounds for seconds, _ in calls)

    monkeypatch.setattr(rooms, "_turns", turns)
    told: list[str] = []
    task = Task(BenchOptions(("growth",), 3, "cpu"), torch.device("cpu"), photo(), told.append)
    width, words, vocabulary, product, own = growth(task, SMALL).curves
    assert asked == ["1x3", "2x3", "4x3", "2x2", "2x4", "2x3", "2x3", "product", "product"]
    assert width.exponent == pytest.approx(1)
    assert words.exponent == pytest.approx(1)
    assert (vocabulary.medians, product.medians, own.medians) == ((6.0, 6.0), (0.5, 0.5), (5.5, 5.5))
    assert len(told) == 3


def test_turns_run_every_call_in_every_round() -> None:
    called: list[str] = []
    found = rooms._turns([lambda: called.append("a"), lambda: called.append("b")], 2, torch.device("cpu"))
    assert called == ["a", "b"] * 3
    assert [len(rounds) for rounds in found] == [2, 2]


def test_small_searches_are_measured() -> None:
    task = Task(BenchOptions(("growth",), 3, "cpu"), torch.device("cpu"), photo(), lambda name: None)
    found = growth(task, SMALL)
    assert [curve.sizes for curve in found.curves] == [(1, 2, 4), (2, 4), (40, 80), (40, 80), (40, 80)]
    assert len(found.lines()) == 3 + 2 + 3 * 2 + 5
    assert json.loads(json.dumps(found.record())) == found.record()
