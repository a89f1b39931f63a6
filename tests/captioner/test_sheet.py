from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageEnhance

from builders import caption, photo
from captioner.overlay import cell_projection, render_overlays
from captioner.sheet import GAP, LABEL_HEIGHT, MARGIN, SATURATION, TILE_SIDE, TITLE_HEIGHT, overlay_sheet


def test_each_tile_is_the_photo_under_its_words_map() -> None:
    picture = photo(60, 40)
    said = caption(("a", "red", "dog"), 2, 3)
    sheet = np.asarray(overlay_sheet(picture, said, smooth=False))
    size = (TILE_SIDE, 160)
    quiet = ImageEnhance.Color(picture.resize(size, Image.Resampling.LANCZOS)).enhance(SATURATION)
    expected = render_overlays(quiet, said.attention, cell_projection((2, 3), size), float(said.attention.max()))
    upper = MARGIN + TITLE_HEIGHT
    for index, tile in enumerate(expected, start=1):  # the first is the plain photo
        left = MARGIN + index * (size[0] + GAP)
        np.testing.assert_array_equal(sheet[upper : upper + 160, left : left + TILE_SIDE], np.asarray(tile))
    plain = np.asarray(picture.resize(size, 1))
    np.testing.assert_array_equal(sheet[upper : upper + 160, MARGIN : MARGIN + TILE_SIDE], plain)


def test_a_long_caption_goes_on_in_a_second_row() -> None:
    said = caption(tuple("abcdef"), 2, 3)
    one_row, two_rows = overlay_sheet(photo(60, 40), caption(tuple("abcd"), 2, 3)), overlay_sheet(photo(60, 40), said)
    assert one_row.width == two_rows.width
    assert two_rows.height - one_row.height == 160 + LABEL_HEIGHT


def test_smooth_and_raw_differ_and_both_are_rgb() -> None:
    smooth = overlay_sheet(photo(60, 40), caption())
    raw = overlay_sheet(photo(60, 40), caption(), smooth=False)
    assert smooth.size == raw.size
    assert smooth.mode == raw.mode == "RGB"
    assert (np.asarray(smooth) != np.asarray(raw)).any()


def test_a_flat_word_beside_a_sharp_one_is_tinted_evenly_and_weakly() -> None:
    maps = np.zeros((2, 2, 3), dtype=np.float32)
    maps[0] = 1 / 6
    maps[1, 0, 0] = 1.0
    white = photo(60, 40).point(lambda _: 255)
    sheet = np.asarray(overlay_sheet(white, replace(caption(), attention=maps), smooth=False)).astype(int)
    upper, left = MARGIN + TITLE_HEIGHT, MARGIN + TILE_SIDE + GAP
    flat = sheet[upper : upper + 160, left : left + TILE_SIDE].reshape(-1, 3)
    assert (flat == flat[0]).all()
    assert 255 - flat[0].min() < 100


def test_a_long_text_is_written_smaller_rather_than_cut() -> None:
    wide = overlay_sheet(photo(40, 60), caption(("internationalisation",) * 30, 2, 3))
    title = np.asarray(wide)[MARGIN : MARGIN + 30]
    assert (title[:, -MARGIN + 4 :] == 255).all()
    assert (title < 128).any()
