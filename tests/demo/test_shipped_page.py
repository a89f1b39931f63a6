"""The page with the model that ships, in a real browser: every card, panel and experiment, and not one sentence of
regret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Browser, Page, expect

from demo import text
from demo.probing import EXPERIMENTS
from shipped import close, example, example_files, plain, shipped
from visits import GRADIO_WARNINGS, serve, visit

SORRY = [text.UNANSWERED, text.UNEXPECTED, text.VIEWER["unreachable"], text.VIEWER["box_absent"]]
NEEDS_A_HAND = {"gaze", "erase"}  # something must be drawn first


@pytest.fixture(scope="module")
def address(gradio_folder: Path) -> Iterator[str]:
    yield from serve(shipped)


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """It opens with the recorded example."""
    for page, _ in visit(browser, address, 1280, 900):
        yield page


def give(page: Page, file: Path) -> None:
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-note").wait_for(state="detached")  # the recorded example has gone
    page.locator(".sw-photo[alt]").wait_for()


def walk(page: Page) -> int:
    """Go from card to card with the button; gives how many there are."""
    page.locator("#sw-tab-box").click()
    steps = page.locator(".sw-step")
    for place in range(steps.count()):
        expect(steps.nth(place)).to_have_attribute("aria-current", "step")
        page.locator(".sw-figure:not([aria-busy=true])").wait_for()
        expect(page.locator(".sw-figure-status")).to_have_text("")
        expect(page.locator(".sw-figure-problem")).to_have_count(0)
        assert page.locator(".sw-figure").inner_text() != ""
        check_no_regrets(page)
        if place < steps.count() - 1:
            page.get_by_role("button", name=text.VIEWER["box_next"]).click()
    return steps.count()


def check_no_regrets(page: Page) -> None:
    seen = page.locator("body").inner_text()
    assert [sentence for sentence in SORRY if sentence in seen] == []


@pytest.mark.browser
class TestPage:
    pytestmark = GRADIO_WARNINGS

    def test_every_card_of_the_recorded_example(self, page: Page) -> None:
        assert walk(page) >= 11

    def test_every_card_of_a_photo_and_of_its_last_word(self, page: Page) -> None:
        give(page, example_files()[1])
        walk(page)
        page.locator(".sw-step").nth(3).click()
        page.locator(".sw-box-word").last.click()
        expect(page.locator(".sw-box-word").last).to_have_attribute("aria-pressed", "true")
        page.locator(".sw-figure:not([aria-busy=true])").wait_for()
        words = page.locator(".sw-box-word").all_text_contents()
        expected = plain().look_inside(plain().encode([example(1)]), words[:-1])
        shown = page.locator(".sw-worked .sw-total td").last.inner_text().replace("−", "-")
        close(float(shown), expected.scores[int(expected.scores.argmax())], 0.02)
        page.locator(".sw-step").first.click()
        walk(page)

    def test_every_panel_opens(self, page: Page) -> None:
        give(page, example_files()[1])
        tabs = page.locator(".sw-tab")
        for place in range(tabs.count()):
            tabs.nth(place).click()
            expect(tabs.nth(place)).to_have_attribute("aria-selected", "true")
            expect(page.get_by_role("tabpanel").locator("visible=true").first).not_to_have_text("")
            check_no_regrets(page)

    def test_every_experiment_answers(self, page: Page) -> None:
        give(page, example_files()[1])
        page.locator("#sw-tab-probe").click()
        cards = page.locator("[data-probe]")
        names = {str(card.get_attribute("data-probe")) for card in cards.all()}
        assert names | {"boxes"} == set(EXPERIMENTS)  # boxes: of photos that have some
        for name in sorted(names - NEEDS_A_HAND):
            card = page.locator(f'[data-probe="{name}"]')
            card.locator(".sw-probe-go").click()
            expect(card.locator(".sw-verdict").first).to_have_text(re.compile(r"\w"))
            expect(card.locator(".sw-refusal")).to_have_text("")
        card = page.locator('[data-probe="erase"]')
        card.locator(".sw-probe-tools button").first.click()  # where the word looked
        card.locator(".sw-probe-go").click()
        expect(card.locator(".sw-verdict").first).to_have_text(re.compile(r"\w"))
        check_no_regrets(page)


class TestApi:
    pytestmark = GRADIO_WARNINGS

    def test_every_public_endpoint_answers(self, address: str, tmp_path: Path) -> None:
        client = Client(address, verbose=False, download_files=tmp_path)
        photo = handle_file(example_files()[1])
        asked: dict[str, dict[str, object]] = {"/caption": {"beam_width": 3}, "/probe": {"question": {"test": "seen"}}}
        assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == set(asked)
        caption = client.predict(photo=photo, **asked["/caption"], api_name="/caption")["captions"][0]
        words = [word["word"] for word in caption["words"]]
        again = plain().replay(shipped().encode([example(1)]), words)
        close([word["attention"] for word in caption["words"]], again.attention, 2e-4)
        assert client.predict(photo=photo, **asked["/probe"], api_name="/probe")["kind"] == "seen"
        client.close()
