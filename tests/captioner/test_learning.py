"""Records of what a model said while it learnt."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import caption
from captioner.errors import RecordError
from captioner.learning import LARGEST, Learning, Moment, Telling


def learning() -> Learning:
    early = (Telling.of(caption(("a", "a", "a"))), Telling.of(replace(caption(), finished=False, end_log_prob=None)))
    late = (Telling.of(caption(seed=1)), Telling.of(caption(("two", "red", "dogs"), seed=2)))
    moments = (Moment(early, 0), Moment(late, 20, 3.25), Moment(late, model="tiny"))
    return Learning(("cat.jpg", "dog.jpg"), (2, 3), 32, "two photos", moments)


def test_a_telling_keeps_what_was_said_and_its_maps_within_a_510th_of_their_highest() -> None:
    said = caption(("a", "red", "dog"))
    told = Telling.of(said)
    assert told.words == said.words
    np.testing.assert_array_equal(told.log_probs, said.log_probs)
    np.testing.assert_array_equal(told.gate, said.gate)
    np.testing.assert_allclose(told.cells, said.effective_cells)
    highest = said.attention.max(axis=(1, 2))
    assert (np.abs(told.attention - said.attention).max(axis=(1, 2)) <= highest / 510 + 1e-7).all()
    np.testing.assert_allclose(told.attention.max(axis=(1, 2)), highest, rtol=1e-6)


def test_names_of_photos_that_are_no_text_are_kept(tmp_path: Path) -> None:
    odd = replace(learning(), photos=("caf\udce9.jpg", "사진.jpg"))
    odd.save(tmp_path / "learning.json")
    assert Learning.load(tmp_path / "learning.json").photos == odd.photos


def test_a_model_may_say_nothing() -> None:
    told = Telling.of(caption(()))
    assert Telling.from_record(told.to_record(), (2, 3)).words == ()
    assert told.attention.shape == (0, 2, 3)


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    whole, path = learning(), tmp_path / "learning.json"
    whole.save(path)
    back = Learning.load(path)
    assert (back.photos, back.grid, back.photos_per_step, back.trained_on) == (
        whole.photos,
        whole.grid,
        whole.photos_per_step,
        whole.trained_on,
    )
    assert [(m.step, m.nats, m.model) for m in back.moments] == [
        (0, None, None),
        (20, 3.25, None),
        (None, None, "tiny"),
    ]
    for ours, theirs in zip(whole.moments, back.moments, strict=True):
        for one, other in zip(ours.tellings, theirs.tellings, strict=True):
            assert (one.words, one.finished) == (other.words, other.finished)
            np.testing.assert_array_equal(one.fractions, other.fractions)
            np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-3)


def test_moments_find_their_place_and_a_finished_model_replaces_itself() -> None:
    whole = learning()
    told = whole.moments[0].tellings
    assert whole.with_moment(Moment(told, 5)).steps == (0, 5, 20)
    again = whole.with_moment(Moment(told, model="tiny"))
    assert [moment.model for moment in again.moments] == [None, None, "tiny"]
    assert again.moments[-1].tellings is told
    assert [m.model for m in again.with_moment(Moment(told, model="large")).moments[2:]] == ["tiny", "large"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"words": ("a", 3)}, "expected words"),
        ({"fractions": np.zeros((2, 2, 3))}, "8-bit maps"),
        ({"gate": np.array([0.5], np.float32)}, "gate of 2 words"),
        ({"log_probs": np.array([0.5, -1], np.float32)}, "log_probs of -10000 to 0"),
        ({"cells": np.array([7.0, 2.0], np.float32)}, "cells"),
    ],
)
def test_a_telling_that_does_not_hold_together_is_refused(change: dict[str, object], reason: str) -> None:
    with pytest.raises(RecordError, match=reason):
        replace(Telling.of(caption()), **change)  # type: ignore[arg-type]


def test_moments_and_records_that_do_not_hold_together_are_refused() -> None:
    whole = learning()
    told = whole.moments[0].tellings
    for moment in ({"step": 3, "model": "tiny"}, {}, {"step": -1}, {"step": 1, "nats": float("nan")}):
        with pytest.raises(RecordError):
            Moment(told, **moment)
    with pytest.raises(RecordError, match="rising steps"):
        replace(whole, moments=whole.moments[1::-1])
    with pytest.raises(RecordError, match="captions of 2 photos, got 1"):
        replace(whole, moments=(Moment(told[:1], 0),))
    with pytest.raises(RecordError, match="maps of"):
        replace(whole, grid=(3, 2))
    with pytest.raises(RecordError, match="each once"):
        replace(whole, photos=("cat.jpg", "cat.jpg"))
    with pytest.raises(RecordError, match="1 photo or more"):
        replace(whole, photos_per_step=0)


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "learning.json"
    with pytest.raises(RecordError, match="cannot be read back"):
        Learning.load(path)
    record = json.loads(learning().to_json())
    for broken in ("{", "[]", "[" * 100_000, json.dumps({**record, "format": "other"})):
        path.write_text(broken)
        with pytest.raises(RecordError):
            Learning.load(path)
    for name in ("photos", "grid", "moments", "photos_per_step"):
        path.write_text(json.dumps({**record, name: None}))
        with pytest.raises(RecordError):
            Learning.load(path)
    record["moments"][0]["tellings"][0]["maps"] = "AAAA"
    path.write_text(json.dumps(record))
    with pytest.raises(RecordError, match="record it again"):
        Learning.load(path)
    path.write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(RecordError, match="stay below"):
        Learning.load(path)


def test_a_record_too_large_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("captioner.learning.LARGEST", 100)
    with pytest.raises(RecordError, match="watch fewer photos or moments"):
        learning().save(tmp_path / "learning.json")
    assert not list(tmp_path.iterdir())
