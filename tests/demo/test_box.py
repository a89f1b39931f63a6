"""From photo to word: what the server answers, and a visitor who walks through the cards in a real browser."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.photo import prepare_photo
from demo import text
from demo.box import cell_middles
from demo.questions import Answerer
from demo.scripts import viewer_script
from demo.view import build_view
from visits import GRADIO_WARNINGS, Watch, visit

Visit = tuple[Page, Watch]
ADDRESS = "data:image/png;base64," + base64.b64encode(photo_bytes()).decode("ascii")
MOST_BYTES = 200_000  # of one answer
CARDS = 11
SIDE = 4  # of the tiny model's grid


@cache
def model() -> Captioner:
    """The page's model once more; made once, since making one seeds torch for every thread."""
    return tiny_captioner()


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return model()


@pytest.fixture(scope="module")
def answerer(captioner: Captioner, tmp_path_factory: pytest.TempPathFactory) -> Answerer:
    return Answerer(lambda: captioner, tmp_path_factory.mktemp("uploads"))


def ask(answerer: Answerer, **question: object) -> dict[str, Any]:
    return dict(answerer.answer({"photo": {"url": ADDRESS}, **question}))


class TestAnswers:
    def test_the_numbers_sent_are_those_of_the_step(self, answerer: Answerer, captioner: Captioner) -> None:
        answer = ask(answerer, kind="inside", words=["a", "red"], word="dog")
        replayed = captioner.replay(captioner.encode([photo()]), ["a", "red", "dog"])
        score, words = answer["score"], answer["words"]
        assert np.allclose(score["shares"], replayed.attention[2].ravel(), rtol=1e-3)
        assert words["words"][words["chosen"]] == "dog"
        assert math.log(words["probabilities"][words["chosen"]]) == pytest.approx(replayed.log_probs[2], abs=1e-3)
        assert answer["context"]["gate_mean"] == pytest.approx(replayed.gate[2], abs=1e-3)
        assert answer["previous"] == "red"

    def test_what_a_card_adds_up_adds_up(self, answerer: Answerer, captioner: Captioner) -> None:
        answer = ask(answerer, kind="inside", words=[], word="a")
        score, context, lstm, words = (answer[name] for name in ("score", "context", "lstm", "words"))
        inside = captioner.look_inside(captioner.encode([photo()]))
        for cell in (0, 5, 15):
            shown = score["dimensions"][cell]
            opened = np.maximum(0, np.array(score["encoder"][cell]) + np.array(score["decoder"])[shown])
            assert (np.array(score["weights"])[shown] * opened).sum() == pytest.approx(
                inside.products(cell)[shown].sum(), abs=1e-3
            )
        raised = np.exp(np.array(score["scores"]) - max(score["scores"]))
        assert np.allclose(raised / raised.sum(), score["shares"], atol=1e-3)  # scores have few digits
        assert np.allclose(np.array(context["annotations"]) @ score["shares"], context["context"], atol=1e-3)
        assert np.allclose(np.array(context["gate"]) * context["context"], context["gated"], atol=1e-3)
        assert sum(context["gate_bars"]) == answer["sizes"]["annotation"]
        new = np.array(lstm["forget"]) * lstm["cell_before"] + np.array(lstm["let_in"]) * lstm["candidate"]
        assert np.allclose(new, lstm["cell"], atol=1e-3)
        logits = sum(np.array(part) for part in words["parts"].values()) + words["bias"]
        assert np.allclose(logits, words["logits"], atol=1e-3)
        assert np.allclose(np.exp(np.array(words["logits"]) - words["log_total"]), words["probabilities"], atol=1e-3)

    def test_an_unlikely_word_and_the_end_are_shown_too(self, answerer: Answerer, captioner: Captioner) -> None:
        inside = captioner.look_inside(captioner.encode([photo()]))
        last = captioner.vocabulary.tokens[int(inside.logits[4:].argmin()) + 4]
        for word in (last, ""):
            words = ask(answerer, kind="inside", words=[], word=word)["words"]
            assert words["words"][words["chosen"]] == word
            assert len(words["words"]) == 6

    def test_the_stages_are_small_enough_and_can_be_drawn(self, answerer: Answerer) -> None:
        answer = ask(answerer, kind="stages")
        assert len(json.dumps(answer)) < MOST_BYTES
        assert len(json.dumps(ask(answerer, kind="inside", words=["a"], word="dog"))) < MOST_BYTES
        assert [stage["place"] for stage in answer["stages"]][-1] == answer["stages"][0]["places"]
        for stage in answer["stages"]:
            rows, columns = stage["shown"]
            levels = np.frombuffer(base64.b64decode(stage["maps"]), np.uint8).reshape(-1, rows, columns)
            assert len(levels) == len(stage["channels"]) == len(stage["lows"]) == 8
            assert stage["strengths"] == sorted(stage["strengths"], reverse=True)
            assert stage["height"] // rows == stage["width"] // columns >= 1
            assert all(map(np.less_equal, stage["lows"], stage["highs"]))
        assert answer["grid"] == (SIDE, SIDE)

    def test_the_middles_are_pixels_of_the_squashed_photo(self, answerer: Answerer, captioner: Captioner) -> None:
        answer = ask(answerer, kind="stages")
        middles = np.frombuffer(base64.b64decode(answer["middles"]), np.uint8).reshape(SIDE, SIDE, 3)
        pixels = prepare_photo(photo(), captioner.photo_settings).numpy()  # (3, 64, 64)
        said = (middles[1, 2] / 255 - np.array(answer["mean"])) / np.array(answer["deviation"])
        assert np.allclose(said, pixels[:, 24, 40], atol=1e-6)

    def test_middles_on_a_grid_that_is_not_square(self) -> None:
        pixels = np.zeros((6, 6, 3), np.uint8)
        pixels[..., 0] = np.arange(6)[:, None]
        pixels[..., 1] = np.arange(6)
        assert cell_middles(pixels, 2, 3)[:, :2].tolist() == [[1, 1], [1, 3], [1, 5], [4, 1], [4, 3], [4, 5]]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"words": "a"},
            {"words": [1]},
            {"words": ["a"] * 101},
            {"words": None},
            {"words": [], "word": 3},
            {"words": [], "word": "zebra"},
        ],
    )
    def test_what_is_no_question_is_refused(self, answerer: Answerer, wrong: dict[str, object]) -> None:
        assert ask(answerer, kind="inside", **wrong) == {"kind": "problem", "message": text.UNKNOWN_QUESTION}

    def test_an_unknown_word_and_a_missing_photo_are_sentences(self, answerer: Answerer) -> None:
        told = ask(answerer, kind="inside", words=["zebra"], word="a")
        assert told["kind"] == "problem"
        assert "'zebra' is not a word this model knows" in told["message"]
        for kind in ("inside", "stages"):
            assert ask(answerer, kind=kind, words=[], photo=None)["message"] == text.NO_PHOTO
            gone = ask(answerer, kind=kind, words=[], photo={"path": "/etc/hostname"})["message"]
            assert gone == text.PHOTO_GONE


