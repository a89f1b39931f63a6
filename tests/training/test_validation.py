"""Validation captions the validation photos alone, and scores each data folder by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from builders import tiny_captioner
from captioner.attention_health import attention_health
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.training.data import Example
from captioner.training.phrases import Label
from captioner.training.scoring import quick_cider
from captioner.training.validation import validate

HEIGHT, WIDTH = 64, 96  # 4 x 6 cells


class Pixels:
    """Random pixels for every example; remembers what it was asked for."""

    stage = 0

    def __init__(self, photos: int) -> None:
        self.pixels = torch.randn(photos, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))
        self.asked: list[tuple[list[int], list[int]]] = []

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        self.asked.append((list(indices), list(views)))
        return self.pixels[list(indices)]


def example(name: str, split: str, source: str, *captions: str) -> Example:
    return Example(name, Path(name), split, captions, source=source)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture
def source() -> Pixels:
    return Pixels(7)


def said_of(captioner: Captioner, source: Pixels, places: Sequence[int]) -> list[str]:
    """What the model says of each photo, one by one."""
    grids = [captioner.encoder(source.pixels[[place]]) for place in places]
    described = [captioner.search(grid, SearchOptions(widths=(3,)))[0] for grid in grids]
    return [description.at_width(3)[0].text for description in described]


@torch.inference_mode()
def test_folders_are_scored_by_themselves_and_photos_count_alike(
    captioner: Captioner, source: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = dict(zip((1, 2, 4, 5, 6), said_of(captioner, source, (1, 2, 4, 5, 6)), strict=True))
    examples = [
        example("0", "train", "ours", "a dog"),
        example("1", "val", "ours", texts[1], "a dog in the grass"),
        example("2", "val", "theirs", "two men on bikes", "cyclists"),
        example("3", "test", "ours", "a dog"),
        example("4", "val", "ours", "the red ball", texts[4]),
        example("5", "val", "ours", "a boat at sea"),
        example("6", "val", "theirs", "a snowy hill"),
    ]
    monkeypatch.setattr("captioner.training.validation.TOGETHER", 2)
    validation = validate(captioner, source, examples, torch.device("cpu"))
    assert source.asked == [([1, 2], [0, 0]), ([4, 5], [0, 0]), ([6], [0])]
    assert validation.samples == tuple(texts.values())
    ciders = {
        name: quick_cider({str(p): texts[p] for p in places}, {str(p): examples[p].captions for p in places})
        for name, places in (("ours", (1, 4, 5)), ("theirs", (2, 6)))
    }
    assert validation.ciders == pytest.approx(ciders)
    assert ciders["ours"] > 1 > ciders["theirs"] == 0
    assert validation.cider == pytest.approx(ciders["ours"] * 3 / 5)


@torch.inference_mode()
def test_the_record_holds_plain_numbers(captioner: Captioner, source: Pixels) -> None:
    examples = [example(str(n), "val", "ours", f"a dog and {n} men") for n in range(7)]
    validation = validate(captioner, source, examples, torch.device("cpu"))
    described = captioner.search(captioner.encoder(source.pixels), SearchOptions(widths=(3,)))
    health = attention_health([description.at_width(3)[0] for description in described])
    assert validation.health == health
    record = json.loads(json.dumps(validation.record()))
    assert set(record) == {
        "val_cider", "val_ciders", "effective_cells", "word_difference", "collapsed", "said_twice",
        "in_a_row", "samples"
    }  # fmt: skip
    assert record["effective_cells"] == health.effective_cells
    assert record["val_ciders"] == {"ours": record["val_cider"]}
    assert len(record["samples"]) == 7


def test_photos_of_labels_alone_are_not_captioned(captioner: Captioner, source: Pixels) -> None:
    labelled = Example("1", Path("1"), "val", (), (Label("cat"),), source="ours")
    examples = [example("0", "val", "ours", "a dog"), labelled, example("2", "val", "ours", "the sea")]
    validate(captioner, source, examples, torch.device("cpu"))
    assert source.asked == [([0, 2], [0, 0])]
