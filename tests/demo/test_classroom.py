"""In class: the projector, and pointing before seeing."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from builders import caption, photo_bytes
from demo import text
from visits import GRADIO_WARNINGS, RED_DOG, TWO_DOGS, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
CAPTION = caption(RED_DOG, 4, 6, 0)
TOTAL = 24


def give(page: Page) -> None:
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    )
    page.locator(".sw-viewer[data-kind=result] .sw-caption").wait_for()


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def project(page: Page) -> None:
    page.get_by_role("button", name="Projector").click()
    expect(page.locator(".sw-projector")).to_have_count(1)


def point_first(page: Page, word: int) -> None:
    page.locator(".sw-caption .sw-word").nth(word).click()
    page.get_by_role("button", name="Point first").click()
    page.locator(".sw-stage").scroll_into_view_if_needed()


def mark(page: Page, x: float, y: float) -> None:
    box = page.locator(".sw-picture").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def show(page: Page) -> None:
    page.get_by_role("button", name="Show", exact=True).click()


def compared(word: int, cells: list[tuple[int, int]]) -> tuple[str, int, int, int]:
    """The mean of what the marked cells have to an even spread, cells from the nearest to the highest, those among
    the cells with half of the attention, and how many cells these are."""
    attention = CAPTION.attention[word].astype(float)
    attention /= attention.sum()
    order = np.argsort(-attention.ravel())
    count = int((np.cumsum(attention.ravel()[order]) < 0.5).sum()) + 1
    half = {tuple(map(int, np.unravel_index(place, attention.shape))) for place in order[:count]}
    row, column = map(int, np.unravel_index(order[0], attention.shape))
    mean = sum(float(attention[cell]) for cell in cells) / len(cells) * TOTAL
    nearest = min(max(abs(cell[0] - row), abs(cell[1] - column)) for cell in cells)
    return f"{mean:.1f}", nearest, sum(cell in half for cell in cells), count


def distance(cells: int) -> str:
    key = {0: "guess_hit", 1: "guess_near"}.get(cells, "guess_far")
    return str(text.VIEWER[key].format(cells=cells))


def test_the_projector_fills_the_window_and_shows_only_what_a_class_needs(
    browser: Browser, scripted_address: str
) -> None:
    for size in ((1024, 768), (1920, 1080)):
        for page, _ in visit(browser, scripted_address, *size):
            give(page)
            project(page)
            box = page.locator(".sw-viewer").bounding_box()
            assert box is not None
            assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, *size)
            for seen in (".sw-caption", ".sw-stage", ".sw-now", ".sw-scale", ".sw-claim"):
                place = page.locator(seen).bounding_box()
                assert place is not None, seen
                assert place["y"] + place["height"] <= size[1], seen
                assert place["x"] + place["width"] <= size[0], seen
            for unseen in (".sw-side", ".sw-panels", ".sw-drawing", ".sw-hint", ".sw-ask", ".sw-model"):
                expect(page.locator(unseen)).to_be_hidden()
            ratio = page.locator(".sw-stage").evaluate("node => node.offsetWidth / node.offsetHeight")
            assert ratio == pytest.approx(1.5, abs=0.01)
            expect(page.locator(".sw-claim")).to_contain_text(text.VIEWER["claim"])
            press(page, "g")
            mark(page, 0.2, 0.2)
            mark(page, 0.8, 0.8)
            show(page)
            for seen in (".sw-guess", ".sw-guess-result", ".sw-stage", ".sw-claim"):
                place = page.locator(seen).bounding_box()
                assert place is not None, seen
                assert place["y"] + place["height"] <= size[1], seen


def test_the_projector_by_keys(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    page.locator(".sw-caption .sw-word").nth(0).click()
    project(page)
    now = page.locator(".sw-now-word")
    posts = len(watch.posts)
    press(page, "ArrowRight")
    expect(now).to_have_text("red")
    cells = float(CAPTION.effective_cells[1])
    expect(page.locator(".sw-now-number")).to_have_text(f"looks at {cells:.0f} of {TOTAL} cells")
    press(page, "ArrowLeft", "ArrowLeft")
    expect(now).to_have_text("dog")
    press(page, "ArrowDown")
    assert words(page) == list(TWO_DOGS)
    press(page, "ArrowUp")
    assert words(page) == list(RED_DOG)
    press(page, "1")
    assert words(page) == list(TWO_DOGS)
    press(page, "0")
    assert words(page) == list(RED_DOG)
    press(page, "s")
    expect(page.locator(".sw-claim")).to_contain_text("The network computed 2 × 3 cells")
    press(page, "p")
    expect(page.locator(".sw-stage")).to_have_class("sw-stage sw-no-map")
    press(page, "p", "Home", "ArrowRight")
    press(page, " ")
    expect(page.locator(".sw-play")).to_have_text(text.VIEWER["pause"])
    press(page, " ")
    expect(page.locator(".sw-play")).to_have_text(text.VIEWER["play"])
    press(page, "?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("beam width 1 to 10")
    press(page, "Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    expect(page.locator(".sw-projector")).to_have_count(1)
    assert len(watch.posts) == posts
    press(page, "Escape")
    expect(page.locator(".sw-projector")).to_have_count(0)
    expect(page.locator(".sw-side")).to_be_visible()
    shown = page.locator(".sw-word-name").inner_text()
    page.locator("h1").click()
    press(page, "ArrowRight")
    assert page.locator(".sw-word-name").inner_text() == shown


def test_tab_stays_in_the_projector(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    project(page)
    for _ in range(8):
        press(page, "Tab")
        assert page.evaluate("document.querySelector('.sw-viewer').contains(document.activeElement)")


def test_a_window_without_the_fullscreen_api_is_covered_all_the_same(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    refuse = "Element.prototype.requestFullscreen = () => Promise.reject(new Error('not allowed'))"
    page.evaluate(f"() => {{ {refuse}; }}")
    project(page)
    box = page.locator(".sw-viewer").bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (1280, 900)
    press(page, "Escape")
    expect(page.locator(".sw-projector")).to_have_count(0)


def test_nothing_tells_where_the_model_looked_before_everyone_has_pointed(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 2)
    expect(page.locator(".sw-guess-question")).to_have_text("Where would you look for “dog”?")
    expect(page.locator(".sw-map")).to_be_hidden()
    expect(page.locator(".sw-tile-map").first).to_be_hidden()
    places = text.VIEWER["places"].split("|")
    labels = page.locator(".sw-tile").evaluate_all("tiles => tiles.map(tile => tile.getAttribute('aria-label'))")
    assert not any(place in label for place in places for label in labels)
    mark(page, 0.5, 0.5)
    expect(page.locator(".sw-region")).to_be_hidden()
    expect(page.locator(".sw-ask")).to_be_hidden()
    show(page)
    expect(page.locator(".sw-map")).to_be_visible()
    expect(page.locator(".sw-tile-map").first).to_be_visible()
    page.get_by_role("button", name="Next word").click()
    expect(page.locator(".sw-guess-question")).to_have_text("Where would you look for “a”?")
    expect(page.locator(".sw-map")).to_be_hidden()
    expect(page.locator(".sw-mark")).to_have_count(0)
    page.get_by_role("button", name="Point first").click()
    expect(page.locator(".sw-map")).to_be_visible()
    expect(page.locator(".sw-ask")).to_be_visible()


def test_one_mark_is_compared_in_a_sentence(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 2)
    mark(page, 0.9, 0.3)  # row 1, column 5
    show(page)
    times, far, inside, half = compared(2, [(1, 5)])
    sentence = text.VIEWER["guess_one_in" if inside else "guess_one_out"]
    expected = sentence.format(times=times, distance=distance(far), half=half, total=TOTAL)
    assert page.locator(".sw-guess-result p").all_text_contents() == [expected]


def test_many_marks_are_compared_and_the_last_can_be_undone(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 1)
    for x, y in ((0.1, 0.1), (0.5, 0.6), (0.9, 0.9), (0.3, 0.3)):
        mark(page, x, y)
    expect(page.locator(".sw-guess-count")).to_have_text("4 marks")
    page.get_by_role("button", name="Undo last mark").click()
    assert page.locator(".sw-mark").all_text_contents() == ["1", "2", "3"]
    show(page)
    times, far, inside, half = compared(1, [(0, 0), (2, 3), (3, 5)])
    expected = text.VIEWER["guess_several"].format(
        count=3, times=times, distance=distance(far), within=inside, half=half, total=TOTAL
    )
    assert page.locator(".sw-guess-result p").all_text_contents() == [expected]
    mark(page, 0.2, 0.8)  # too late
    expect(page.locator(".sw-mark")).to_have_count(3)
    page.get_by_role("button", name="Again").click()
    expect(page.locator(".sw-mark")).to_have_count(0)


def test_pointing_by_keyboard(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 0)
    expect(page.locator(".sw-marks")).to_be_focused()
    press(page, "ArrowRight", "Shift+ArrowUp", "Enter")
    style = page.locator(".sw-mark").get_attribute("style")
    assert style == "left: 52%; top: 40%;"
    press(page, "Enter", "Backspace")
    expect(page.locator(".sw-mark")).to_have_count(1)
    press(page, "Escape")
    expect(page.locator(".sw-guess")).to_be_hidden()


def test_without_a_mark_the_map_is_shown_and_said_so(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 0)
    show(page)
    expect(page.locator(".sw-guess-result")).to_have_text(text.VIEWER["guess_none"])


def test_a_finger_marks_on_a_phone_and_nothing_is_cut_off(browser: Browser, scripted_address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(scripted_address)
    give(page)
    page.locator(".sw-caption .sw-word").nth(2).tap()
    page.get_by_role("button", name="Point first").tap()
    page.locator(".sw-picture").tap()
    expect(page.locator(".sw-mark")).to_have_count(1)
    page.get_by_role("button", name="Show", exact=True).tap()
    expect(page.locator(".sw-guess-result p")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    context.close()


def test_an_example_shows_the_box_drawn_for_its_word(desktop: Visit) -> None:
    page, _ = desktop
    page.locator(".sw-viewer[data-kind=recorded] .sw-caption").wait_for()  # the photographer
    camera = words(page).index("camera")
    point_first(page, camera)
    mark(page, 0.57, 0.32)
    show(page)
    expect(page.locator(".sw-drawn")).to_have_text("camera")
    expect(page.locator(".sw-guess-result p")).to_have_count(2)
    expect(page.locator(".sw-guess-result")).to_contain_text("covers 1.4 % of the photo")
    expect(page.locator(".sw-guess-result")).to_contain_text("marks inside it: 1 of 1")
