"""A stretched grid on the page: it is said, and the cells that the network computed can be seen. The scripted grid is
2 x 3 cells stretched to 4 x 6."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from builders import description, photo, photo_bytes
from captioner.stretch import unstretch
from demo.view import build_view
from visits import GRADIO_WARNINGS, Watch

COLOURS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
}"""


def test_a_stretched_grid_brings_the_matrices_of_its_true_cells_and_the_top_of_their_scale() -> None:
    given = replace(description(height=4, width=6), native=(2, 3))
    view = build_view(given, photo(), "")
    assert view["native_cells"] is not None
    assert view["captions"][0]["native"] == pytest.approx(
        float(unstretch(given.captions[0].attention, (2, 3)).max()), rel=1e-6
    )


def test_a_grid_that_is_not_stretched_has_no_other_cells() -> None:
    view = build_view(description(), photo(), "")
    assert view["native_cells"] is None
    caption = view["captions"][0]
    assert caption["native"] == pytest.approx(caption["cells"])


@pytest.mark.browser
class TestPage:
    pytestmark = GRADIO_WARNINGS

    def test_the_true_cells_can_be_seen_and_the_page_says_what_is_stretched(self, desktop: tuple[Page, Watch]) -> None:
        page, _ = desktop
        box = page.locator("#sw-photo-input input[type=file]").first
        box.set_input_files({"name": "one.png", "mimeType": "image/png", "buffer": photo_bytes(photo(600, 400))})
        expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()
        claim, layer = page.locator(".sw-claim"), page.locator(".sw-map")
        stretched = "The network computed 2 × 3 cells; they are shown stretched to 4 × 6."
        expect(claim).to_contain_text(stretched)
        page.get_by_role("button", name="Raw cells").click()
        expect(claim).to_contain_text(stretched)
        raw = layer.evaluate(COLOURS)
        page.get_by_role("button", name="True cells").click()
        expect(claim).to_contain_text("These are the 2 × 3 cells the network computed")
        expect(claim).not_to_contain_text("stretched to")
        expect(page.locator(".sw-even")).to_contain_text("17 %")  # one of six
        true = layer.evaluate(COLOURS)
        assert 1 < true <= 6 < raw <= 24
        page.locator(".sw-blend").fill("1")
        expect(page.get_by_role("button", name="Smoothed")).to_have_attribute("aria-pressed", "true")

    def test_another_result_keeps_the_way_of_drawing(self, desktop: tuple[Page, Watch]) -> None:
        page, _ = desktop
        box = page.locator("#sw-photo-input input[type=file]").first
        box.set_input_files({"name": "one.png", "mimeType": "image/png", "buffer": photo_bytes()})
        expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()
        page.get_by_role("button", name="True cells").click()
        page.locator(".sw-rivals .sw-force").nth(1).click()
        expect(page.locator(".sw-given")).to_be_visible()
        expect(page.get_by_role("button", name="True cells")).to_have_attribute("aria-pressed", "true")
        assert 1 < page.locator(".sw-map").evaluate(COLOURS) <= 6
