"""Captions and descriptions: what they may hold, what they tell, and that they come back from a file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from builders import caption, description
from captioner.branches import Branch
from captioner.caption import Caption, Description
from captioner.errors import RecordError, SearchError
from captioner.glimpses import NO_GLIMPSES, Alternatives, Glimpses

ROOT = Branch(0, -1, "a", -0.25, -0.25, -0.25, "kept", 0.0, 1)
LEAF = Branch(1, 0, "<end>", -0.5, -0.75, -0.46, "finished", 0.0, 0)
LOST = Branch(1, 0, "dog", -2.5, -2.75, -1.7, "pruned", 2.0, 0)


def spoken(words: tuple[str, ...], **changes: Any) -> Caption:
    """A caption of these words in which everything else is plain: all maps flat over 2 x 3 cells."""
    count = len(words)
    plain = Caption(
        words=words,
        log_probs=np.full(count, -0.5, np.float32),
        end_log_prob=-0.25,
        attention=np.full((count, 2, 3), 1 / 6, np.float32),
        gate=np.full(count, 0.5, np.float32),
        alternatives=((),) * count,
        score=-0.3,
        finished=True,
    )
    return dataclasses.replace(plain, **changes)


def grown(**changes: Any) -> Description:
    """The builders' description with a tree of three branches at width 2, and the two glimpses they came from."""
    tree = {"trees": {1: (), 2: (ROOT, LEAF, LOST)}, "glimpses": seen_by(caption())}
    return dataclasses.replace(description(), **{**tree, **changes})


def seen_by(said: Caption) -> Glimpses[str]:
    """A glimpse per word of a caption."""
    return Glimpses(said.attention, said.gate, said.alternatives)


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


# --- a caption ---


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("a", "man", "'s", "dog"), "a man's dog"),
        (("it", "is", "n't", "red"), "it isn't red"),
        (("dog",), "dog"),
        ((), ""),
    ],
)
def test_text(words: tuple[str, ...], text: str) -> None:
    assert spoken(words).text == text


def test_log_prob_counts_the_end_of_a_finished_caption_only() -> None:
    assert spoken(("a", "dog")).log_prob == -1.25
    assert spoken(("a", "dog"), end_log_prob=None, finished=False).log_prob == -1.0
    assert spoken(()).log_prob == -0.25


def test_log_prob_of_a_long_caption_loses_no_digits() -> None:
    small = np.array([-20.0, *[-1e-6] * 99], np.float32)
    assert spoken(("a",) * 100, log_probs=small).log_prob == pytest.approx(-20.250099, abs=1e-9)


def test_probabilities() -> None:
    log_probs = np.log(np.array([0.5, 1.0, 0.125], np.float32))
    np.testing.assert_allclose(spoken(("a", "red", "dog"), log_probs=log_probs).probabilities, [0.5, 1.0, 0.125])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([[1 / 6, 1 / 6, 1 / 6], [1 / 6, 1 / 6, 1 / 6]], 6.0),
        ([[0, 0, 0], [0, 1, 0]], 1.0),
        ([[0.5, 0, 0], [0, 0, 0.5]], 2.0),
        ([[0.5, 0.25, 0.25], [0, 0, 0]], 2.828427),  # 2 ** 1.5
    ],
)
def test_effective_cells(cells: list[list[float]], expected: float) -> None:
    attention = np.array([cells, [[0, 0, 1], [0, 0, 0]]], np.float32)
    result = spoken(("a", "dog"), attention=attention).effective_cells
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [expected, 1.0], rtol=1e-6)


def test_a_caption_of_no_words_has_no_effective_cells() -> None:
    assert spoken(()).effective_cells.shape == (0,)
    assert spoken(()).probabilities.shape == (0,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attention": np.full((3, 2, 3), 1 / 6, np.float32)}, r"attention \(2, height, width\), got \(3, 2, 3\)"),
        ({"attention": np.full((2, 6), 1 / 6, np.float32)}, r"attention \(2, height, width\), got \(2, 6\)"),
        ({"attention": np.full((2, 2, 3), 0.2, np.float32)}, "sums to 1 for every word"),
        ({"attention": np.full((2, 2, 3), np.nan, np.float32)}, "sums to 1 for every word"),
        ({"attention": np.array([[[1.5, -0.5]]] * 2, np.float32)}, "not negative"),
        ({"attention": np.zeros((2, 0, 3), np.float32)}, "sums to 1"),
        ({"log_probs": np.full(3, -0.5, np.float32)}, r"log_probs for 2 words, got shape \(3,\)"),
        ({"log_probs": np.array([-0.5, np.nan], np.float32)}, "finite and not above 0"),
        ({"log_probs": np.array([-0.5, -np.inf], np.float32)}, "finite and not above 0"),
        ({"log_probs": np.array([-0.5, 0.5], np.float32)}, "finite and not above 0"),
        ({"end_log_prob": 0.5}, "finite and not above 0"),
        ({"end_log_prob": float("nan")}, "finite and not above 0"),
        ({"score": float("-inf")}, "finite and not above 0"),
        ({"gate": np.full(1, 0.5, np.float32)}, r"gate for 2 words, got shape \(1,\)"),
        ({"gate": np.full((2, 1), 0.5, np.float32)}, r"gate for 2 words, got shape \(2, 1\)"),
        ({"gate": np.array([0.5, 1.5], np.float32)}, "gate of 0 to 1"),
        ({"gate": np.array([0.5, -0.1], np.float32)}, "gate of 0 to 1"),
        ({"gate": np.array([0.5, np.nan], np.float32)}, "gate of 0 to 1"),
        ({"alternatives": ((),)}, "alternatives for 2 words, got 1"),
        ({"end_log_prob": None}, "end_log_prob for a finished caption"),
        ({"finished": False}, "none for an unfinished one"),
    ],
)
def test_captions_that_do_not_hold_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        spoken(("a", "dog"), **changes)


