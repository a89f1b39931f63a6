"""The panel "Watch it learn": the record that ships, what the page is sent, and the slider."""

from __future__ import annotations

import base64
import json
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from captioner.captioner import Captioner
from captioner.learning import Learning
from demo import text
from demo.examples import list_examples
from demo.learning import RECORD_FILE, learning_view
from demo.questions import Answerer
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch

MODEL = Path(__file__).parents[2] / "assets" / "saywhere.safetensors"


@pytest.fixture(scope="module")
def view() -> dict[str, Any]:
    return learning_view()


def test_the_record_that_ships_is_of_the_examples_and_ends_with_the_model_that_ships(view: dict[str, Any]) -> None:
    learning = Learning.load(RECORD_FILE)
    assert learning.photos == tuple(example.path.name for example in list_examples())
    assert learning.steps[0] == 0
    assert learning.steps[-1] > 300
    nats = [moment.nats for moment in learning.moments if moment.nats is not None]
    assert nats[0] > 2 * nats[-1]
    said = Captioner.load(MODEL, "cpu")
    assert learning.moments[-1].model == said.card.name
    assert set(learning.moments[-1].tellings[0].words) <= set(said.vocabulary.tokens)
    assert [photo["key"] for photo in view["photos"]] == [f"example_{example.path.stem}" for example in list_examples()]
    assert {photo["key"] for photo in view["photos"]} <= set(text.VIEWER)


def test_the_page_is_sent_every_map_of_the_record(view: dict[str, Any]) -> None:
    learning = Learning.load(RECORD_FILE)
    for place, photo in enumerate(view["photos"]):
        fractions = np.frombuffer(base64.b64decode(photo["maps"]["fractions"]), "<u2").reshape(-1, *learning.grid)
        sent = fractions / 65535 * photo["maps"]["peak"]
        for moment, shown in zip(learning.moments, view["moments"], strict=True):
            telling, words = moment.tellings[place], shown["tellings"][place]["words"]
            assert tuple(word["word"] for word in words) == telling.words
            maps = sent[[word["map"] for word in words]]
            np.testing.assert_allclose(maps, telling.attention, atol=photo["maps"]["peak"] / 65535)
            assert shown["tellings"][place]["cells"] == pytest.approx(telling.attention.max())
    assert len(json.dumps(view)) < 4_000_000


def test_it_is_there_before_the_model_is_and_for_all_at_once(tmp_path: Path) -> None:
    loaded = threading.Event()
    answerer = Answerer(lambda: cast(Captioner, loaded.wait(60) and ScriptedCaptioner()), tmp_path)
    assert answerer.answer({"kind": "learning"})["kind"] == "learning"
    loaded.set()


def test_without_a_record_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.questions.learning_view", lambda: learning_view(tmp_path / "none.json"))
    answerer = Answerer(lambda: cast(Captioner, ScriptedCaptioner()), tmp_path)
    assert answerer.answer({"kind": "learning"}) == {"kind": "problem", "message": text.NO_LEARNING}


def opened(page: Page) -> None:
    page.locator('.sw-tab[data-panel="learning"]').click()
    expect(page.locator(".sw-learning-range")).to_be_visible()


def caption_on(page: Page) -> str:
    return " ".join(page.locator(".sw-learning-words .sw-word-text").all_inner_texts())


def inked(page: Page) -> list[int]:
    """The picture of the map, as numbers."""
    numbers: list[int] = page.locator(".sw-learning-frame canvas").evaluate(
        "c => Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 97 === 0))"
    )
    return numbers


@pytest.mark.browser
@pytest.mark.filterwarnings(*[mark.args[0] for mark in GRADIO_WARNINGS])
def test_the_slider_goes_through_the_moments(desktop: tuple[Page, Watch], view: dict[str, Any]) -> None:
    page, _ = desktop
    opened(page)
    moments = view["moments"]

    def said(moment: int, photo: int) -> str:
        return " ".join(word["word"] for word in moments[moment]["tellings"][photo]["words"])

    assert caption_on(page) == said(-1, 0)
    expect(page.locator(".sw-learning-status")).to_contain_text(f"Finished: {moments[-1]['model']}")
    last = inked(page)
    assert len(set(last)) > 5
    slider = page.locator(".sw-learning-range")
    slider.press("Home")
    assert caption_on(page) == said(0, 0)
    expect(page.locator(".sw-learning-status")).to_contain_text("nothing learnt yet")
    expect(slider).to_have_attribute("aria-valuetext", "Step 0")
    assert inked(page) != last
    slider.press("ArrowRight")
    assert caption_on(page) == said(1, 0)
    page.locator(".sw-learning-pick").nth(1).click()
    assert caption_on(page) == said(1, 1)
    words = page.locator(".sw-learning-words .sw-word")
    words.first.focus()
    words.first.press("End")
    expect(words.last).to_have_attribute("aria-pressed", "true")
    expect(words.last).to_be_focused()
    page.locator(".sw-learning-all summary").click()
    page.locator(".sw-learning-go").nth(9).click()
    assert caption_on(page) == said(9, 1)
    expect(page.locator(".sw-learning-all .sw-on td")).to_contain_text(said(9, 1))
    page.locator(".sw-learning-curve").click(position={"x": 40, "y": 40})
    assert page.locator(".sw-learning-range").input_value() == "1"  # the first step with a loss


@pytest.mark.browser
@pytest.mark.filterwarnings(*[mark.args[0] for mark in GRADIO_WARNINGS])
def test_it_plays_from_the_start_and_can_be_stopped(phone: tuple[Page, Watch]) -> None:
    page, _ = phone
    opened(page)
    play = page.locator(".sw-learning-controls .sw-play")
    play.click()
    expect(play).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".sw-learning-range")).to_have_value("2", timeout=8000)
    play.click()
    expect(play).to_have_text(text.VIEWER["play"])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
