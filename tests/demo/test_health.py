from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.errors import CheckpointError
from captioner.self_test import REASONS, SelfTest
from demo import text
from demo.health import Checkup, HealthView
from demo.questions import Answerer
from demo.scheduler import ModelTask
from visits import ScriptedCaptioner, Watch, serve, visit


class SickCaptioner(ScriptedCaptioner):
    """Scripted, but with two things wrong."""

    self_test = SelfTest(("black", "same_maps"), 0.0)


def wait_for(checkup: Checkup, state: str) -> HealthView:
    until = time.monotonic() + 60
    while checkup.view()["state"] != state:
        assert time.monotonic() < until, checkup.view()
        time.sleep(0.02)
    return checkup.view()


def test_a_real_model_is_tested_in_the_background_and_nobody_waits_for_it() -> None:
    ready = threading.Event()
    captioner = tiny_captioner()

    def find() -> Captioner:
        ready.wait(60)
        return captioner

    checkup = Checkup(find)
    assert checkup.view()["state"] == "loading"
    ready.set()
    state = "good" if captioner.self_test.healthy else "bad"
    assert wait_for(checkup, state) == {
        "kind": "health",
        "state": state,
        "findings": list(captioner.self_test.findings),
        "model": "tiny",
    }


def test_a_model_that_cannot_be_loaded_leaves_the_light_unknown() -> None:
    def find() -> Captioner:
        raise CheckpointError("no such file")

    assert wait_for(Checkup(find), "unknown")["findings"] == []


def test_the_question_is_answered_while_another_is_under_way(tmp_path: Path) -> None:
    answerer = Answerer(lambda: cast(Captioner, SickCaptioner()), tmp_path)
    free = threading.Event()
    answerer.scheduler.ask(ModelTask(lambda captioner: free.wait(60)))  # somebody else's question
    assert answerer.answer({"kind": "health"})["kind"] == "health"
    free.set()


def test_every_finding_has_its_words_in_every_language() -> None:
    for texts in text.read_languages().values():
        assert {f"health_{finding}" for finding in REASONS} <= set(texts)


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
class TestPage:
    def test_a_healthy_model_has_a_green_light_and_says_what_was_tried(self, desktop: tuple[Page, Watch]) -> None:
        page, _ = desktop
        light = page.locator(".sw-health")
        expect(light).to_have_attribute("data-state", "good")
        expect(light).to_contain_text("Attention health: good.")
        expect(light).to_contain_text("three test photos")
        expect(page.locator(".sw-sick")).to_be_hidden()

    def test_a_sick_model_says_why_by_the_light_and_above_the_caption(
        self, browser: Browser, gradio_folder: Path
    ) -> None:
        for address in serve(lambda: cast(Captioner, SickCaptioner())):
            for page, _ in visit(browser, address, 390, 844):
                expect(page.locator(".sw-health")).to_have_attribute("data-state", "bad")
                for place in (".sw-health", ".sw-sick"):
                    expect(page.locator(place)).to_contain_text("Attention health: poor.")
                    expect(page.locator(place)).to_contain_text("nearly the same pixels whatever the photo")
                    expect(page.locator(place)).to_contain_text("Every word of a caption has the same map.")
                page.get_by_role("button", name="한국어").click()
                expect(page.locator(".sw-sick")).to_contain_text("주의 지도 상태: 나쁨.")
                assert fits(page)

    def test_while_the_model_loads_the_light_says_so_and_then_turns(
        self, browser: Browser, gradio_folder: Path
    ) -> None:
        ready = threading.Event()

        def find() -> Captioner:
            ready.wait(60)
            return cast(Captioner, ScriptedCaptioner())

        for address in serve(find):
            for page, _ in visit(browser, address, 1280, 900):
                expect(page.locator(".sw-health")).to_have_text("Attention health: the model is still loading.")
                ready.set()
                expect(page.locator(".sw-health")).to_have_attribute("data-state", "good", timeout=20_000)

    def test_a_photo_waits_for_a_model_that_still_loads_and_is_told_so(
        self, browser: Browser, gradio_folder: Path
    ) -> None:
        ready, texts = threading.Event(), text.read_languages()

        def find() -> Captioner:
            ready.wait(60)
            return cast(Captioner, ScriptedCaptioner())

        for address in serve(find):
            for page, _ in visit(browser, address, 1280, 900):
                viewer = page.locator(".sw-viewer")
                expect(viewer).to_have_attribute("data-kind", "recorded")
                file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes(photo())}
                page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
                said = page.locator(".sw-errand-words")
                for language, name in (("en", "English"), ("ko", "한국어")):
                    page.get_by_role("button", name=name).click()
                    expect(said).to_contain_text(texts[language]["errand_loading"], timeout=20_000)
                    expect(said).to_contain_text(texts[language]["errand_loading_more"])
                ready.set()
                expect(viewer).to_have_attribute("data-kind", "result", timeout=20_000)


def fits(page: Page) -> Any:
    """Whether nothing makes the page scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
