"""Work counted from shapes is what hand counting gives; the limit is the longer of two times."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from builders import photo
from captioner.bench.options import BenchOptions
from captioner.bench.roofline import (
    Rates,
    Roofline,
    Stage,
    decoder_work,
    encoder_work,
    roofline,
)
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint, load_checkpoint
from captioner.decoder_options import DecoderOptions
from captioner.encoder import Encoder, EncoderOptions
from captioner.errors import DataError

RATES = Rates(products=100.0, reading=10.0)
STAGE = Stage("a stage", (3.0, 1.0, 2.0), 50.0, 10.0, 1.0)


def test_the_limit_is_the_longer_of_two_times() -> None:
    assert RATES.limit(flops=50, size=10) == 1.0
    assert RATES.limit(flops=500, size=10) == 5.0


def test_a_convolution_counted_by_hand() -> None:
    """2 x 3 pixels of 3 channels, one 1 x 1 convolution to 4 channels: 6 places x 12 weights x 2."""
    encoder = Encoder(EncoderOptions("resnet50", width=1))
    encoder.stages = nn.ModuleList([nn.Conv2d(3, 4, 1)])
    assert encoder_work(encoder, torch.zeros(1, 3, 2, 3)) == (6 * 12 * 2, 4 * (12 + 18 + 24))


def test_a_decoder_counted_by_hand() -> None:
    """D 2, E 3, H 5, A 7, V 11, 13 cells; 17 prefixes in 19 steps."""
    sizes = DecoderOptions(11, annotation_dim=2, embedding_dim=3, hidden_dim=5, attention_dim=7)
    lstm, gate, query, words = (3 + 2 + 5) * 20, 5 * 2, 5 * 7, 5 * 11
    projection, start = 2 * 7, 2 * 2 * 5
    row = 2 * (lstm + gate + query + words) + 3 * 13 * 7 + 2 * 13 * 2
    weights, grid = projection + start + 19 * (lstm + gate + query + words), 19 * 13 * (2 + 7)
    assert decoder_work(sizes, 13, 17, 19) == (2 * 13 * projection + 2 * start + 17 * row, 2 * weights + 4 * grid)
    deep = decoder_work(replace(sizes, deep_output=True), 13, 17, 19)
    assert deep[0] - decoder_work(sizes, 13, 17, 19)[0] == 17 * 2 * ((5 + 2) * 3 + 3 * 11 - words)


def test_the_shipped_model_is_measured() -> None:
    shipped = load_checkpoint(default_checkpoint())
    found = roofline(Captioner(shipped, "cpu"), shipped.encoder, photo(), BenchOptions(("limit",), 3, "cpu"))
    encoder, search, whole = found.stages
    assert whole.limit == pytest.approx(encoder.limit + search.limit)
    assert whole.flops == encoder.flops + search.flops > 1e9
    assert encoder.flops > 4e9
    assert all(len(stage.seconds) == 3 for stage in found.stages)


def test_a_roofline_is_lines_and_plain_json() -> None:
    record = Roofline(RATES, (STAGE,)).record()
    assert json.loads(json.dumps(record)) == record
    assert record["stages"][0]["times_limit"] == 2.0
    lines = Roofline(Rates(2e11, 3e10), (STAGE,)).lines()
    assert "200 GFLOP/s in products, 30.0 GB/s from memory" in lines[0]
    assert "2.00 x the limit (2000.0 ms, limit 1000.0 ms" in lines[1]


def test_what_cannot_be() -> None:
    with pytest.raises(DataError, match="expected rates above 0, got 0 and 1"):
        Rates(0, 1)
    with pytest.raises(DataError, match="expected times above 0 s"):
        replace(STAGE, limit=0.0)
