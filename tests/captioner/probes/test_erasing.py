from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from builders import caption, photo
from captioner.errors import PhotoError
from captioner.probes.erasing import erase, outline_mask, outlook

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))


def test_flat_erasing_takes_the_mean_colour_of_what_is_left_and_leaves_the_rest_alone() -> None:
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[:, :, 0] = 200
    picture[20:61, 30:91] = (0, 255, 0)
    erased = np.asarray(erase(Image.fromarray(picture), SQUARE, "flat"))
    assert tuple(erased[40, 60]) == (200, 0, 0)
    np.testing.assert_array_equal(erased[:15], picture[:15])
    np.testing.assert_array_equal(erased[:, 100:], picture[:, 100:])


def test_inpainting_continues_what_is_around() -> None:
    ramp = np.tile(np.linspace(0, 255, 120).astype(np.uint8)[None, :, None], (80, 1, 3))
    spoilt = ramp.copy()
    spoilt[22:58, 32:88] = (255, 0, 255)
    erased = np.asarray(erase(Image.fromarray(spoilt), SQUARE, "inpaint")).astype(int)
    assert np.abs(erased - ramp)[25:55, 35:85].mean() < 12
    np.testing.assert_array_equal(erased[:15], spoilt[:15])


def test_a_photo_keeps_its_size_and_is_not_changed_itself() -> None:
    given = photo(300, 170)
    before = given.copy()
    erased = erase(given, ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    assert erased.size == (300, 170)
    assert given == before


def test_a_mask_is_the_inside_of_its_outline() -> None:
    mask = np.asarray(outline_mask(SQUARE, 40, 20))
    assert mask.shape == (20, 40)
    assert mask[10, 20] == 255
    assert mask[2, 2] == 0
    assert (mask > 0).mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("outline", "sentence"),
    [
        ((), "expected an outline of 3 to 2000 points, got 0: draw it"),
        (((0.1, 0.1), (0.2, 0.2)), "got 2"),
        (((0.1, 0.1),) * 2001, "got 2001"),
        (((0.1, 0.1), (0.2, 1.2), (0.3, 0.3)), "points inside the photo"),
        (((0.1, 0.1), (float("nan"), 0.2), (0.3, 0.3)), "points inside the photo"),
        (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)), "nearly the whole photo"),
    ],
)
def test_what_is_no_outline_is_refused(outline: tuple[tuple[float, float], ...], sentence: str) -> None:
    with pytest.raises(PhotoError, match=sentence):
        erase(photo(), outline)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(PhotoError, match="expected a fill of inpaint or flat, got 'blur'"):
        erase(photo(), SQUARE, "blur")  # type: ignore[arg-type]


def test_the_outlook_holds_what_the_maps_promised_against_what_went() -> None:
    maps = np.zeros((3, 4, 4), np.float32)
    maps[0, 0, 0] = maps[1, 1, 2] = 1
    maps[2] = 1 / 16
    before = replace(caption(("a", "red", "dog"), 4, 4), attention=maps)
    after = caption(("a", "dog", "runs"), 4, 4)
    found = outlook(before, after, SQUARE)
    assert found.words == ("a", "red", "dog")
    assert found.inside == pytest.approx((0.0, 1.0, 0.25), abs=0.06)
    assert found.lost == (False, True, False)
