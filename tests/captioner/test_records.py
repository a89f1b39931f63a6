"""Descriptions on disk: that they come back as they were, and that nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import caption, description
from captioner.caption import Caption
from captioner.description import Description
from captioner.errors import RecordError
from captioner.glimpses import Alternatives
from descriptions import LEAF, LOST, ROOT, grown, spoken


def assert_same_caption(actual: Caption, expected: Caption) -> None:
    for item in dataclasses.fields(Caption):
        ours, theirs = getattr(actual, item.name), getattr(expected, item.name)
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype == np.float32
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=item.name)
        elif item.name == "alternatives":
            assert_same_alternatives(ours, theirs)
        else:
            assert ours == theirs, item.name


def assert_same_alternatives(actual: Sequence[Alternatives[str]], expected: Sequence[Alternatives[str]]) -> None:
    for ours, theirs in zip(actual, expected, strict=True):
        assert [word for word, _ in ours] == [word for word, _ in theirs]
        assert [value for _, value in ours] == pytest.approx([value for _, value in theirs], rel=1e-6)


def test_a_record_reads_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    unfinished = dataclasses.replace(caption(("two", "men"), seed=3), end_log_prob=None, finished=False)
    given = grown(native=(1, 2), captions=(caption(), caption(("café", "'s", "<odd>"), seed=1), unfinished, spoken(())))
    given.save(path)
    loaded = Description.load(path)
    for ours, theirs in zip(loaded.captions, given.captions, strict=True):
        assert_same_caption(ours, theirs)
    assert loaded.trees == {1: (), 2: (ROOT, LEAF, LOST)}
    assert loaded.ranking == {1: (0,), 2: (0, 1)}
    assert loaded.glimpses.attention.dtype == loaded.glimpses.gate.dtype == np.float32
    np.testing.assert_allclose(loaded.glimpses.attention, given.glimpses.attention, rtol=1e-6)
    np.testing.assert_allclose(loaded.glimpses.gate, given.glimpses.gate, rtol=1e-6)
    assert_same_alternatives(loaded.glimpses.alternatives, given.glimpses.alternatives)
    assert (loaded.grid, loaded.native, loaded.model) == ((2, 3), (1, 2), "tiny")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("height", "width"), [(2, 3), (3, 2), (1, 7), (14, 14)])
def test_maps_keep_their_shape(height: int, width: int, tmp_path: Path) -> None:
    given = description(height=height, width=width)
    given.save(tmp_path / "record.json")
    loaded = Description.load(tmp_path / "record.json")
    assert loaded.grid == (height, width)
    for ours, theirs in zip(loaded.captions, given.captions, strict=True):
        np.testing.assert_allclose(ours.attention, theirs.attention, rtol=1e-6)


def test_a_record_is_plain_json(tmp_path: Path) -> None:
    grown().save(tmp_path / "record.json")
    text = (tmp_path / "record.json").read_text(encoding="utf-8")
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert record["format"] == "saywhere-description-2"
    assert record["captions"][0]["words"] == ["a", "dog"]


def test_a_map_is_written_once(tmp_path: Path) -> None:
    grown().save(tmp_path / "record.json")
    record = json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))
    assert len(record["maps"]) == 5  # of the two words of one caption and the three of the other
    assert [caption["attention"] for caption in record["captions"]] == [[0, 1], [2, 3, 4]]
    assert record["glimpses"]["attention"] == [0, 1]  # the first caption's


def change_record(path: Path, change: Callable[[Any], object]) -> None:
    record = json.loads(path.read_text(encoding="utf-8"))
    change(record)
    path.write_text(json.dumps(record), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("format"),
        lambda r: r.update(format="saywhere-description-1"),
        lambda r: r.pop("captions"),
        lambda r: r.update(captions=[]),
        lambda r: r.update(captions=7),
        lambda r: r.update(captions=[None]),
        lambda r: r["captions"][0].pop("gate"),
        lambda r: r["captions"][0]["words"].append("more"),
        lambda r: r["captions"][0]["attention"].pop(),
        lambda r: r["captions"][0].update(attention=[0, 99]),
        lambda r: r["captions"][0].update(attention=[0, -1]),
        lambda r: r["captions"][0].update(attention=[0, 0.5]),
        lambda r: r["maps"].append([1 / 6] * 5),
        lambda r: r["maps"].clear(),
        lambda r: r.update(maps=[[1e300] * 6] * 9),
        lambda r: r.update(maps=7),
        lambda r: r.pop("maps"),
        lambda r: r.pop("glimpses"),
        lambda r: r["glimpses"]["attention"].pop(),
        lambda r: r["glimpses"]["gate"].pop(),
        lambda r: r["glimpses"].update(gate=[7, 7]),
        lambda r: r["glimpses"].update(alternatives=[[["cat", 0.5]], []]),
        lambda r: r["glimpses"].update(alternatives=[[["cat"]], []]),
        lambda r: r["captions"][0].update(attention="flat"),
        lambda r: r["captions"][0].update(log_probs=[float("nan"), -1]),
        lambda r: r["captions"][0].update(gate=[[0.5], [0.5, 0.5]]),
        lambda r: r["captions"][0].update(gate=[7, 7]),
        lambda r: r["captions"][0].update(end_log_prob="late"),
        lambda r: r["captions"][0].update(end_log_prob=None),
        lambda r: r["captions"][0].update(score="good"),
        lambda r: r["captions"][0].update(alternatives=[[["cat"]], []]),
        lambda r: r["captions"][0].update(alternatives=[[["cat", "often"]], []]),
        lambda r: r.update(grid=[3, 2, 1]),
        lambda r: r.update(grid=[6]),
        lambda r: r.update(grid=[2.5, 3]),
        lambda r: r.update(grid=[4, 3]),
        lambda r: r.update(native=[]),
        lambda r: r.update(native=None),
        lambda r: r.pop("model"),
        lambda r: r.update(ranking=[0, 1]),
        lambda r: r["ranking"].update(wide=[0]),
        lambda r: r["ranking"].update({"1": [9]}),
        lambda r: r["ranking"].update({"1": 0}),
        lambda r: r["trees"].update({"2": [[0, -1, "a"]]}),
        lambda r: r["trees"].update({"2": [[0, 0, "a", -1.0, -1.0, -1.0, "kept", 0.0, 0]]}),
        lambda r: r["trees"].update({"2": [[0, -1, "a", -1.0, -1.0, -1.0, "kept", 0.0]]}),
        lambda r: r["trees"].update({"2": [[0, -1, "a", -1.0, -1.0, -1.0, "kept", 0.0, 2]]}),
        lambda r: r["trees"].update({"2": [[0, -1, "a", -1.0, -1.0, -1.0, "kept", 0.0, 0.5]]}),
        lambda r: r["trees"].update({"2": [[0, -1, "a", "much", -1.0, -1.0, "kept", 0.0, 0]]}),
        lambda r: r["trees"].update({"2": [[0, "up", "a", -1.0, -1.0, -1.0, "kept", 0.0, 0]]}),
        lambda r: r["trees"].update({"2": [[0, -1, "a", -1.0, -1.0, -1.0, "lost", 0.0, 0]]}),
        lambda r: r["trees"].pop("1"),
    ],
)
def test_records_that_do_not_hold_together(change: Callable[[Any], object], tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    grown().save(path)
    change_record(path, change)
    with pytest.raises(RecordError):
        Description.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"7", b'"a dog"', b"\xff\xfe\x00", b"\x89PNG\r\n", b"[" * 100_000]
)
def test_files_that_are_no_record(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"odd\.json (is no saved description|cannot be read back)"):
        Description.load(path)


def test_a_record_cut_short_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    grown().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(RecordError, match="cannot be read back as a description: save it again"):
            Description.load(path)


def test_a_missing_record_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(RecordError, match=f"{path.name} cannot be read back"):
            Description.load(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="could not be written: choose a folder that exists and can be written"):
        description().save(tmp_path / "nowhere" / "record.json")
    assert list(tmp_path.iterdir()) == []
