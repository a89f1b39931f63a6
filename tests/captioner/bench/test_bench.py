"""The bench on a narrow network and few words: what is said is compared, what took how long is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from builders import photo
from captioner.__main__ import main
from captioner.bench import memory, run
from captioner.bench.harness import Comparison, Comparisons, Pair
from captioner.bench.memory import STATUS, ConversionMemory, MemoryUse, conversion_memory
from captioner.bench.models import END, START, make_models, word_map
from captioner.bench.options import ENTRIES, BenchOptions, ModelSizes
from captioner.bench.report import Report, Section, describe_machine
from captioner.bench.speed import speed_pairs
from captioner.bench.textbook import MAX_STEPS, tutorial_captions
from captioner.errors import DataError

SMALL = ModelSizes(words=60, decoder=24, width=2)
QUICK = BenchOptions(("speed",), rounds=3, device="cpu", sizes=SMALL)


def report() -> Report:
    comparison = Comparison("beam 5", (1.0, 1.0, 2.0), (4.0, 5.0, 6.0), True)
    use = MemoryUse("conversion memory, zip format", file=100_000_000, before=50_000_000, peak=150_000_000)
    sections: dict[str, Section] = {"speed": Comparisons((comparison,)), "memory": ConversionMemory((use,))}
    return Report(describe_machine(torch.device("cpu")), sections)


def test_both_sides_say_the_same_in_every_pair() -> None:
    pairs = list(speed_pairs(QUICK, photo()))
    assert len({pair.name for pair in pairs}) == 5
    assert [pair.same and pair.same(pair.ours(), pair.reference()) for pair in pairs] == [True, True, None, True, True]


def test_a_bench_times_every_pair_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [Pair("as ever", lambda: 1, lambda: 1, int.__eq__), Pair("another", lambda: 1, lambda: 2)]
    monkeypatch.setattr(run, "speed_pairs", lambda options, photo: iter(pairs))
    told: list[str] = []
    report = run.bench(QUICK, photo(), told.append)
    found = report.sections["speed"]
    assert isinstance(found, Comparisons)
    assert [(one.name, one.same) for one in found.pairs] == [("as ever", True), ("another", None)]
    assert told == ["as ever", "another"]
    assert report.same
    assert all(len(one.ours) == 3 for one in found.pairs)
    assert list(report.sections) == ["speed"]


@pytest.mark.parametrize("words", [6, 12])
def test_captions_end_when_they_are_told_to(words: int) -> None:
    models, numbers = make_models(SMALL, words, "cpu"), word_map(SMALL.words)
    told = tutorial_captions(models.encoder, models.decoder, photo(), 4, numbers[START], numbers[END])
    assert len(told) == 4
    assert all(one.finished and abs(len(one.words) - words) <= 2 for one in told)


def test_every_entry_can_be_measured() -> None:
    assert set(run.MEASURES) == set(ENTRIES)


def test_captions_that_never_end() -> None:
    models, numbers = make_models(SMALL, None, "cpu"), word_map(SMALL.words)
    told = tutorial_captions(models.encoder, models.decoder, photo(), 3, numbers[START], numbers[END])
    assert [(len(one.words), len(one.maps), one.finished) for one in told] == [(MAX_STEPS, MAX_STEPS, False)] * 3


def test_another_answer_is_noticed() -> None:
    pair = next(speed_pairs(QUICK, photo()))
    assert pair.same is not None
    ours, theirs = pair.ours(), pair.reference()
    assert pair.same(ours, theirs)
    assert not pair.same(ours, [replace(theirs[0], words=[1, *theirs[0].words[1:]]), *theirs[1:]])
    assert not pair.same(ours, theirs[:-1])


def test_a_report_is_a_table_and_plain_json() -> None:
    record = report().record()
    assert json.loads(json.dumps(record)) == record
    assert record["entries"]["speed"][0]["ratio"] == 4.0
    assert record["entries"]["memory"][0]["ratio"] == 1.0
    assert record["machine"]["cores"] >= 1
    assert record["machine"]["torch"] == torch.__version__
    table = report().table()
    assert "4.00 x as fast (3.50 to 4.50)" in table
    assert "same answer" in table
    assert "1.00 x the file of 100 MB" in table
    other = Comparisons((Comparison("beam 5", (1.0, 1.0), (1.0, 1.0), False),))
    wrong = replace(report(), sections={**report().sections, "speed": other})
    assert not wrong.same
    assert "OTHER ANSWER" in wrong.table()


def test_the_command_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[BenchOptions] = []

    def measured(options: BenchOptions, *_: object) -> Report:
        asked.append(options)
        return report()

    monkeypatch.setattr(run, "bench", measured)
    out = tmp_path / "bench.json"
    assert main(["bench", "--entries", "memory,speed", "--rounds", "4", "--device", "cpu", "--json", str(out)]) == 0
    assert asked == [BenchOptions(("memory", "speed"), 4, "cpu")]
    assert capsys.readouterr().out == report().table() + "\n"
    assert json.loads(out.read_text()) == report().record()


def test_the_command_refuses_what_cannot_be_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--rounds", "2"]) == 2
    assert "expected 3 to 1000 rounds, got 2" in capsys.readouterr().err
    assert main(["bench", "--entries", "speed,taste"]) == 2
    assert f"expected entries out of {', '.join(ENTRIES)}, got speed, taste" in capsys.readouterr().err
    assert main(["bench", "--device", "abacus"]) == 2
    assert "the device 'abacus' cannot be used here" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"words": 4}, {"decoder": 0}, {"width": 65}])
def test_sizes_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(DataError, match=f"expected {next(iter(wrong))} of .*, got {next(iter(wrong.values()))}"):
        replace(SMALL, **wrong)


def test_memory_that_cannot_be() -> None:
    with pytest.raises(DataError, match="a peak not below 10 bytes, got 5, 9"):
        MemoryUse("a", file=5, before=10, peak=9)


def test_memory_is_measured_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "STATUS", Path("/nowhere/status"))
    with pytest.raises(DataError, match="on Linux only"):
        conversion_memory(SMALL)


@pytest.mark.skipif(not STATUS.exists(), reason="the memory of a process is read from /proc")
def test_a_conversion_takes_less_than_one_and_a_half_files() -> None:
    """Optimizer state is two thirds of what a decoder fills, and is never read."""
    sizes = ModelSizes(words=9490, decoder=192, width=4)
    for use in conversion_memory(sizes).uses:
        assert use.file > 80_000_000
        assert use.ratio < 1.5, use
