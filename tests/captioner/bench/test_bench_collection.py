"""The ratios of a collection are what the times say; small collections run; no time is judged."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from builders import tiny_captioner
from captioner.bench import flat
from captioner.bench.collection import STAGES, CollectionSpeed, Pipeline, Turn, make_photos, pipeline
from captioner.bench.flat import Flat, FlatRun, flat_cost, many_names
from captioner.bench.memory import STATUS
from captioner.errors import DataError

MEASURED = Pipeline(
    photos=10,
    cores=2,
    whole=(Turn(10.0, 12.0), Turn(8.0, 12.0)),
    stages=(
        (Turn(4.0, 6.0), Turn(2.0, 3.0)),
        (Turn(5.0, 9.0), Turn(6.0, 4.0)),
        (Turn(1.0, 1.0), Turn(1.0, 1.0)),
    ),
)


def test_ratios_computed_by_hand() -> None:
    """Round 1: slowest 5 s of 10; 16 s of processor on 2 cores are 8 s. Round 2: slowest 6 s of 8; 4 s by cores."""
    assert MEASURED.of_slower_stage == pytest.approx((0.5, 0.75))
    assert MEASURED.of_limit == pytest.approx((0.8, 0.75))
    found = CollectionSpeed(MEASURED, Flat((FlatRun(100, 0.5, 2_000_000),)))
    record = found.record()
    assert json.loads(json.dumps(record)) == record
    assert record["pipeline"]["of_slower_stage"]["median"] == pytest.approx(0.625)
    assert record["flat"] == [{"photos": 100, "seconds": 0.5, "per_photo": 0.005, "growth": 2_000_000}]
    table = "\n".join(found.lines())
    assert "0.62 (0.56 to 0.69)" in table
    assert "5.00 ms a photo, memory +2 MB" in table


def test_a_small_pipeline_is_measured(tmp_path: Path) -> None:
    photos = make_photos(tmp_path, 3, size=(40, 30))
    found = pipeline(tiny_captioner(), photos, tmp_path, rounds=2)
    assert found.photos == 3
    assert len(found.whole) == 2
    assert [len(turns) for turns in found.stages] == [2] * len(STAGES)
    written = sorted(tmp_path.glob("*.jsonl"), key=lambda path: int(path.stem))
    texts = {path.read_text(encoding="utf-8") for path in written}
    assert len(written) == 6  # of the whole and of writing alone, the untimed round counted
    assert len(texts) == 1  # both write the same
    assert texts.pop().count("\n") == 3


def test_photos_are_made_and_named(tmp_path: Path) -> None:
    photos = make_photos(tmp_path, 2, size=(40, 30))
    with Image.open(photos[0]) as first, Image.open(photos[1]) as second:
        assert first.size == (40, 30)
        assert first.tobytes() != second.tobytes()
    names = many_names(photos, tmp_path / "names", 5)
    assert len(set(names)) == 5
    assert [name.samefile(photos[number % 2]) for number, name in enumerate(names)] == [True] * 5


@pytest.mark.skipif(not STATUS.exists(), reason="the memory of a process is read from /proc")
def test_ever_more_photos_in_processes_of_their_own() -> None:
    (run,) = flat_cost((3,)).runs
    assert run.photos == 3


def test_a_run_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if not STATUS.exists():
        pytest.skip("no /proc here")
    monkeypatch.setattr(sys, "executable", "false")
    with pytest.raises(DataError, match="expected a collection to be captioned"):
        flat_cost((3,))


def test_memory_is_measured_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat, "STATUS", Path("/nowhere/status"))
    with pytest.raises(DataError, match="on Linux only"):
        flat_cost((3,))


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="2 rounds or more"):
        replace(MEASURED, whole=MEASURED.whole[:1])
    with pytest.raises(DataError, match="2 rounds or more"):
        replace(MEASURED, stages=MEASURED.stages[:2])
    for wrong in ((0, 1.0, 0), (1, 0.0, 0), (1, 1.0, -1)):
        with pytest.raises(DataError, match="no negative growth"):
            FlatRun(*wrong)
