"""Photos by the batch: rates and shares as by hand, and no two photos alike."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from builders import photo
from captioner.bench import batch
from captioner.bench.batch import BatchSpeed, BatchSpeeds, measure_batches, shifted
from captioner.bench.options import BenchOptions
from captioner.bench.roofline import measure_rates
from captioner.bench.task import Task
from captioner.errors import DataError

# 8 photos in 4 s; the encoder does 60 operations in 2 s where 120 could be done.
SPEED = BatchSpeed("eight", 8, (1.0, 2.0, 3.0), (1.0, 1.0, 1.0), (5.0, 4.0, 3.0), flops=60.0, products=60.0)


def test_rates_as_by_hand() -> None:
    assert SPEED.rate == 2.0
    assert SPEED.encoder_share == 0.5
    assert "2.0 photos/s (4000.0 ms: encoder 2000.0 ms, search 1000.0 ms; encoder at 50 % of" in SPEED.line()
    record = BatchSpeeds((SPEED,)).record()
    assert json.loads(json.dumps(record)) == record
    assert (record[0]["rate"], record[0]["encoder_share"]) == (2.0, 0.5)


def test_photos_are_not_alike_and_hold_the_same_pixels() -> None:
    pixels = torch.arange(3 * 2 * 8.0).view(3, 2, 8)
    many = shifted(pixels, 4)
    assert many.shape == (4, 3, 2, 8)
    assert torch.equal(many[0], pixels)
    assert torch.equal(many[1], pixels.roll(2, dims=-1))
    assert len({tuple(one.flatten().tolist()) for one in many}) == 4
    assert torch.equal(many.flatten(2).sort(dim=-1).values, pixels.flatten(1).sort(dim=-1).values.expand(4, -1, -1))


def test_the_shipped_model_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "BATCH", {"cpu": 3})
    told: list[str] = []
    task = Task(BenchOptions(("batch",), 3, "cpu"), torch.device("cpu"), photo(), told.append)
    one, many = measure_batches(task).speeds
    assert told == ["1 at once, widths 1 to 10, float32", "3 at once, width 5, float32"]
    assert (one.photos, many.photos) == (1, 3)
    assert many.flops == 3 * one.flops > 1e10
    for speed in (one, many):
        assert len(speed.whole) == 3
        assert 0 < speed.encoder_share < 2  # a share, but for noise
        assert min(speed.whole) > 0.5 * min(speed.encoding)


def test_rates_of_half_as_long_numbers() -> None:
    products, reading = measure_rates(torch.device("cpu"), torch.bfloat16)
    assert products > 0
    assert reading > 0


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="as many rounds"):
        replace(SPEED, whole=(1.0,))
    with pytest.raises(DataError, match="above 0"):
        replace(SPEED, searching=(0.0, 1.0, 1.0))
