"""The page in a contrast theme of the system: every state is told by the theme's own colours or by shape."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from builders import photo_bytes
from visits import GRADIO_WARNINGS, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

STYLE = "(node, [part, name]) => getComputedStyle(node, part)[name]"
SYSTEM = """name => {
    const node = document.createElement("div");
    node.style.cssText = `forced-color-adjust: none; color: ${name}`;
    document.body.append(node);
    const { color } = getComputedStyle(node);
    node.remove();
    return color;
}"""
# Texts whose colour is less than 4.5 times as light or dark as what lies behind them. The browser lays a plate of the
# theme's background behind a text whose colours it may adjust, whatever the element's own background.
ILLEGIBLE = """() => {
    const parts = (colour) => (colour.match(/[0-9.]+/g) || []).map(Number);
    const light = (colour) => {
        const linear = (share) => (share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
        const [r, g, b] = parts(colour).map((value) => linear(value / 255));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const seen = (colour) => (parts(colour)[3] ?? 1) > 0;
    const canvas = getComputedStyle(document.body).backgroundColor;
    const over = (colour) => {
        const [ink, paper] = [parts(colour), parts(canvas)];
        const share = ink[3] ?? 1;
        return `rgb(${ink.slice(0, 3).map((value, place) => value * share + paper[place] * (1 - share))})`;
    };
    const behind = (node) => {
        for (let now = node; now; now = now.parentElement) {
            const { backgroundColor } = getComputedStyle(now);
            if (seen(backgroundColor) && !now.namespaceURI.endsWith("svg")) return over(backgroundColor);
        }
        return canvas;
    };
    const own = "button:disabled, option, .sw-picture, .sw-said, .sw-tick, script, style";
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const text = walker.currentNode.nodeValue.trim();
        if (!text || !node.closest(".sw-viewer, .sw-masthead, .sw-privacy") || node.closest(own)) continue;
        if (!node.checkVisibility({ visibilityProperty: true })) continue;
        const style = getComputedStyle(node);
        const box = !node.closest(".sw-fan") && node.parentElement.querySelector(":scope > .sw-branch-box");
        const fill = box && getComputedStyle(box).fill;
        const ground = fill && fill !== "none" && seen(fill) ? over(fill) : behind(node);
        const ink = node.namespaceURI.endsWith("svg") ? style.fill : style.color;
        const grounds = [ground];
        if (!node.namespaceURI.endsWith("svg") && style.forcedColorAdjust === "auto") grounds.push(canvas);
        for (const each of grounds) if (ratio(ink, each) < 4.5) found.push(`${text}: ${ink} on ${each}`);
    }
    return found;
}"""


@pytest.fixture(scope="module", params=["dark", "light"])
def theme(request: pytest.FixtureRequest, browser: Browser, scripted_address: str) -> Iterator[Page]:
    """A page in a dark and in a light theme."""
    for page, _ in visit(browser, scripted_address, 1280, 900):
        page.emulate_media(forced_colors="active", color_scheme=request.param, reduced_motion="reduce")
        yield page


@pytest.fixture
def themed(theme: Page) -> Page:
    """A page with a fresh result in a theme."""
    theme.mouse.move(0, 0)
    if theme.locator(".sw-projector").count():
        theme.keyboard.press("Escape")
        theme.keyboard.press("Escape")
    give(theme)
    return theme


def give(page: Page) -> None:
    before = page.locator(".sw-viewer .sw-head").element_handle()
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    )
    page.wait_for_function("before => document.querySelector('.sw-viewer .sw-head') !== before", arg=before)
    page.locator(".sw-viewer[data-kind=result] .sw-caption").wait_for()


def style(node: Locator, name: str, part: str | None = None) -> str:
    return str(node.first.evaluate(STYLE, [part, name]))


def system(page: Page, name: str) -> str:
    return str(page.evaluate(SYSTEM, name))


def pixels(node: Locator) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.asarray(Image.open(io.BytesIO(node.first.screenshot())).convert("RGB")).astype(np.int16)


def is_chosen(page: Page, chosen: Locator, other: Locator) -> None:
    """The one wears the theme's colours of what is chosen, the other does not."""
    expect(chosen).to_have_count(1)
    assert style(chosen, "backgroundColor") == system(page, "Highlight")
    assert style(chosen, "color") == system(page, "HighlightText")
    assert style(other, "backgroundColor") != system(page, "Highlight")


def test_what_is_chosen_can_be_told_from_the_others(themed: Page) -> None:
    page = themed
    for kind in (".sw-caption .sw-word", ".sw-tile", ".sw-drawing .sw-styles button", ".sw-alternative"):
        is_chosen(page, page.locator(f"{kind}[aria-pressed=true]"), page.locator(f"{kind}[aria-pressed=false]"))
    is_chosen(page, page.locator(".sw-tab[aria-selected=true]"), page.locator(".sw-tab[aria-selected=false]"))
    languages = page.locator(".sw-languages button")
    is_chosen(page, languages.and_(page.locator("[aria-pressed=true]")), page.locator("[data-sw-language=ko]"))
    page.get_by_role("button", name="Photo only").click()
    is_chosen(page, page.locator("[data-style=none][aria-pressed=true]"), page.locator("[data-style=smooth]"))
    page.locator("#sw-tab-box").click()
    page.locator(".sw-step").nth(3).click()
    number = page.locator(".sw-step[aria-current] .sw-step-number")
    is_chosen(page, number, page.locator(".sw-step:not([aria-current]) .sw-step-number"))
    is_chosen(page, page.locator(".sw-box-word[aria-pressed=true]"), page.locator(".sw-box-word[aria-pressed=false]"))
    page.locator("#sw-tab-relief").click()
    relief = ".sw-relief-word[aria-pressed={}]"
    is_chosen(page, page.locator(relief.format("true")), page.locator(relief.format("false")))


def test_pointing_is_told_apart_from_choosing(themed: Page) -> None:
    words = themed.locator(".sw-caption .sw-word")
    words.nth(0).click()
    words.nth(2).hover()
    assert style(words.nth(2), "outlineStyle") == "solid"
    assert style(words.nth(1), "outlineStyle") == "none"
    is_chosen(themed, themed.locator(".sw-caption .sw-word[aria-pressed=true]"), words.nth(2))


def test_words_that_differ_are_read_and_underlined(themed: Page) -> None:
    mark = themed.locator(".sw-alternative[aria-pressed=false] mark")
    assert style(mark, "color") == system(themed, "CanvasText")
    assert style(mark, "textDecorationLine") == "underline"
    themed.locator(".sw-alternative").nth(1).click()
    chosen = themed.locator(".sw-alternative[aria-pressed=true] mark")
    assert style(chosen, "color") == system(themed, "HighlightText")
    same, changed = (border_of(themed, kind) for kind in ("same", "changed"))
    assert (same, changed) == ("1px", "3px")


def border_of(page: Page, kind: str) -> str:
    """How thick the border of a pair of words is, of two photos side by side."""
    found: str = page.evaluate(
        """kind => {
            const node = document.createElement("button");
            node.className = `sw-pair sw-pair-${kind}`;
            document.querySelector(".sw-viewer").append(node);
            const { borderTopWidth } = getComputedStyle(node);
            node.remove();
            return borderTopWidth;
        }""",
        kind,
    )
    return found


def test_bars_and_tracks_are_there(themed: Page) -> None:
    page = themed
    accent, word = system(page, "Highlight"), page.locator(".sw-caption .sw-word[aria-pressed=false] .sw-word-share")
    assert style(word, "backgroundColor", "::after") == accent
    assert style(word, "backgroundColor", "::before") == system(page, "CanvasText")
    assert style(word, "height", "::after") > style(word, "height", "::before")
    for row in (".sw-rival", ".sw-alternative[aria-pressed=false]"):
        assert accent in style(page.locator(row), "backgroundImage")
        assert accent not in style(page.locator(row), "backgroundColor")
    ground = np.asarray(Image.new("RGB", (1, 1), system(page, "Canvas"))).astype(np.int16)
    for slider in page.locator(".sw-slider:visible").all():
        drawn = (np.abs(pixels(slider) - ground).sum(2) > 200).mean(1)  # of each row of pixels, what is not ground
        assert (drawn > 0.8).sum() >= 2  # the upper and the lower line of the track
    page.locator(".sw-stage").click(position={"x": 60, "y": 60})
    assert accent in style(page.locator(".sw-ask-row[aria-pressed=false]"), "backgroundImage")
    lit = page.locator(".sw-asked .sw-word[aria-pressed=false]")
    assert accent in style(lit, "backgroundImage")


def test_the_focus_ring_is_seen_on_what_is_chosen_too(themed: Page) -> None:
    page = themed
    page.locator(".sw-caption .sw-word").nth(0).click()
    page.keyboard.press("ArrowRight")
    word = page.locator(".sw-caption .sw-word").nth(1)
    assert style(word, "outlineColor") == system(page, "CanvasText")
    assert (style(word, "outlineStyle"), style(word, "outlineWidth")) == ("solid", "3px")
    page.locator(".sw-alternative").nth(0).focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert style(page.locator(".sw-alternative:focus"), "outlineColor") == system(page, "HighlightText")  # lies inside
    page.keyboard.press("Tab")
    ring = page.locator(".sw-alternative:focus")
    assert (style(ring, "outlineColor"), style(ring, "outlineStyle")) == (system(page, "Highlight"), "solid")


def test_every_text_of_every_panel_can_be_read(themed: Page) -> None:
    page = themed
    page.locator(".sw-alternative").nth(1).click()
    for panel in page.locator(".sw-tab").all():
        panel.click()
        assert page.evaluate(ILLEGIBLE) == [], panel.inner_text()
    page.locator("#sw-tab-tree").click()
    page.locator(".sw-branch").nth(1).click()  # the map of a branch, named on the photo
    expect(page.locator(".sw-glimpse-label")).to_be_visible()
    assert page.evaluate(ILLEGIBLE) == []
    page.locator("#sw-tab-compare").click()
    page.get_by_role("button", name="An example").click()
    page.locator(".sw-example-choice").first.click()
    page.locator(".sw-compare-go").click()
    page.locator(".sw-pair").first.wait_for()
    assert page.evaluate(ILLEGIBLE) == []
    page.get_by_role("button", name="Ask about the middle").click()
    assert page.evaluate(ILLEGIBLE) == []
    page.get_by_role("button", name="Point first").click()
    page.get_by_role("button", name="Show", exact=True).click()
    assert page.evaluate(ILLEGIBLE) == []
    page.get_by_role("button", name="Projector").click()
    page.keyboard.press("?")
    assert page.evaluate(ILLEGIBLE) == []


def test_colours_that_are_what_is_shown_stay(themed: Page) -> None:
    for shown in (".sw-bar", ".sw-picture", ".sw-tile-map"):
        drawn = pixels(themed.locator(shown)).reshape(-1, 3)
        assert (drawn.max(1) - drawn.min(1)).max() > 60, shown  # not grey
    assert style(themed.locator(".sw-bar"), "forcedColorAdjust") == "none"


def test_the_light_of_the_health_is_told_by_its_filling(themed: Page) -> None:
    light = themed.locator(".sw-health[data-state=good] .sw-light")
    light.wait_for()
    assert style(light, "backgroundColor") == system(themed, "CanvasText")
