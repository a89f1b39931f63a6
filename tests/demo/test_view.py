from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from builders import caption, description, photo
from captioner.caption import Caption
from captioner.description import Description
from captioner.overlay import Floats, smooth_projection
from demo.glimpse_view import EVERYWHERE
from demo.packing import LAYER_SIDE, PHOTO_SIDE, pack_fractions
from demo.view import build_problem, build_view, show_photo
from demo.view_types import ResultView


def unpack(packed: str) -> NDArray[np.float64]:
    return np.frombuffer(base64.b64decode(packed), dtype="<u2") / 65535


def maps_of(view: ResultView) -> NDArray[np.float64]:
    return (unpack(view["maps"]["fractions"]) * view["maps"]["peak"]).reshape(-1, *view["grid"])


def with_maps(maps: Floats) -> Caption:
    words = tuple("abcdefgh"[: len(maps)])
    return replace(caption(words, *maps.shape[1:]), attention=maps)


def describe(*captions: Caption) -> Description:
    grid = captions[0].attention.shape[1:]
    return Description(captions, {3: tuple(range(len(captions)))}, {3: ()}, (grid[0], grid[1]), (grid[0], grid[1]), "m")


def one_hot(row: int, column: int, height: int = 6, width: int = 9) -> Floats:
    attention = np.zeros((1, height, width), dtype=np.float32)
    attention[0, row, column] = 1.0
    return attention


def test_words_carry_their_numbers_and_their_own_map() -> None:
    given = description()
    view = build_view(given, photo(), "on nothing")
    second = view["captions"][1]
    assert [word["word"] for word in second["words"]] == ["the", "red", "ball"]
    assert second["text"] == "the red ball"
    for index, word in enumerate(second["words"]):
        assert word["probability"] == pytest.approx(float(given.captions[1].probabilities[index]), abs=1e-4)
        assert word["gate"] == pytest.approx(float(given.captions[1].gate[index]), abs=1e-4)
        np.testing.assert_allclose(maps_of(view)[word["map"]], given.captions[1].attention[index], atol=1e-5)


def test_what_is_shown_of_a_photo_stands_for_it() -> None:
    tall = photo(60, 1300)
    assert build_view(description(), show_photo(tall), "") == build_view(description(), tall, "")
    assert show_photo(tall).packed["height"] == 1300


def test_rankings_keep_their_order_and_their_widths() -> None:
    view = build_view(replace(description(), ranking={1: (1,), 2: (1, 0)}), photo(), "")
    assert view["ranking"] == {"1": [1], "2": [1, 0]}


@pytest.mark.parametrize(("widths", "shown"), [((1, 2, 10), 2), (tuple(range(1, 11)), 5), ((9,), 9), ((4, 6), 4)])
def test_the_width_shown_first_is_the_nearest_to_the_default(widths: tuple[int, ...], shown: int) -> None:
    assert build_view(description(widths), photo(), "")["width"] == shown


def test_a_map_shared_by_two_captions_is_sent_once() -> None:
    first = caption(("a", "dog"), seed=0)
    longer = replace(caption(("a", "man"), seed=1), attention=first.attention)
    view = build_view(describe(first, longer), photo(), "")
    assert [word["map"] for one in view["captions"] for word in one["words"]] == [0, 1, 0, 1]
    assert len(maps_of(view)) == 2


def test_the_scale_of_a_caption_is_the_highest_weight_over_all_its_words() -> None:
    maps = np.concatenate([np.full((1, 6, 9), 1 / 54, dtype=np.float32), one_hot(2, 4)])
    view = build_view(describe(with_maps(maps)), photo(90, 60), "")
    (shown,) = view["captions"]
    assert shown["cells"] == 1.0
    smoothed = smooth_projection((6, 9), (LAYER_SIDE, 427)).apply(maps)
    assert shown["smooth"] == pytest.approx(float(smoothed.max()), rel=0.01)
    assert shown["smooth"] < 0.7  # smoothing spreads a single cell


