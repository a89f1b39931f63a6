"""Views of a photo: what is shown, where boxes go, and that a photo always has the same ones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from captioner.errors import DataError
from captioner.training.views import LARGEST_CROP, SMALLEST_CROP, WHOLE, Box, View, make_views

RIGHT_MIDDLE: Box = (0.5, 0.25, 1.0, 0.75)


@pytest.mark.parametrize(
    ("view", "box", "expected"),
    [
        (View(), (0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)),
        (View(mirrored=True), (0.1, 0.2, 0.3, 0.4), (0.7, 0.2, 0.9, 0.4)),
        (View(RIGHT_MIDDLE), (0.5, 0.25, 0.75, 0.5), (0.0, 0.0, 0.5, 0.5)),
        (View(RIGHT_MIDDLE, mirrored=True), (0.5, 0.25, 0.75, 0.5), (0.5, 0.0, 1.0, 0.5)),
        (View(RIGHT_MIDDLE), (0.0, 0.5, 0.625, 1.0), (0.0, 0.5, 0.25, 1.0)),  # cut at the left and below
        (View(RIGHT_MIDDLE, mirrored=True), (0.0, 0.5, 0.625, 1.0), (0.75, 0.5, 1.0, 1.0)),
        (View(RIGHT_MIDDLE), WHOLE, WHOLE),
        (View(RIGHT_MIDDLE), (0.0, 0.25, 0.5, 0.75), None),  # touches the crop's edge only
        (View(RIGHT_MIDDLE, mirrored=True), (0.0, 0.25, 0.4, 0.75), None),
        (View(RIGHT_MIDDLE), (0.6, 0.8, 0.9, 1.0), None),
    ],
)
def test_boxes_go_where_the_view_puts_them(view: View, box: Box, expected: Box | None) -> None:
    placed = view.place(box)
    assert placed == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(), [[0, 1, 2, 3], [10, 11, 12, 13]]),
        (View(mirrored=True), [[3, 2, 1, 0], [13, 12, 11, 10]]),
        (View((0.25, 0.5, 1.0, 1.0)), [[11, 12, 13]]),
        (View((0.25, 0.5, 1.0, 1.0), mirrored=True), [[13, 12, 11]]),
        (View((0.0, 0.0, 0.5, 1.0), mirrored=True), [[1, 0], [11, 10]]),
    ],
)
def test_what_is_shown_of_eight_pixels(view: View, expected: list[list[int]]) -> None:
    photo = Image.fromarray(np.array([[0, 1, 2, 3], [10, 11, 12, 13]], np.uint8))
    assert np.asarray(view.show(photo)).tolist() == expected


def test_a_box_is_placed_where_its_pixels_are_shown() -> None:
    pixels = np.zeros((10, 20), np.uint8)
    pixels[4:9, 6:13] = 255
    view = View((0.2, 0.1, 0.9, 0.8), mirrored=True)
    shown = np.asarray(view.show(Image.fromarray(pixels)))
    assert shown.shape == (7, 14)
    placed = view.place((6 / 20, 4 / 10, 13 / 20, 9 / 10))
    assert placed is not None
    left, top, right, bottom = (round(edge * side) for edge, side in zip(placed, (14, 7, 14, 7), strict=True))
    lit = np.zeros_like(shown)
    lit[top:bottom, left:right] = 255
    assert (shown == lit).all()


@pytest.mark.parametrize("crop", [(0.5, 0, 0.5, 1), (0, 0.6, 1, 0.4), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)])
def test_a_crop_that_is_empty_or_leaves_the_photo_is_refused(crop: Box) -> None:
    with pytest.raises(DataError, match=r"expected a crop .* got \("):
        View(crop)


def test_a_photo_is_shown_whole_then_mirrored_then_cropped_within_itself() -> None:
    crops: list[View] = []
    for number in range(200):
        views = make_views(f"{number}.jpg", 5)
        assert views[:2] == (View(), View(mirrored=True))
        crops += views[2:]
    for view in crops:
        left, top, right, bottom = view.crop
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert SMALLEST_CROP - 1e-9 <= right - left <= LARGEST_CROP + 1e-9
        assert SMALLEST_CROP - 1e-9 <= bottom - top <= LARGEST_CROP + 1e-9
    assert len({view.crop for view in crops}) == len(crops) == 600
    assert 0.4 < sum(view.mirrored for view in crops) / len(crops) < 0.6


def test_a_filename_always_has_the_same_views() -> None:
    views = make_views("beach.jpg", 4)
    assert [make_views("beach.jpg", count) for count in (1, 2, 3, 4)] == [views[:1], views[:2], views[:3], views]
    assert make_views("dunes.jpg", 4)[2:] != views[2:]
    # Written down once: another process, with another hash seed, must see what the cached features hold.
    assert views[2].crop == pytest.approx((0.0266231615, 0.1167858868, 0.9268976984, 0.8184366957))
