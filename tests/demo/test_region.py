"""Asking the photo: which words looked at a part of it."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from builders import caption, photo_bytes
from captioner.overlay import Floats
from demo import text
from visits import GRADIO_WARNINGS, MARKUP, RED_DOG, TWO_DOGS, Watch

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
Box = tuple[float, float, float, float]  # left, top, right, bottom
ROWS, COLUMNS = 4, 6
CAPTIONS = [caption(words, ROWS, COLUMNS, seed) for seed, words in enumerate((RED_DOG, TWO_DOGS, ("a", MARKUP)))]


def give(page: Page) -> None:
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    )
    page.locator(".sw-viewer[data-kind=result] .sw-caption").wait_for()
    page.locator(".sw-stage").scroll_into_view_if_needed()


def at(page: Page, x: float, y: float) -> tuple[float, float]:
    """A place of the photo, 0 to 1 across and down, as a place of the window."""
    box = page.locator(".sw-picture").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def click(page: Page, x: float, y: float) -> None:
    page.mouse.click(*at(page, x, y))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*at(page, *end))
    page.mouse.up()


def outline(page: Page) -> Box:
    """The rectangle as it is seen, 0 to 1 across and down."""
    left, top = at(page, 0, 0)
    right, bottom = at(page, 1, 1)
    region = page.locator(".sw-region")
    region.wait_for()
    seen = region.bounding_box()
    assert seen is not None
    across, down = right - left, bottom - top
    x, y = (seen["x"] - left) / across, (seen["y"] - top) / down
    return x, y, x + seen["width"] / across, y + seen["height"] / down


def inside(attention: Floats, region: Box) -> float:
    """Attention in a rectangle, by sampling it finely: 1200 x 1200 points, which cells of 4 x 6 share evenly."""
    side = 1200
    fine = np.repeat(np.repeat(attention, side // ROWS, axis=0), side // COLUMNS, axis=1)
    left, top, right, bottom = (round(edge * side) for edge in region)
    return float(fine[top:bottom, left:right].sum() / fine.sum())


def expected(region: Box, places: tuple[int, ...] = (0, 1, 2)) -> list[tuple[str, float]]:
    """Every word with its share, the largest first."""
    found = [
        (word, inside(one.attention[i], region))
        for one in (CAPTIONS[place] for place in places)
        for i, word in enumerate(one.words)
    ]
    return sorted(found, key=lambda pair: -pair[1])


def said(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def rows(page: Page) -> Locator:
    return page.locator(".sw-ask-row")


def test_a_click_asks_about_the_cell_under_the_pointer(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    expect(page.locator(".sw-ask-list")).to_be_hidden()
    posts = len(watch.posts)
    click(page, 0.4, 0.6)  # column 2 of 6, row 2 of 4
    cell = (2 / 6, 2 / 4, 3 / 6, 3 / 4)
    assert outline(page) == pytest.approx(cell, abs=0.005)
    wanted = expected(cell)
    assert rows(page).locator("strong").all_text_contents() == [word for word, _ in wanted]
    assert page.locator(".sw-ask-share").all_text_contents() == [said(share) for _, share in wanted]
    word, share = wanted[0]
    expect(page.locator(".sw-ask-most")).to_have_text(
        text.VIEWER["region_most"].format(word=word, share=said(share), times=f"{share * 24:.1f}")
    )
    expect(page.locator(".sw-ask-some .sw-help")).to_contain_text(said(1 / 24))
    assert len(watch.posts) == posts


def test_a_drag_counts_cells_that_lie_partly_inside_for_that_part(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    drag(page, (0.21, 0.13), (0.62, 0.81))
    region = outline(page)
    assert region == pytest.approx((0.21, 0.13, 0.62, 0.81), abs=0.005)
    shares = [float(share.split()[0]) for share in page.locator(".sw-ask-share").all_text_contents()]
    wanted = [100 * share for _, share in expected((0.21, 0.13, 0.62, 0.81))]
    assert len(shares) >= len(wanted) - 1  # the captions that begin with "a" share a row where they share a percent
    assert all(min(abs(share - one) for share in shares) < 1.2 for one in wanted)  # a pointer stands on whole pixels
    assert shares == sorted(shares, reverse=True)
    drag(page, (0.1, 0.05), (1.1, 1.05))  # beyond the edge
    assert outline(page) == pytest.approx((0.1, 0.05, 1, 1), abs=0.006)


def test_the_narrower_beam_asks_only_its_own_captions(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    click(page, 0.1, 0.1)
    assert rows(page).count() == 10
    page.get_by_role("slider", name="Beam width").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert rows(page).locator("strong").all_text_contents() == [
        word for word, _ in expected((0, 0, 1 / 6, 1 / 4), (1,))
    ]


def test_a_row_opens_its_word_and_the_captions_words_light_up(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    click(page, 0.4, 0.6)
    cell = (2 / 6, 2 / 4, 3 / 6, 3 / 4)
    lit = "chips => chips.map(chip => Number(chip.style.getPropertyValue('--sw-lit')))"
    shares = np.array([inside(one, cell) for one in CAPTIONS[0].attention])
    assert page.locator(".sw-caption .sw-word").evaluate_all(lit) == pytest.approx(shares / shares.max(), abs=0.01)
    row = rows(page).filter(has_text="water")
    row.click()
    assert page.locator(".sw-caption .sw-word-text").all_text_contents() == list(TWO_DOGS)
    expect(page.locator(".sw-word-name")).to_have_text("water")
    expect(row).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".sw-ask-row[aria-pressed=true]")).to_have_count(1)


def test_by_keyboard_alone(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.locator(".sw-ask-start").press("Enter")
    expect(page.locator(".sw-region")).to_be_focused()
    assert outline(page) == pytest.approx((2 / 6, 1 / 4, 4 / 6, 3 / 4), abs=0.005)
    for key in ("ArrowLeft", "ArrowUp", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowUp"):
        page.keyboard.press(key)
    assert outline(page) == pytest.approx((1 / 6, 0, 4 / 6, 1 / 4), abs=0.005)
    page.keyboard.press("Escape")
    expect(page.locator(".sw-region")).to_be_hidden()
    expect(page.locator(".sw-ask-start")).to_be_focused()
    expect(page.locator(".sw-caption.sw-asked")).to_have_count(0)


def test_a_region_is_moved_resized_and_cleared_by_pointer(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    drag(page, (0.2, 0.2), (0.5, 0.5))
    drag(page, (0.3, 0.3), (0.5, 0.4))
    assert outline(page) == pytest.approx((0.4, 0.3, 0.7, 0.6), abs=0.006)
    drag(page, (0.703, 0.605), (0.9, 0.9))  # the grip at its corner
    assert outline(page) == pytest.approx((0.4, 0.3, 0.9, 0.9), abs=0.01)
    drag(page, (0.6, 0.6), (0.95, 0.6))  # never out of the photo
    assert outline(page)[2] == pytest.approx(1, abs=0.006)
    page.get_by_role("button", name="Clear", exact=True).last.click()
    expect(page.locator(".sw-region")).to_be_hidden()


def test_holding_still_shows_the_plain_photo_and_asks_nothing(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.mouse.move(*at(page, 0.5, 0.5))
    page.mouse.down()
    expect(page.locator(".sw-stage.sw-beside")).to_have_count(1)
    page.mouse.up()
    expect(page.locator(".sw-stage.sw-beside")).to_have_count(0)
    expect(page.locator(".sw-region")).to_be_hidden()
    drag(page, (0.2, 0.2), (0.5, 0.5))
    page.wait_for_timeout(600)  # longer than a hold
    expect(page.locator(".sw-stage.sw-beside")).to_have_count(0)
    expect(page.locator(".sw-region")).to_be_visible()


def test_the_stage_stays_where_it_is_and_nothing_is_cut_off_on_a_phone(phone: Visit) -> None:
    page, _ = phone
    give(page)
    page.wait_for_timeout(1000)  # the result scrolls into sight
    before = at(page, 0, 0)
    click(page, 0.5, 0.5)
    assert at(page, 0, 0) == pytest.approx(before, abs=1)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    row = rows(page).first.bounding_box()
    assert row is not None
    assert row["x"] + row["width"] <= 390