def test_captions_can_be_told_apart_and_kept_in_sets() -> None:
    first, second = caption(), caption()
    assert first != second
    assert len({first, second, first}) == 2


# --- a description ---


def test_captions_at_a_width_are_best_first() -> None:
    given = description()
    ranked = dataclasses.replace(given, ranking={1: (1,), 2: (1, 0)})
    assert given.widths == (1, 2)
    assert ranked.at_width(1) == (given.captions[1],)
    assert ranked.at_width(2) == (given.captions[1], given.captions[0])


@pytest.mark.parametrize("width", [0, 3, -1, 1000])
def test_a_width_that_was_not_searched(width: int) -> None:
    with pytest.raises(SearchError, match=rf"expected a beam width out of \(1, 2\), got {width}"):
        description().at_width(width)
    with pytest.raises(SearchError, match="expected a beam width"):
        description().to_json(width)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"captions": ()}, "at least one caption at every beam width"),
        ({"ranking": {}, "trees": {}}, "at least one caption at every beam width"),
        ({"ranking": {1: (), 2: (0,)}}, "at least one caption at every beam width"),
        ({"ranking": {1: (0,), 2: (0, 2)}}, "rankings over 2 captions, got place 2"),
        ({"ranking": {1: (-1,), 2: (0,)}}, "rankings over 2 captions, got place -1"),
        ({"grid": (3, 2)}, r"maps of \(3, 2\) cells, got \(2, 3\)"),
        ({"trees": {}}, r"a tree for each width of \(1, 2\), got \(\)"),
        ({"trees": {1: (), 3: ()}}, r"a tree for each width of \(1, 2\), got \(1, 3\)"),
        ({"trees": {1: (), 2: (LEAF, ROOT)}}, "parents come before their children"),
        ({"trees": {1: (), 2: (ROOT._replace(parent=-2),)}}, "parents come before their children"),
        ({"trees": {1: (), 2: (ROOT._replace(glimpse=2),)}}, "trees over 2 glimpses, got glimpse 2"),
        ({"trees": {1: (), 2: (ROOT._replace(glimpse=-1),)}}, "trees over 2 glimpses, got glimpse -1"),
        ({"trees": {1: (), 2: (ROOT, LEAF, LOST._replace(glimpse=1))}}, "of one parent to share a glimpse"),
        ({"glimpses": NO_GLIMPSES}, "trees over 0 glimpses, got glimpse 1"),
        ({"glimpses": seen_by(caption(height=3, width=2))}, r"maps of \(2, 3\) cells, got \(3, 2\)"),
        ({"glimpses": seen_by(caption(height=1, width=6))}, r"maps of \(2, 3\) cells, got \(1, 6\)"),
    ],
)
def test_descriptions_that_do_not_hold_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        grown(**changes)


def test_a_branch_has_one_of_five_fates() -> None:
    with pytest.raises(RecordError, match="fate out of kept, finished, pruned, cut, given, got 'lost'"):
        grown(trees={1: (), 2: (ROOT._replace(fate="lost"),)})


def test_the_public_form() -> None:
    attention = np.array([[[0.5, 0.25, 0.25], [0, 0, 0]], [[0, 0, 0], [0, 0, 1]]], np.float32)
    first = spoken(
        ("man", "'s"),
        log_probs=np.array([0.0, -100.0], np.float32),
        attention=attention,
        gate=np.array([0.5, 0.75], np.float32),
    )
    second = spoken(("dog",), end_log_prob=None, finished=False, score=-0.75)
    given = dataclasses.replace(description(), captions=(first, second))
    expected = {
        "captions": [
            {
                "text": "man's",
                "score": -0.3,
                "finished": True,
                "words": [
                    {"word": "man", "probability": 1.0, "gate": 0.5, "attention": [[0.5, 0.25, 0.25], [0, 0, 0]]},
                    {"word": "'s", "probability": 0.0, "gate": 0.75, "attention": [[0, 0, 0], [0, 0, 1]]},
                ],
            }
        ],
        "grid": [2, 3],
        "model": "tiny",
        "guessing": False,
        "strangeness": None,
    }
    public = given.to_json(1)
    assert public["captions"][0]["words"][1].pop("probability") == pytest.approx(0, abs=1e-40)
    del expected["captions"][0]["words"][1]["probability"]  # type: ignore[index]
    assert public == expected
    both = json.loads(json.dumps(given.to_json(2), allow_nan=False))
    assert [(item["text"], item["finished"]) for item in both["captions"]] == [("man's", True), ("dog", False)]


# --- records on disk ---


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


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "record.json").mkdir()
    with pytest.raises(RecordError, match="could not be written"):
        description().save(tmp_path / "record.json")
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]


@pytest.mark.parametrize("problem", [OSError("no room"), KeyboardInterrupt()])
def test_a_stopped_save_leaves_the_old_record(
    problem: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.json"
    description().save(path)
    before = path.read_bytes()

    def refuse(_self: Path, _mode: int) -> None:
        raise problem

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(RecordError if isinstance(problem, OSError) else KeyboardInterrupt):
        grown(model="newer").save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
