"""Grounding: people's sentences read by a model, phrases held against their boxes, averages by type, the picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from builders import photo, tiny_captioner, tiny_decoder, tiny_grid, tiny_vocabulary
from captioner.captioner import Captioner
from captioner.errors import DataError, RecordError
from captioner.training.data import Example
from captioner.training.grounding import (
    ALL,
    SOURCES,
    PhraseReading,
    check_phrases,
    read_phrases,
    summarise,
)
from captioner.training.grounding_chart import draw_grounding
from captioner.training.phrases import Phrase, Sentence
from captioner.training.pointing import centre_map, gaussian_map, mass_inside, pointing
from captioner.training.sentence_maps import sentence_maps
from captioner.training.views import Box

LEFT: Box = (0.0, 0.0, 0.5, 1.0)
TOP: Box = (0.0, 0.0, 1.0, 0.3)


def example(*sentences: Sentence, name: str = "a.png") -> Example:
    return Example(name, Path(name), "val", tuple(s.caption for s in sentences) or ("A dog .",), sentences=sentences)


def reading(
    types: tuple[str, ...], head: float = 0.5, hit: float = 1.0, uniform: float = 0.2, cells: float = 3.0
) -> PhraseReading:
    return PhraseReading(types, (head, 0.4, uniform, 0.3, 0.25), (hit, 1.0, uniform, 0.0, 0.5), cells)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


def test_maps_of_sentences_are_those_of_a_replay(captioner: Captioner) -> None:
    """Many photos and sentences at once, of different lengths and in no order, equal one sentence after the other."""
    grid = captioner.encode([photo(seed=seed) for seed in range(3)])
    sentences = [[["a", "dog"], ["two", "red", "dog", "in", "the", "grass"]], [], [["the", "man", "runs"]]]
    maps = sentence_maps(captioner.decoder, captioner.vocabulary, grid, sentences)
    assert [len(own) for own in maps] == [2, 0, 1]
    for seed, own, own_maps in zip(range(3), sentences, maps, strict=True):
        alone = captioner.encode([photo(seed=seed)])
        for words, attention in zip(own, own_maps, strict=True):
            np.testing.assert_allclose(attention, captioner.replay(alone, words).attention, atol=1e-5)


def test_maps_on_a_grid_that_is_not_square_come_word_by_word() -> None:
    decoder, grid, words = tiny_decoder(), tiny_grid(photos=2, height=3, width=5), ["a", "red", "ball"]
    attention = sentence_maps(decoder, tiny_vocabulary(), grid, [[], [words]])[1][0]
    assert attention.shape == (3, 3, 5)
    state, token = decoder.start(tiny_grid(photos=2, height=3, width=5)), "<start>"
    for word, own in zip(words, attention, strict=True):
        ids = torch.tensor([[tiny_vocabulary().encode([token])[0]]] * 2)
        with torch.inference_mode():
            step = decoder.step(ids, state)
        np.testing.assert_allclose(own.reshape(-1), step.attention[1, 0].numpy(), atol=1e-6)
        state, token = step.state, word


def test_words_outside_the_vocabulary_are_given_as_unknown() -> None:
    decoder, grid = tiny_decoder(), tiny_grid()
    strange, unknown = (
        sentence_maps(decoder, tiny_vocabulary(), grid, [[words]])[0][0]
        for words in (["a", "zeppelin", "runs"], ["a", "<unk>", "runs"])
    )
    np.testing.assert_array_equal(strange, unknown)
    assert strange.shape == (3, 3, 5)


def test_sentences_must_fit_the_photos() -> None:
    with pytest.raises(DataError, match="of 1 photos, got 2 lists"):
        sentence_maps(tiny_decoder(), tiny_vocabulary(), tiny_grid(), [[["a"]], [["a"]]])
    with pytest.raises(DataError, match="expected sentences with words"):
        sentence_maps(tiny_decoder(), tiny_vocabulary(), tiny_grid(), [[[]]])
    assert sentence_maps(tiny_decoder(), tiny_vocabulary(), tiny_grid(), [[]]) == [[]]


def test_a_phrase_is_read_at_its_last_word_and_over_all_its_words(captioner: Captioner) -> None:
    first = Sentence(
        "A red dog runs in the grass .",
        (Phrase(0, 3, ("animals",), (LEFT,)), Phrase(5, 7, ("scene",), (TOP, LEFT)), Phrase(3, 4, ("notvisual",))),
    )
    second = Sentence("Two man .", (Phrase(0, 2, ("people",), (TOP,)),))
    wordless = Sentence("The water .", (Phrase(0, 2, ("scene",)),))  # has no box: it is not even read
    grid = captioner.encode([photo(seed=0), photo(seed=1), photo(seed=2)])
    readings = read_phrases(captioner, grid, [example(first), example(wordless), example(second, wordless)])
    assert [own.types for own in readings] == [("animals",), ("scene",), ("people",)]
    said = captioner.replay(captioner.encode([photo(seed=0)]), ["a", "red", "dog", "runs", "in", "the", "grass"])
    attention = said.attention.astype(np.float64)
    for own, words, boxes in zip(readings, (attention[:3], attention[5:7]), ((LEFT,), (TOP, LEFT)), strict=False):
        maps = np.stack([words[-1], words.mean(axis=0), np.full((4, 4), 1 / 16), centre_map(4, 4), gaussian_map(4, 4)])
        np.testing.assert_allclose(own.mass, mass_inside(maps, boxes), atol=1e-5)
        np.testing.assert_allclose(np.delete(own.hits, 3), np.delete(pointing(maps, boxes), 3))
        assert own.hits[3] == 1.0  # the point in the middle lies on the edge of the left half
    assert readings[2].hits[3] == 0.0  # it is not at the top
    assert readings[0].cells == pytest.approx(said.effective_cells[2], rel=1e-4)


def test_averages_by_hand() -> None:
    report = summarise(
        [
            reading(("people",), head=0.2, hit=0.0, cells=2.0),
            reading(("people", "animals"), head=0.6, cells=4.0),
            reading(("scene",), head=1.0, uniform=0.9),
            reading(("vehicles", "scene"), head=0.8, hit=0.0),
        ]
    )
    assert report.phrases == 4
    assert [(row.name, row.phrases) for row in report.rows] == [(ALL, 2), ("people", 2), ("animals", 1), ("scene", 2)]
    overall, people, animals, scene = report.rows
    assert overall.mass["head noun"] == pytest.approx(0.4)
    assert overall.hits["head noun"] == pytest.approx(0.5)
    assert overall.cells == pytest.approx(3)
    assert (people.mass, people.hits) == (overall.mass, overall.hits)
    assert animals.mass["head noun"] == pytest.approx(0.6)
    assert scene.mass["head noun"] == pytest.approx(0.9)
    assert scene.mass["uniform"] == pytest.approx(0.55)
    assert scene.hits["head noun"] == pytest.approx(0.5)


def test_scenes_alone_have_no_overall() -> None:
    report = summarise([reading(("scene",))])
    assert report.overall is None
    assert [row.name for row in report.rows] == ["scene"]
    assert "all but scene" not in report.table()


def test_the_report_is_json_and_a_table() -> None:
    report = summarise([reading(("people",)), reading(("scene",), head=0.75)])
    record = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert record["phrases"] == 2
    assert list(record["types"]) == [ALL, "people", "scene"]
    assert record["types"]["scene"]["mass"] == dict(zip(SOURCES, (0.75, 0.4, 0.2, 0.3, 0.25), strict=True))
    lines = report.table().splitlines()
    assert lines[0].startswith("grounding: 2 phrases with boxes (percent; gaussian: sigma 0.23")
    assert lines[2] == "mass inside the boxes"
    assert lines[3].split() == ["type", "phrases", "head", "noun", *SOURCES[1:], "effective", "cells"]
    assert lines[6].split() == ["scene", "1", "75.0", "40.0", "20.0", "30.0", "25.0", "3.0"]
    assert lines[8] == "pointing into a box"
    assert lines[12].split() == ["scene", "1", "100.0", "100.0", "20.0", "0.0", "50.0", "3.0"]


def test_without_boxes_nothing_can_be_measured() -> None:
    boxless = example(Sentence("A dog .", (Phrase(0, 2, ("animals",)),)))
    with pytest.raises(DataError, match=r"none of these 2 photos .* put phrase_boxes.json .* or leave out --grounding"):
        check_phrases([example(), boxless])
    check_phrases([boxless, example(Sentence("A dog .", (Phrase(0, 2, (), (LEFT,)),)))])
    with pytest.raises(DataError, match="expected phrases with boxes, got none"):
        summarise([])


@pytest.mark.parametrize(
    ("mass", "hits", "cells", "message"),
    [
        ((0.1,), (0.0,) * 5, 2.0, "expected mass and hits of head noun, phrase, uniform"),
        ((0.1,) * 5, (2.0,) * 5, 2.0, "of 0 to 1"),
        ((-1.0,) * 5, (1.0,) * 5, 2.0, "of 0 to 1"),
        ((0.1,) * 5, (1.0,) * 5, 0.5, "a cell or more"),
    ],
)
def test_impossible_readings_are_refused(
    mass: tuple[float, ...], hits: tuple[float, ...], cells: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        PhraseReading(("people",), mass, hits, cells)


def test_the_picture_shows_the_numbers(tmp_path: Path) -> None:
    pictures = []
    for head in (0.2, 0.8):
        report = summarise([reading(("people",), head=head), reading(("scene",))])
        draw_grounding(report, "tiny", tmp_path / "g.png")
        with Image.open(tmp_path / "g.png") as picture:
            assert picture.format == "PNG"
            pictures.append(picture.convert("RGB").tobytes())
    assert pictures[0] != pictures[1]
    with pytest.raises(RecordError, match="could not be written"):
        draw_grounding(report, "tiny", tmp_path / "nowhere" / "g.png")