def give(page: Page) -> None:
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-photo[alt]").wait_for()
    page.locator(".sw-note").wait_for(state="detached")  # the recorded example has gone


@pytest.fixture
def desktop(browser: Browser, tiny_address: str) -> Iterator[Visit]:
    """The cards of a photo on a page with a real model of random weights."""
    model()
    for page, watch in visit(browser, tiny_address, 1280, 900):
        give(page)
        page.locator("#sw-tab-box").click()
        ready(page)
        yield page, watch


def ready(page: Page) -> None:
    page.locator(".sw-figure:not([aria-busy=true])").wait_for()


def step(page: Page, place: int, card: str) -> None:
    page.locator(".sw-step").nth(place).click()
    expect(page.locator(".sw-box-card")).to_have_attribute("data-card", card)
    ready(page)


def asked(watch: Watch) -> int:
    return sum("component_server" in url for url in watch.posts)


def said(page: Page, key: str) -> Locator:
    return page.locator(".sw-box-card").get_by_text(text.VIEWER[key], exact=True)


def numbers_of(page: Page) -> dict[str, Any]:
    """What Python says of the word chosen on the page."""
    chosen = int(page.locator(".sw-box-word[aria-pressed=true]").get_attribute("data-index") or 0)
    words = page.locator(".sw-box-word").all_text_contents()
    answerer = Answerer(model, Path())
    return ask(answerer, kind="inside", words=words[:chosen], word=words[chosen])


def brief(value: float) -> str:
    """As the page writes numbers from 0.0005 up."""
    size = abs(value)
    return f"{value:.{1 if size >= 100 else 2 if size >= 10 else 3}f}".replace("-", "−")


