"""The page on paper: what is read is printed, what is pressed is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from builders import photo_bytes
from demo import text
from visits import GRADIO_WARNINGS, RED_DOG, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

PAPER = {"width": 794, "height": 1123}  # A4 in CSS pixels
CONTENT = ".sw-word, .sw-tile, .sw-alternative"  # buttons on the screen; on paper they are what there is to read
CONTROLS = """content => {
    const kinds = "button, input, select, textarea, summary, a, progress, [role=tab], [role=slider]";
    const seen = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getClientRects().length;
    const controls = [...document.querySelectorAll(kinds)].filter((node) => !node.matches(content) && seen(node));
    return controls.map((node) => node.outerHTML.slice(0, 120));
}"""


@pytest.fixture(params=["light", "dark"])
def printed(request: pytest.FixtureRequest, browser: Browser, scripted_address: str) -> Iterator[Page]:
    """A page with a result, as it is printed while another panel lies open, in light and in dark mode."""
    for page, _ in visit(browser, f"{scripted_address}/?__theme={request.param}", 1280, 900):
        page.locator("#sw-photo-input input[type=file]").first.set_input_files(
            {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
        )
        page.locator(".sw-viewer[data-kind=result] .sw-caption").wait_for()
        page.locator("#sw-tab-tree").click()
        page.locator(".sw-health[data-state=good]").wait_for()
        yield page


def on_paper(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size(PAPER)  # type: ignore[arg-type]


def prints_the_result(page: Page) -> None:
    assert page.evaluate(CONTROLS, CONTENT) == []
    for seen in (".sw-stage .sw-photo", ".sw-stage .sw-map", ".sw-scale", ".sw-model p"):
        expect(page.locator(seen).first).to_be_visible()
    assert page.locator(".sw-caption .sw-word-text:visible").all_text_contents() == list(RED_DOG)
    assert page.locator(".sw-tile-word:visible").all_text_contents() == list(RED_DOG)
    assert page.locator(".sw-tile-map:visible").count() == len(RED_DOG)
    expect(page.locator(".sw-claim")).to_contain_text(text.VIEWER["claim"])
    expect(page.get_by_text(text.VIEWER["alternatives"], exact=True)).to_be_visible()
    found = page.locator(".sw-alternative:visible").all()
    assert len(found) == 3
    for unseen in (".sw-health", ".sw-ask", ".sw-tree-panel", ".sw-numbers", ".sw-rivals", ".sw-ticks", ".sw-tabs"):
        assert page.locator(f"{unseen}:visible").count() == 0, unseen
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]


def test_the_result_is_printed_without_controls(printed: Page) -> None:
    on_paper(printed)
    prints_the_result(printed)
    for unseen in ("#sw-photo-input", ".sw-examples", ".sw-join", ".sw-languages"):
        expect(printed.locator(unseen)).to_be_hidden()
    expect(printed.locator("footer:not(.sw-model)")).to_be_hidden()  # Gradio's


def test_paper_is_white_in_dark_mode_too(printed: Page) -> None:
    on_paper(printed)
    for ground in ("body", ".gradio-container"):
        expect(printed.locator(ground)).to_have_css("background-color", "rgb(255, 255, 255)")
    expect(printed.locator(".sw-claim")).to_have_css("color", "rgb(51, 51, 51)")
    expect(printed.locator(".sw-word-text").first).to_have_css("color", "rgb(0, 0, 0)")
    expect(printed.locator(".sw-viewer")).to_have_css("print-color-adjust", "exact")  # bars are printed


def test_the_print_has_at_most_two_pages(printed: Page, tmp_path: Path) -> None:
    printed.pdf(path=tmp_path / "result.pdf", format="A4")
    pages = re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "result.pdf").read_bytes())
    assert 1 <= len(pages) <= 2


def test_a_saved_page_is_printed_alike(printed: Page, browser: Browser, tmp_path: Path) -> None:
    printed.locator("#sw-tab-takeaway").click()
    with printed.expect_download() as taking:
        printed.locator("[data-take=html]").click()
    taking.value.save_as(tmp_path / "saved.html")
    alone = browser.new_page()
    alone.goto((tmp_path / "saved.html").as_uri())
    alone.locator(".sw-caption").wait_for()
    on_paper(alone)
    prints_the_result(alone)
    alone.close()
