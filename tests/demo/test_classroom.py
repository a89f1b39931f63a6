"""In class: the projector, and pointing before seeing."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from builders import caption, photo_bytes
from demo import text
from demo.scripts import STATIC
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


def refuse_fullscreen(page: Page) -> None:
    """A window that a browser shows on the whole screen cannot be resized."""
    page.evaluate("() => { Element.prototype.requestFullscreen = () => Promise.reject(new Error('not allowed')); }")


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


def looked_at(word: int) -> set[tuple[int, int]]:
    """The fewest cells that hold half of a word's attention."""
    attention = CAPTION.attention[word].astype(float)
    attention /= attention.sum()
    order = np.argsort(-attention.ravel())
    count = int((np.cumsum(attention.ravel()[order]) < 0.5).sum()) + 1
    return {(int(place) // 6, int(place) % 6) for place in order[:count]}


def centre(cell: tuple[int, int]) -> tuple[float, float]:
    return (cell[1] + 0.5) / 6, (cell[0] + 0.5) / 4


def apart(cell: tuple[int, int], word: int) -> int:
    return min(max(abs(cell[0] - row), abs(cell[1] - column)) for row, column in looked_at(word))


def cells_apart(steps: int, word: int) -> tuple[int, int]:
    """A cell so many steps from the nearest of those a word's map looks at most."""
    return next((row, column) for row in range(4) for column in range(6) if apart((row, column), word) == steps)


def verdict(page: Page) -> str:
    return page.locator(".sw-guess-verdict").text_content() or ""


def said(page: Page) -> list[str]:
    return page.locator(".sw-guess-result p").all_text_contents()


def with_measure(key: str, word: int, **values: int) -> list[str]:
    measure = text.VIEWER["guess_measure"].format(half=len(looked_at(word)), total=TOTAL)
    return [f"{text.VIEWER[key].format(**values)} {measure}"]


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
    refuse_fullscreen(page)
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


@pytest.mark.parametrize(("steps", "key"), [(0, "guess_same"), (1, "guess_beside")])
def test_one_mark_gets_one_verdict(desktop: Visit, steps: int, key: str) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 2)
    mark(page, *centre(cells_apart(steps, 2)))
    show(page)
    assert verdict(page) == text.VIEWER[key]
    assert said(page) == with_measure(key, 2)
    assert page.locator(".sw-looked-cell").count() == len(looked_at(2))


def test_several_marks_get_one_verdict_and_the_last_can_be_undone(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    point_first(page, 1)
    inside, beside = cells_apart(0, 1), cells_apart(1, 1)
    for cell in (inside, beside, inside, beside):
        mark(page, *centre(cell))
    expect(page.locator(".sw-guess-count")).to_have_text("4 marks")
    page.get_by_role("button", name="Undo last mark").click()
    assert page.locator(".sw-mark").all_text_contents() == ["1", "2", "3"]
    show(page)
    assert said(page) == with_measure("guess_some", 1, within=2, count=3)
    mark(page, 0.2, 0.8)  # too late
    expect(page.locator(".sw-mark")).to_have_count(3)
    page.get_by_role("button", name="Again").click()
    expect(page.locator(".sw-mark")).to_have_count(0)
    for cell, key in ((inside, "guess_all"), (beside, "guess_no")):
        mark(page, *centre(cell))
        mark(page, *centre(cell))
        show(page)
        assert said(page) == with_measure(key, 1, count=2)
        page.get_by_role("button", name="Again").click()


def test_which_cells_a_map_looks_at_most(desktop: Visit) -> None:
    page, _ = desktop

    def looked(weights: list[float]) -> list[int]:
        maps = f"{{ width: 3, height: 4, total: 12, weightsOf: () => Float32Array.from({weights}) }}"
        source = (STATIC / "guess.js").read_text(encoding="utf-8")
        found: list[dict[str, int]] = page.evaluate(f"new Function({source!r} + '; return lookedCells({maps}, 0);')()")
        return [3 * cell["row"] + cell["column"] for cell in found]

    assert looked([0.6] + 11 * [0.4 / 11]) == [0]
    assert looked([0.3, 0, 0.25, 0.4] + 8 * [0.05 / 8]) == [3, 0]
    assert looked([0.49] + 11 * [0.51 / 11]) == [0]  # with one cell more it is half, but that one is below the mean
    assert looked(12 * [1 / 12]) == []  # everywhere alike
    assert looked([0.09] + 11 * [0.91 / 11]) == []  # nearly so


def test_a_map_that_looks_everywhere_alike_gives_no_verdict(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.evaluate(
        "() => { window.Float32Array.prototype.subarray = function () { return new Float32Array(24).fill(1 / 24); }; }"
    )
    point_first(page, 2)
    mark(page, 0.5, 0.5)
    show(page)
    assert said(page) == [text.VIEWER["guess_flat"]]


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


def test_on_a_phone_the_photo_fits_and_the_result_is_scrolled_to(browser: Browser, scripted_address: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, reduced_motion="reduce", locale="en-GB"
    )
    page = context.new_page()
    page.goto(scripted_address)
    page.locator(".sw-viewer[data-kind=recorded] .sw-caption").wait_for()  # a square photo, the tallest that fits
    for width, height in ((390, 844), (390, 780), (360, 640), (844, 390)):
        page.set_viewport_size({"width": width, "height": height})
        page.get_by_role("button", name="Point first").tap()
        for seen in (".sw-guess-question", ".sw-stage"):
            expect(page.locator(seen)).to_be_in_viewport(ratio=1)
        page.locator(".sw-picture").tap()
        page.get_by_role("button", name="Show", exact=True).tap()
        expect(page.locator(".sw-guess-verdict")).to_be_in_viewport(ratio=1)
        expect(page.locator(".sw-guess-result")).to_be_in_viewport(ratio=0.99)
        page.get_by_role("button", name="Again").tap()
        expect(page.locator(".sw-stage")).to_be_in_viewport(ratio=1)
        page.keyboard.press("Escape")
        expect(page.locator(".sw-guess")).to_be_hidden()
    context.close()


@pytest.mark.parametrize(("place", "inside"), [((0.57, 0.32), "on"), ((0.1, 0.9), "beside")])
def test_the_thing_itself_is_told_apart_from_where_the_model_looked(
    desktop: Visit, place: tuple[float, float], inside: str
) -> None:
    page, _ = desktop
    page.locator(".sw-viewer[data-kind=recorded] .sw-caption").wait_for()  # the photographer
    point_first(page, words(page).index("camera"))
    mark(page, *place)
    show(page)
    expect(page.locator(".sw-drawn")).to_have_text("camera")
    expect(page.locator(".sw-drawn")).to_have_attribute("lang", "en")
    assert (verdict(page) == text.VIEWER["guess_other"]) == (inside == "beside")
    sentence = text.VIEWER[f"guess_thing_{inside}"].format(word="camera", share="@")
    assert re.fullmatch(re.escape(sentence).replace("@", r"\d+(\.\d)? %"), said(page)[-1])


def test_a_mark_where_the_model_looks_most_is_on_the_thing_whenever_the_model_is(desktop: Visit) -> None:
    page, _ = desktop
    page.locator(".sw-viewer[data-kind=recorded] .sw-caption").wait_for()
    point_first(page, words(page).index("camera"))
    mark(page, 0.02, 0.02)
    show(page)
    cells = page.locator(".sw-looked-cell").evaluate_all(
        "nodes => nodes.map(node => [node.offsetLeft + node.offsetWidth / 2, node.offsetTop + node.offsetHeight / 2])"
    )
    box = page.locator(".sw-picture").bounding_box()
    assert box is not None
    page.get_by_role("button", name="Again").click()
    page.locator(".sw-picture").click(position={"x": cells[0][0], "y": cells[0][1]})
    show(page)
    assert verdict(page) == text.VIEWER["guess_same"]
    assert "Your mark is on it" in said(page)[-1]


PARTS = (
    ".sw-caption",
    ".sw-stage",
    ".sw-guess",
    ".sw-guess-result",
    ".sw-now",
    ".sw-legend",
    ".sw-claim",
    ".sw-which",
    ".sw-class",
)


def boxes(page: Page) -> dict[str, list[float]]:
    """Left, top, right and bottom of what is seen, all at one moment."""
    found: dict[str, list[float]] = page.evaluate(
        """parts => Object.fromEntries(parts.flatMap((part) => {
            const node = document.querySelector(part);
            if (!node || !node.getClientRects().length) return [];
            const { left, top, right, bottom } = node.getBoundingClientRect();
            return [[part, [left, top, right, bottom]]];
        }))""",
        list(PARTS),
    )
    return found


def overlapping(page: Page) -> list[tuple[str, str]]:
    pairs = itertools.combinations(boxes(page).items(), 2)
    return [
        (name, other)
        for (name, a), (other, b) in pairs
        if a[0] < b[2] - 1 and b[0] < a[2] - 1 and a[1] < b[3] - 1 and b[1] < a[3] - 1
    ]


@pytest.mark.parametrize("locale", ["en-GB", "ko-KR"])
def test_nothing_lies_over_anything_in_the_projector(browser: Browser, scripted_address: str, locale: str) -> None:
    for page, _ in visit(browser, scripted_address, 1024, 768, locale=locale):
        page.locator(".sw-viewer[data-kind=recorded] .sw-caption").wait_for()  # its boxes make the result longest
        refuse_fullscreen(page)
        page.locator(".sw-class > button").last.click()
        expect(page.locator(".sw-projector")).to_have_count(1)
        for width, height in ((1024, 768), (1280, 720), (1280, 800), (1366, 768), (800, 600), (768, 1024)):
            page.set_viewport_size({"width": width, "height": height})
            assert overlapping(page) == []
            press(page, "g")
            for _ in range(2):
                page.locator(".sw-marks").click(position={"x": 20, "y": 20})
            assert overlapping(page) == []
            page.locator(".sw-guess-show").click()
            expect(page.locator(".sw-guess-result p")).to_have_count(2)
            assert overlapping(page) == []
            assert {".sw-which", ".sw-class", ".sw-guess-result"} <= set(boxes(page))
            press(page, "g")


def test_the_projector_says_which_caption_is_on_show(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    project(page)
    which = page.locator(".sw-which")
    scores = [found.replace("−", "-") for found in page.locator(".sw-alternative-score").all_text_contents()]
    for key, place in (("", 1), ("ArrowDown", 2), ("ArrowDown", 3), ("ArrowDown", 1), ("ArrowUp", 3)):
        if key:
            press(page, key)
        score = scores[place - 1].replace("-", "−")
        said = text.VIEWER["projector_which"].format(place=place, count=3, width=5, score=score)
        expect(which).to_have_text(said)
        expect(which).to_be_in_viewport()
    press(page, "1")
    expect(which).to_contain_text("Caption 1 of 1 at beam width 1")