@pytest.mark.browser
class TestCards:
    pytestmark = GRADIO_WARNINGS

    def test_one_cell_worked_out_is_what_python_works_out(self, desktop: Visit) -> None:
        page, _ = desktop
        step(page, 3, "score")
        score = numbers_of(page)["score"]
        cell = int(np.argmax(score["shares"]))
        name = f"row {cell // SIDE + 1}, column {cell % SIDE + 1}"
        expect(page.locator(".sw-cellpick-line span")).to_contain_text(name)
        expect(page.locator(".sw-worked .sw-total td").last).to_have_text(brief(score["scores"][cell]))
        first = page.locator(".sw-worked tbody tr").first.locator("th, td").all_text_contents()
        dimension = score["dimensions"][cell][0]
        encoder, decoder, weight = score["encoder"][cell][0], score["decoder"][dimension], score["weights"][dimension]
        opened = max(0.0, encoder + decoder)
        assert first == [str(dimension), *map(brief, (encoder, decoder, opened, weight, weight * opened))]

    def test_another_cell_needs_no_new_question_and_is_ticked(self, desktop: Visit) -> None:
        page, watch = desktop
        step(page, 3, "score")
        score, before = numbers_of(page)["score"], asked(watch)
        expect(page.locator(".sw-deed.sw-did")).to_have_count(0)
        picker = page.locator(".sw-cellpick")
        box = picker.bounding_box()
        assert box is not None
        picker.click(position={"x": box["width"] * 0.9, "y": box["height"] * 0.1})
        expect(page.locator(".sw-worked .sw-total td").last).to_have_text(brief(score["scores"][3]))
        expect(said(page, "box_score_done")).to_be_visible()
        expect(page.locator(".sw-step-done")).to_have_count(1)
        outline = page.locator(".sw-picture > .sw-box-cell").evaluate(
            "node => node.style.getPropertyValue('--sw-left')"
        )
        assert outline == "75%"
        picker.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        expect(page.locator(".sw-cellpick")).to_be_focused()
        expect(page.locator(".sw-cellpick")).to_have_attribute("aria-valuenow", "7")
        expect(page.locator(".sw-worked .sw-total td").last).to_have_text(brief(score["scores"][6]))
        page.get_by_role("button", name=text.VIEWER["box_strongest"]).click()
        expect(page.locator(".sw-cellpick")).to_have_attribute(
            "aria-valuenow", str(int(np.argmax(score["shares"])) + 1)
        )
        assert asked(watch) == before

    def test_a_word_is_asked_for_once(self, desktop: Visit) -> None:
        page, watch = desktop
        step(page, 4, "share")
        words = page.locator(".sw-box-word")
        first = int(page.locator(".sw-box-word[aria-pressed=true]").get_attribute("data-index") or 0)
        other = (first + 1) % words.count()
        before = asked(watch)
        words.nth(other).click()
        ready(page)
        expect(said(page, "box_share_done")).to_be_visible()
        assert asked(watch) == before + 1
        shares = numbers_of(page)["score"]["shares"]
        expect(page.locator(".sw-working .sw-equation").nth(2)).to_contain_text(f"{100 * max(shares):.0f}")
        words.nth(first).click()
        ready(page)
        step(page, 3, "score")
        assert asked(watch) == before + 1

    def test_the_road_is_walked_by_keyboard(self, desktop: Visit) -> None:
        page, _ = desktop
        steps = page.locator(".sw-step")
        assert steps.count() == CARDS
        steps.first.focus()
        seen = []
        for key in ("ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home"):
            page.keyboard.press(key)
            seen.append(page.locator(".sw-step[aria-current=step]").get_attribute("data-place"))
        assert seen == ["1", "2", "10", "10", "9", "0"]
        expect(steps.first).to_be_focused()
        expect(page.get_by_role("button", name=text.VIEWER["box_previous"])).to_be_disabled()
        page.get_by_role("button", name=text.VIEWER["box_next"]).click()
        expect(page.locator(".sw-box-card-title")).to_be_focused()
        expect(page.locator(".sw-box-card-title")).to_have_text(text.VIEWER["box_stages_title"])

    def test_every_card_says_does_and_asks(self, desktop: Visit) -> None:
        page, _ = desktop
        for place in range(CARDS):
            page.locator(".sw-step").nth(place).click()
            ready(page)
            name = page.locator(".sw-box-card").get_attribute("data-card")
            for part in ("title", "text", "do", "ask"):
                expect(said(page, f"box_{name}_{part}")).to_be_visible()
            expect(said(page, f"box_{name}_answer")).to_be_hidden()
            page.locator(".sw-question summary").click()
            expect(said(page, f"box_{name}_answer")).to_be_visible()
            expect(page.locator(".sw-figure-status")).to_have_text("")
            assert page.locator(".sw-figure").inner_text() != ""
            assert page.locator(".sw-lit").count() >= 1

    def test_the_stages_are_drawn_as_the_encoder_gave_them(self, desktop: Visit) -> None:
        page, _ = desktop
        step(page, 1, "stages")
        stages = ask(Answerer(model, Path()), kind="stages")["stages"]
        rows = page.locator(".sw-stage-row")
        assert rows.count() == len(stages)
        for row, stage in ((rows.first, stages[0]), (rows.last, stages[-1])):
            expect(row).to_contain_text(f"{stage['height']} × {stage['width']} · {stage['total']} channels")
            expect(row.locator(".sw-feature").first).to_contain_text(str(stage["channels"][0]))
            drawn = (
                row.locator("canvas")
                .nth(1)
                .evaluate(
                    """canvas => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
                    .filter((_, place) => place % 4 === 0)"""
                )
            )
            levels = base64.b64decode(stage["maps"])
            assert drawn == list(levels[len(drawn) : 2 * len(drawn)])
        rows.first.locator(".sw-feature").nth(2).click()
        expect(page.locator(".sw-deed.sw-did")).to_have_count(0)
        rows.last.locator(".sw-feature").nth(2).click()
        expect(said(page, "box_stages_done")).to_be_visible()
        expect(page.locator(".sw-enlarged")).to_contain_text(f"channel {stages[-1]['channels'][2]}")

    def test_deeds_on_the_rest_of_the_page_are_noticed(self, desktop: Visit) -> None:
        page, _ = desktop
        step(page, 2, "grid")
        page.locator(".sw-styles [data-style=cells]").click()
        expect(said(page, "box_grid_done")).to_be_visible()
        step(page, 9, "beam")
        slider = page.get_by_role("slider", name="Beam width")
        slider.focus()
        page.keyboard.press("Home")
        expect(said(page, "box_beam_done")).to_be_visible()
        expect(page.locator(".sw-figure")).to_contain_text("beam width 1")
        step(page, 10, "again")
        expect(page.locator(".sw-deed.sw-did")).to_have_count(0)
        page.locator(".sw-play").click()
        expect(said(page, "box_again_done")).to_be_visible()
        expect(page.locator(".sw-step-done")).to_have_count(3)

    def test_words_are_sought_by_their_gate_their_place_and_their_probability(self, desktop: Visit) -> None:
        page, _ = desktop
        words = page.locator(".sw-box-word")
        for place, card in ((6, "gate"), (7, "memory"), (8, "words")):
            step(page, place, card)
            for word in range(words.count()):
                words.nth(word).click()
                ready(page)
            words.first.click()
            ready(page)
            expect(said(page, f"box_{card}_done")).to_be_visible()
        shown = page.locator(".sw-worked .sw-total").locator("th, td").all_text_contents()
        numbers = numbers_of(page)["words"]
        assert shown[0] == numbers["words"][numbers["chosen"]]
        assert shown[-2] == brief(numbers["logits"][numbers["chosen"]])

    def test_another_channel_of_the_context(self, desktop: Visit) -> None:
        page, _ = desktop
        step(page, 5, "context")
        context = numbers_of(page)["context"]
        page.locator(".sw-channels button").nth(1).click()
        expect(said(page, "box_context_done")).to_be_visible()
        expect(page.locator(".sw-working .sw-equation").last).to_contain_text(f"= {brief(context['context'][1])}")
        expect(page.locator(".sw-channels button").nth(1)).to_be_focused()

    def test_the_part_of_the_page_is_outlined_only_while_the_cards_are_open(self, desktop: Visit) -> None:
        page, _ = desktop
        step(page, 9, "beam")
        expect(page.locator(".sw-panel.sw-lit .sw-width")).to_have_count(1)
        expect(page.locator(".sw-stage.sw-lit, .sw-picture > .sw-box-cell")).to_have_count(0)
        step(page, 3, "score")
        expect(page.locator(".sw-stage.sw-lit, .sw-picture > .sw-box-cell")).to_have_count(2)
        page.locator("#sw-tab-words").click()
        expect(page.locator(".sw-lit, .sw-picture > .sw-box-cell")).to_have_count(0)

    def test_a_refusal_is_a_sentence_and_can_be_tried_again(self, desktop: Visit) -> None:
        page, _ = desktop
        refusal = json.dumps({"kind": "problem", "message": text.try_again_in(9)})
        page.route("**/component_server**", lambda route: route.fulfill(body=refusal, content_type="application/json"))
        page.locator(".sw-step").nth(3).click()
        expect(page.locator(".sw-figure-problem .sw-figure-status")).to_have_text(text.try_again_in(9))
        expect(page.locator(".sw-worked")).to_have_count(0)
        expect(page.locator(".sw-cellpick")).to_be_visible()
        page.unroute("**/component_server**")
        page.get_by_role("button", name=text.VIEWER["box_again_button"]).click()
        expect(page.locator(".sw-worked .sw-total")).to_be_visible()
        expect(page.locator(".sw-figure-problem")).to_have_count(0)

    def test_waiting_is_seen_and_a_silent_server_is_a_sentence(self, desktop: Visit) -> None:
        page, watch = desktop
        held: list[Any] = []
        page.route("**/component_server**", lambda route: held.append(route))
        with page.expect_request("**/component_server**"):
            page.locator(".sw-step").nth(3).click()
        expect(page.locator(".sw-figure-status")).to_have_text(text.VIEWER["box_waiting"])
        expect(page.locator(".sw-cellpick")).to_be_visible()
        held[0].abort()
        expect(page.locator(".sw-figure-status")).to_have_text(text.VIEWER["unreachable"])
        watch.errors[:] = [error for error in watch.errors if "ERR_FAILED" not in error]

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_no_card_is_a_barrier(self, browser: Browser, tiny_address: str, theme: str) -> None:
        for page, _ in visit(browser, f"{tiny_address}/?__theme={theme}", 1280, 900):
            give(page)
            page.locator("#sw-tab-box").click()
            for place in range(CARDS):
                page.locator(".sw-step").nth(place).click()
                ready(page)
                page.locator(".sw-question summary").click()
                found = Axe().run(page, context={"include": [[".sw-box"]]}).response["violations"]
                assert [(item["id"], item["nodes"][0]["target"]) for item in found] == [], place

    def test_on_a_phone_nothing_is_wider_than_the_page(self, browser: Browser, tiny_address: str) -> None:
        for page, _ in visit(browser, tiny_address, 360, 740):
            give(page)
            page.locator("#sw-tab-box").click()
            for place in range(CARDS):
                page.locator(".sw-step").nth(place).click()
                ready(page)
                assert page.evaluate("document.documentElement.scrollWidth") <= 360, place

    def test_a_model_that_cannot_be_looked_into_says_so(self, browser: Browser, scripted_address: str) -> None:
        for page, _ in visit(browser, scripted_address, 1280, 900):
            give(page)
            page.locator("#sw-tab-box").click()
            for place in (0, 3):
                page.locator(".sw-step").nth(place).click()
                expect(page.locator(".sw-figure-status")).to_have_text("There is nothing inside a scripted captioner.")
            page.locator(".sw-step").nth(10).click()
            expect(page.locator(".sw-worked tbody tr")).to_have_count(4)  # a red dog, and the end

    def test_without_a_server_the_cards_show_what_the_page_knows(self, browser: Browser) -> None:
        captioner = model()
        view = build_view(captioner.describe(photo()), photo(), "")
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.set_content('<div class="sw-viewer"></div>')
        page.evaluate(
            f"""([view, texts]) => {{ {viewer_script()}
            mountViewer(document.querySelector(".sw-viewer"), texts, null)(view); }}""",
            [view, {"en": dict(text.VIEWER)}],
        )
        page.locator("#sw-tab-box").click()
        for place in range(CARDS):
            page.locator(".sw-step").nth(place).click()
            told = place in (9, 10)  # the beam and the sum need no model
            expect(page.locator(".sw-figure-status")).to_have_text("" if told else text.VIEWER["box_absent"])
            assert page.locator(".sw-figure").inner_text() != ""
        page.close()
        assert problems == []
