"""Starts watched from outside: what is read, what is put beside what, and programs that die."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import photo, tiny_checkpoint
from captioner.bench import start
from captioner.bench.memory import STATUS
from captioner.bench.model_share import ModelShare, model_share
from captioner.bench.served import Memory, Served, data_address, parse_caption, parse_memory
from captioner.bench.start import MOMENTS, MemoryBeside, Visit, compare_starts, starts
from captioner.checkpoint import save_checkpoint
from captioner.errors import DataError

on_linux = pytest.mark.skipif(not STATUS.exists(), reason="the memory of a process is read from /proc")
SMALL, LARGE = Memory(100, 120, 40), Memory(300, 330, 200)
SHARE = ModelShare(torch=2.0, load=0.5, caption=0.5, again=0.25)


def test_memory_is_read_from_what_linux_says() -> None:
    status = "Name:\tpython\nVmHWM:\t    90 kB\nVmRSS:\t    80 kB\nRssAnon:\t    50 kB\nThreads:\t7\n"
    assert parse_memory(status) == Memory(80 * 1024, 90 * 1024, 50 * 1024)


def test_a_process_that_has_ended_has_no_memory() -> None:
    with pytest.raises(DataError, match="got a process that has ended"):
        parse_memory("Name:\tpython\nState:\tZ (zombie)\n")


@pytest.mark.parametrize("wrong", [{"private": 101}, {"resident": 121}, {"resident": 0, "private": 0}])
def test_memory_that_cannot_be(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match="expected private <= resident <= peak bytes"):
        replace(SMALL, **wrong)


def test_a_caption_is_found_in_the_events() -> None:
    said = {"captions": [{"text": "a dog"}]}
    events = f"event: heartbeat\ndata: null\n\nevent: complete\ndata: {json.dumps([said])}\n\n"
    assert parse_caption(events) == said


@pytest.mark.parametrize("events", ["", "event: error\ndata: null\n\n", 'event: complete\ndata: [{"captions": []}]\n'])
def test_a_call_that_failed_is_no_caption(events: str) -> None:
    with pytest.raises(DataError, match="expected a caption"):
        parse_caption(events)


def test_rounds_are_put_beside_each_other() -> None:
    ours = (Visit(4.0, 8.0, (SMALL, LARGE, LARGE)), Visit(5.0, 9.0, (SMALL, LARGE, LARGE)))
    bare = (Visit(2.0, 6.0, (SMALL, SMALL)), Visit(4.0, 9.0, (SMALL, SMALL)))
    found = compare_starts(ours, bare, (SHARE, replace(SHARE, load=1.5)))
    assert [pair.ratios for pair in found.times.pairs] == [(0.5, 0.8), (0.75, 1.0), (2.0, 1.0)]
    assert [(moment.name, moment.ratio) for moment in found.memory] == list(zip(MOMENTS, (1.0, 3.0, 3.0), strict=True))
    record = found.record()
    assert json.loads(json.dumps(record)) == record
    assert record["memory"][1]["ours"][0] == {"resident": 300, "peak": 330, "private": 200}
    assert record["model_shares"][1]["load"] == 1.5
    lines = found.lines()
    assert "load 1.00 s, first caption 0.50 s (the second 0.25 s)" in lines[3]
    assert "3.00 x as much" in lines[5]


def test_rounds_that_do_not_match() -> None:
    with pytest.raises(DataError, match="equally many rounds, got 1 and 0"):
        MemoryBeside("ready", (SMALL,), ())
    with pytest.raises(DataError, match="times above 0 s"):
        replace(SHARE, again=0.0)


def test_starts_are_measured_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "STATUS", Path("/nowhere/status"))
    with pytest.raises(DataError, match="on Linux only"):
        starts(3, "cpu", photo(), Path("none.safetensors"))


@pytest.mark.parametrize("wait", [lambda page: page.answers(), lambda page: page.says("SayWhere is ready")])
def test_a_program_that_dies_is_an_error_with_its_last_line(wait: object) -> None:
    assert callable(wait)
    with (
        Served(["-c", "print('one'); raise SystemExit('no such checkpoint')"]) as page,
        pytest.raises(DataError, match="it ended; its last line: no such checkpoint"),
    ):
        wait(page)


def test_a_program_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.bench.served.LONGEST", 0.2)
    with (
        Served(["-c", "import time; time.sleep(60)"]) as page,
        pytest.raises(DataError, match="it took longer than 0 s; its last line: nothing"),
    ):
        page.answers()


def test_a_model_that_does_not_load(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected a model that loads, got: .*none\.safetensors"):
        model_share(tmp_path / "none.safetensors", "cpu")


@on_linux
def test_a_start_of_a_small_model(tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    visit = start.visit_app(path, "cpu", data_address(photo()), captions=2)
    assert 0 < visit.page < visit.ready
    page, ready, captioned = visit.memory
    assert 50e6 < page.resident < ready.resident  # torch comes after the page
    assert captioned.peak >= ready.peak >= ready.resident
