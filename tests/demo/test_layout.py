"""How the page lies: what is on show is in sight, nothing is cut off, nothing jumps."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from builders import photo_bytes
from demo import text
from demo.scripts import style_paths
from scripted_tree import PRUNED
from visits import GRADIO_WARNINGS, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
SAY = text.VIEWER


def give(page: Page) -> None:
    """Upload a photo and wait for its caption."""
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator('.sw-viewer[data-kind="result"] .sw-caption').wait_for()


def place(node: Locator) -> dict[str, float]:
    box = node.first.bounding_box()
    assert box is not None
    return {**cast(dict[str, float], box), "right": box["x"] + box["width"], "bottom": box["y"] + box["height"]}


def open_panel(page: Page, name: str) -> None:
    page.get_by_role("tab", name=SAY[f"panel_{name}"]).click()


def test_the_newest_word_of_the_tree_is_in_sight_at_every_step(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_panel(page, "tree")
    page.locator(".sw-tree-scrub").press("Home")
    columns = page.locator(".sw-column").count()
    for step in range(columns):
        now = page.locator(".sw-column-now")
        expect(now.locator(".sw-column-number")).to_have_text(str(step + 1))
        expect(now).to_be_visible()
        assert page.locator(".sw-column:visible").count() == step + 1
        page.get_by_role("button", name=SAY["tree_next"]).click(force=True)


def test_the_panels_lie_below_the_photo_and_the_photo_box_and_the_beam_stays_beside_them(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    panels, box, stage = (place(page.locator(name)) for name in (".sw-panels", "#sw-photo-input", ".sw-frame"))
    assert panels["x"] == pytest.approx(box["x"], abs=1)
    assert panels["right"] == pytest.approx(stage["right"], abs=1)
    assert panels["y"] > place(page.locator("#sw-examples"))["bottom"]
    open_panel(page, "box")
    page.locator(".sw-step").nth(1).click()
    page.locator(".sw-tabs").evaluate("tabs => window.scrollTo(0, tabs.getBoundingClientRect().top + window.scrollY)")
    side = place(page.locator(".sw-side"))
    assert 0 < side["bottom"] <= 900
    assert side["x"] >= panels["right"]


def test_all_of_the_photo_is_seen_below_its_caption(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    assert place(page.locator(".sw-stage"))["bottom"] <= 900


@pytest.mark.parametrize("size", [(360, 740), (640, 450), (1024, 768), (1280, 900)])
@pytest.mark.parametrize("language", ["en-GB", "ko-KR"])
def test_no_panel_is_wider_than_the_window(
    browser: Browser, scripted_address: str, size: tuple[int, int], language: str
) -> None:
    width = size[0]
    for page, _ in visit(browser, scripted_address, *size, locale=language):
        give(page)
        for tab in page.locator(".sw-tab").all():
            tab.click()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, tab.inner_text()
            bounds = place(tab)
            assert bounds["x"] >= 0
            assert bounds["right"] <= width


def test_the_photo_stays_in_its_place_when_the_map_is_shown(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.get_by_role("button", name=SAY["guess"], exact=True).click()
    before = place(page.locator(".sw-stage"))
    page.get_by_role("button", name=SAY["guess_show"], exact=True).click()
    expect(page.locator(".sw-guess-result")).to_be_visible()
    assert place(page.locator(".sw-stage")) == before


def test_forced_words_are_marked_among_the_small_pictures(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    assert page.locator(".sw-given-tile").count() == 0
    open_panel(page, "tree")
    page.locator(f'.sw-branch[aria-label^="a {PRUNED}. "]').dispatch_event("click")
    page.get_by_role("button", name=SAY["go_on"]).click()
    page.locator(".sw-given").wait_for()
    open_panel(page, "words")
    marked = page.locator(".sw-given-tile")
    assert marked.locator(".sw-tile-word").all_text_contents() == ["a", PRUNED]
    assert marked.locator(".sw-tile-forced").all_text_contents() == [SAY["forced"]] * 2
    for label in marked.evaluate_all("tiles => tiles.map((tile) => tile.ariaLabel)"):
        assert cast(Any, label).endswith(f", {SAY['forced']}")


def test_dark_mode_has_colours_of_its_own(dark: Visit) -> None:
    page, _ = dark
    accent = "node => getComputedStyle(node).getPropertyValue('--sw-accent')"
    for selector in (".sw-viewer", ".sw-masthead", ".sw-examples"):
        assert page.locator(selector).evaluate(accent) == "#2dd4bf"


def test_no_rule_is_of_a_kind_that_gradio_breaks() -> None:
    """Of a list of selectors Gradio takes the first for dark mode, and within @media it cuts at every comma."""
    for file in style_paths():
        style = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for block in re.findall(r"@media[^{]*\{((?:[^{}]*\{[^{}]*\})*)", style):
            assert not re.search(r":(?:is|not|where)\([^()]*,", block), file.name
        if file.name != "takeaway.css":  # a saved page is without Gradio
            assert not re.search(r"\.dark [^{},]*,[^{}]*\{", style), file.name
