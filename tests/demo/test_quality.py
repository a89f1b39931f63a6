"""What a visitor never names and always feels: no barrier, no jump, no flood of data. Speed is not tested but measured,
by tests/picture_page.py."""

from __future__ import annotations

import json

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page

from builders import photo, photo_bytes
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.description import Description
from captioner.photo import open_photo
from demo.examples import list_examples
from demo.view import build_view
from visits import GRADIO_WARNINGS, Watch, visit

pytestmark = GRADIO_WARNINGS

Visit = tuple[Page, Watch]
MOST_BYTES = 1_500_000  # of the data for one photo at ten widths
OURS = ".sw-viewer, .sw-masthead, .sw-examples, .sw-privacy"
# Findings in Gradio's own parts, and why they are left to it.
GRADIO_OWN = {
    "button-name": "the photo box's upload area and its small buttons carry no name",
    "color-contrast": "Gradio's footer and the placeholder of the photo box",
    "nested-interactive": "the photo box is a button around a file input",
    "label": "the file input of the photo box",
    "aria-allowed-attr": "attributes of Gradio's upload button",
    "landmark-one-main": "Gradio nests its own main",
}


@pytest.fixture(scope="module")
def default_captioner() -> Captioner:
    return Captioner.load(default_checkpoint(), "cpu")


def give(page: Page, content: bytes) -> None:
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": content}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer[data-kind=result]").wait_for()


def findings(page: Page, inside: str | None) -> list[tuple[str, str]]:
    """Serious and critical findings of axe-core as (rule, first target)."""
    context = {"include": [[part] for part in inside.split(", ")]} if inside else None
    found = Axe().run(page, context=context).response["violations"]
    return [
        (item["id"], str(item["nodes"][0]["target"][0])) for item in found if item["impact"] in ("serious", "critical")
    ]


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_of_ours_stands_in_anybodys_way(browser: Browser, scripted_address: str, theme: str) -> None:
    for page, _ in visit(browser, f"{scripted_address}/?__theme={theme}", 1280, 900):
        give(page, photo_bytes())
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_timeout(200)
            assert findings(page, OURS) == [], tab.inner_text()


@pytest.mark.browser
def test_what_stands_in_the_way_elsewhere_is_gradios_and_known(desktop: Visit) -> None:
    page, _ = desktop
    give(page, photo_bytes())
    assert {rule for rule, _ in findings(page, None)} <= GRADIO_OWN.keys()


@pytest.mark.browser
def test_nothing_jumps_when_the_result_arrives(desktop: Visit) -> None:
    page, _ = desktop
    page.evaluate(
        """() => {
            window.shifts = [];
            const watch = (list) => window.shifts.push(...list.getEntries().map((entry) => entry.value));
            new PerformanceObserver(watch).observe({ type: "layout-shift", buffered: false });
        }"""
    )
    give(page, photo_bytes())
    page.wait_for_timeout(700)
    assert sum(page.evaluate("window.shifts")) < 0.05


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(360, 740), (640, 450), (1024, 768)])  # 640 x 450: 1280 x 900 at 200 %
def test_no_window_is_too_small(browser: Browser, scripted_address: str, width: int, height: int) -> None:
    for page, _ in visit(browser, scripted_address, width, height):
        give(page, photo_bytes())
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_timeout(200)
            assert page.evaluate("document.documentElement.scrollWidth") == width, tab.inner_text()


def test_ten_widths_of_a_large_noisy_photo_are_little_data(default_captioner: Captioner) -> None:
    random = np.random.default_rng(0)
    noisy = Image.fromarray(random.integers(0, 256, (1500, 2000, 3), dtype=np.uint8))
    for shown in (noisy, open_photo(list_examples()[0].path)):
        view = build_view(default_captioner.describe(shown), shown, "on nothing")
        assert len(view["ranking"]) == 10
        assert len(json.dumps(view)) < MOST_BYTES


def test_the_recorded_example_is_what_the_default_model_says(default_captioner: Captioner) -> None:
    recorded = [example.path for example in list_examples() if example.path.with_suffix(".json").exists()]
    assert len(recorded) == 1
    record = Description.load(recorded[0].with_suffix(".json"))
    now = default_captioner.describe(open_photo(recorded[0]))
    assert record.widths == now.widths
    for width in record.widths:
        for then, found in zip(record.at_width(width), now.at_width(width), strict=True):
            assert then.words == found.words
            assert then.score == pytest.approx(found.score, abs=1e-3)
            np.testing.assert_allclose(then.attention, found.attention, atol=1e-3)


@pytest.mark.browser
def test_a_photo_taken_away_while_it_is_captioned_leaves_an_empty_page(desktop: Visit) -> None:
    page, _ = desktop
    give(page, photo_bytes())
    file: FilePayload = {"name": "next.png", "mimeType": "image/png", "buffer": photo_bytes(photo(40, 30))}
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator(".sw-empty").wait_for()
    page.wait_for_timeout(1000)
    assert page.locator(".sw-caption").count() == 0