def test_the_browser_gets_the_matrices_of_python() -> None:
    view = build_view(description(height=6, width=9), photo(90, 60), "")
    height, width = view["photo"]["layer_height"], view["photo"]["layer_width"]
    assert (width, height) == (LAYER_SIDE, 427)
    rows = unpack(view["smooth"]["rows"]).reshape(height, 6)
    columns = unpack(view["cells"]["columns"]).reshape(width, 9)
    np.testing.assert_allclose(rows, smooth_projection((6, 9), (width, height)).rows, atol=1e-5)
    assert set(np.unique(columns)) == {0.0, 1.0}
    assert len(base64.b64decode(view["palette"])) == 256 * 4


def test_the_sharpest_word_that_says_something_is_shown_first() -> None:
    maps = np.concatenate([np.full((1, 6, 9), 1 / 54, dtype=np.float32), one_hot(0, 0)])
    (shown,) = build_view(describe(with_maps(maps)), photo(), "")["captions"]
    assert shown["first"] == 1
    assert [word["cells"] for word in shown["words"]] == pytest.approx([54.0, 1.0], abs=0.01)
    (shown,) = build_view(describe(with_maps(maps[::-1])), photo(), "")["captions"]
    assert [word["word"] for word in shown["words"]] == ["a", "b"]
    assert shown["first"] == 1  # though the map of "a" is sharper


@pytest.mark.parametrize(("row", "column", "place"), [(0, 0, 0), (0, 8, 2), (3, 4, 4), (5, 0, 6), (5, 8, 8)])
def test_the_place_of_a_map_is_named_by_the_ninth_with_most_attention(row: int, column: int, place: int) -> None:
    (shown,) = build_view(describe(with_maps(one_hot(row, column))), photo(), "")["captions"]
    assert shown["words"][0]["place"] == place


def test_a_flat_map_has_no_place() -> None:
    flat = np.full((1, 6, 9), 1 / 54, dtype=np.float32)
    (shown,) = build_view(describe(with_maps(flat)), photo(), "")["captions"]
    assert shown["words"][0]["place"] == EVERYWHERE


def test_rivals_are_probabilities_and_the_end_is_the_empty_word() -> None:
    given = replace(caption(("a",)), alternatives=((("a", float(np.log(0.5))), ("<end>", float(np.log(0.25)))),))
    (shown,) = build_view(describe(given), photo(), "")["captions"]
    assert shown["words"][0]["rivals"] == [{"word": "a", "probability": 0.5}, {"word": "", "probability": 0.25}]


@pytest.mark.parametrize(("size", "sent"), [((3000, 2000), (1024, 683)), ((60, 90), (60, 90)), ((8, 5000), (2, 1024))])
def test_the_photo_is_sent_at_its_own_shape_and_no_larger_than_needed(
    size: tuple[int, int], sent: tuple[int, int]
) -> None:
    view = build_view(description(), photo(*size), "")
    header, content = view["photo"]["address"].split(",")
    assert header == "data:image/jpeg;base64"
    shown = Image.open(io.BytesIO(base64.b64decode(content)))
    assert shown.size == sent
    assert max(shown.size) <= PHOTO_SIDE
    assert (view["photo"]["width"], view["photo"]["height"]) == size


def test_the_largest_result_stays_below_one_and_a_half_megabytes() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), dtype=np.uint8))
    captions = tuple(caption(tuple("abcdefghijkl"), 14, 14, seed=seed) for seed in range(55))
    ranking = {width: tuple(range(width)) for width in range(1, 11)}
    full = Description(captions, ranking, dict.fromkeys(ranking, ()), (14, 14), (14, 14), "m")
    assert len(json.dumps(build_view(full, noise, ""))) < 1_500_000


def test_pack_fractions_rounds_and_clips() -> None:
    np.testing.assert_array_equal(
        unpack(pack_fractions(np.array([-0.1, 0.0, 0.5, 1.0, 1.2]))), [0, 0, 32768 / 65535, 1, 1]
    )


def test_a_problem_is_its_sentence() -> None:
    assert build_problem("No.") == {"kind": "problem", "message": "No."}
