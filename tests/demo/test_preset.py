"""How is searched: the preset in the page's settings, for the photo on show and for those to come."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Page, expect

from builders import photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.errors import SearchError
from captioner.search_options import PRESETS
from demo import text
from demo.callbacks import read_preset, view_photo
from demo.questions import Answerer
from demo.scheduler import Scheduler
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch

SENTENCE = "Expected a preset out of saywhere, tutorial."


@pytest.fixture
def upload(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "photo.png").write_bytes(photo_bytes())
    return {"path": str(tmp_path / "photo.png")}


@pytest.mark.parametrize("value", ["Tutorial", "beam", 3, ["tutorial"], {"name": "tutorial"}, True])
def test_another_preset_is_one_sentence(value: object) -> None:
    with pytest.raises(SearchError, match=SENTENCE):
        read_preset(value)


def test_no_preset_is_the_default() -> None:
    assert [read_preset(value) for value in (None, "", "saywhere", "tutorial")] == [
        "saywhere",
        "saywhere",
        "saywhere",
        "tutorial",
    ]


def test_the_preset_reaches_the_search_of_a_photo(tmp_path: Path, upload: dict[str, Any]) -> None:
    captioner = tiny_captioner()
    views = {name: view_photo(Scheduler(lambda: captioner), tmp_path, {**upload, "preset": name}) for name in PRESETS}
    for name, view in views.items():
        assert view["kind"] == "result"
        assert view["preset"] == name
        assert view["normalisation"] == PRESETS[name].length_normalisation
    wrong = view_photo(Scheduler(lambda: captioner), tmp_path, {**upload, "preset": "nonsense"})
    assert wrong == {"kind": "problem", "message": SENTENCE}


@pytest.mark.parametrize("kind", ["describe", "continue", "example"])
def test_questions_take_a_preset(kind: str, tmp_path: Path, upload: dict[str, Any]) -> None:
    answerer = Answerer(lambda: cast(Captioner, ScriptedCaptioner()), tmp_path)
    question = {"kind": kind, "photo": upload, "words": [], "index": 0}
    answer = answerer.answer({**question, "preset": "tutorial"})
    assert answer["preset"] == "tutorial"
    assert answer["captions"][0]["text"] == "a <unk> dog"
    assert answerer.answer(question)["captions"][0]["text"] == "a red dog"
    assert answerer.answer({**question, "preset": 7}) == {"kind": "problem", "message": SENTENCE}


def test_every_preset_has_its_words_in_every_language() -> None:
    for texts in text.read_languages().values():
        for name in PRESETS:
            assert {f"preset_{name}", f"preset_{name}_help"} <= set(texts)


@pytest.mark.browser
class TestPage:
    pytestmark = GRADIO_WARNINGS

    def give(self, page: Page, name: str) -> None:
        box = page.locator("#sw-photo-input input[type=file]").first
        box.set_input_files({"name": name, "mimeType": "image/png", "buffer": photo_bytes()})

    def test_another_preset_searches_anew_and_holds_for_the_next_photo(self, desktop: tuple[Page, Watch]) -> None:
        page, _ = desktop
        self.give(page, "one.png")
        expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()
        first = page.locator(".sw-alternative-text").first
        expect(first).to_have_text("a red dog")
        pick = page.get_by_role("combobox", name="Search")
        pick.select_option("tutorial")
        expect(first).to_have_text("a <unk> dog")
        expect(pick).to_have_value("tutorial")
        expect(pick).to_be_focused()
        expect(page.locator(".sw-power")).to_have_text("0.0")
        page.locator("#sw-photo-input button[aria-label='Remove Image']").click()
        self.give(page, "two.png")
        expect(first).to_have_text("a <unk> dog")
        page.get_by_role("combobox", name="Search").select_option("saywhere")
        expect(first).to_have_text("a red dog")
        expect(page.locator(".sw-power")).to_have_text("0.7")

    def test_without_an_answer_it_says_so_and_stays_as_it_was(self, desktop: tuple[Page, Watch]) -> None:
        page, watch = desktop
        self.give(page, "one.png")
        expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()
        page.route("**/component_server/**", lambda route: route.abort())
        pick = page.get_by_role("combobox", name="Search")
        pick.select_option("tutorial")
        expect(page.locator(".sw-forcing-problem")).to_be_visible()
        expect(pick).to_have_value("saywhere")
        expect(page.locator(".sw-alternative-text").first).to_have_text("a red dog")
        watch.errors.clear()  # the browser's own line about the request that failed
