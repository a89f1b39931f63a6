"""Edits of a tiny model's caption: what is said is compared, and which of them encode the photo."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
import torch
from PIL import Image

from builders import photo, photo_bytes, tiny_captioner
from captioner.bench.edits import WIDTHS, edits, told
from captioner.bench.options import BenchOptions
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.encoder import FeatureGrid
from captioner.search_options import SearchOptions

ROUNDS = 3


def task() -> Task:
    return Task(BenchOptions(("edits",), ROUNDS, "cpu"), torch.device("cpu"), photo(), lambda name: None)


def test_edits_say_what_the_photo_says_and_only_some_encode_it(monkeypatch: pytest.MonkeyPatch) -> None:
    captioner, encoded = tiny_captioner(), [0]
    encode = captioner.encode

    def counted(photos: Sequence[Image.Image]) -> FeatureGrid:
        encoded[0] += 1
        return encode(photos)

    monkeypatch.setattr(captioner, "encode", counted)
    found = edits(captioner, photo_bytes(), task())
    assert found.same
    assert [share.goal for share in found.shares] == [None, None, None, 0.1, 0.1, 0.1]
    assert all(len(share.comparison.ours) == ROUNDS for share in found.shares)
    assert json.loads(json.dumps(found.record())) == found.record()
    assert len(found.lines()) == len(found.shares) + 1
    assert found.lines()[-1].endswith("same answer")
    wholes, encoding_parts, alone = 6 * (ROUNDS + 1), 2 * (ROUNDS + 1), 3
    assert encoded == [wholes + encoding_parts + alone]


def test_a_cached_grid_of_another_photo_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = tiny_captioner()
    encode, other = captioner.encode, [True]

    def first_is_another(photos: Sequence[Image.Image]) -> FeatureGrid:
        shown = [photo(seed=3)] if other.pop() else photos
        other.append(False)
        return encode(shown)

    monkeypatch.setattr(captioner, "encode", first_is_another)
    found = edits(captioner, photo_bytes(), task())
    assert not found.same
    assert found.lines()[-1].endswith("OTHER ANSWER")


def test_what_is_said_is_told_by_width() -> None:
    captioner: Captioner = tiny_captioner()
    description = captioner.describe(photo(), SearchOptions(widths=WIDTHS))
    said = told(description)
    assert list(said) == list(WIDTHS)
    assert said[3] == [caption.words for caption in description.at_width(3)]
