"""A visitor's deeds in a real browser. Every test also fails on a console error or an outside request (conftest)."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from builders import caption, photo, photo_bytes
from captioner.captioner import Captioner
from captioner.overlay import Floats, cell_projection, colour_layers, smooth_projection
from demo import text
from visits import GRADIO_WARNINGS, MARKUP, NASTY, RED_DOG, TWO_DOGS, ScriptedCaptioner, Watch, serve, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
CAPTION = caption(RED_DOG, 4, 6, 0)
LAYER = (640, 427)  # of a photo of 96 x 64
STEP = 6


def give(page: Page, name: str = "photo.png", content: bytes | None = None) -> None:
    """Upload a photo and wait for what the page says of it."""
    file: FilePayload = {"name": name, "mimeType": "image/png", "buffer": content or photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer[data-kind=result], .sw-viewer[data-kind=problem]").wait_for()


def clear(page: Page) -> None:
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator(".sw-empty").wait_for()


def chips(page: Page) -> Locator:
    return page.locator(".sw-caption .sw-word")


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def chosen(page: Page) -> str:
    return page.locator(".sw-word-name").inner_text()


def alphas(page: Page, selector: str = ".sw-map") -> NDArray[np.int64]:
    """Alpha of every STEPth pixel of every STEPth row of a canvas, 0 to 255."""
    found: list[list[int]] = page.locator(selector).first.evaluate(
        """(canvas, step) => {
            const { width, height } = canvas;
            const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            const every = (length) => Array.from({ length: Math.ceil(length / step) }, (_, i) => i * step);
            return every(height).map((y) => every(width).map((x) => data[4 * (y * width + x) + 3]));
        }""",
        STEP,
    )
    return np.array(found, dtype=np.int64)


def expected_alphas(word: int, *, smooth: bool) -> NDArray[np.int64]:
    """The same from Python, on the scale of the whole caption."""
    maps: Floats = CAPTION.attention
    projection = (smooth_projection if smooth else cell_projection)((4, 6), LAYER)
    layers = colour_layers(projection.apply(maps), projection.highest(maps))
    alpha: NDArray[np.int64] = layers[word, ::STEP, ::STEP, 3].astype(np.int64)
    return alpha


def test_a_visitor_uploads_a_photo_and_reads_its_caption(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    assert words(page) == list(RED_DOG)
    shares = page.locator(".sw-word-share").all_text_contents()
    assert shares == [f"{100 * share:.0f} %" for share in CAPTION.probabilities]
    expect(page.locator(".sw-hint")).to_contain_text(f"score −{-CAPTION.score:.2f}")
    expect(page.locator(".sw-claim")).to_contain_text(text.VIEWER["claim"])
    expect(page.locator(".sw-model")).to_contain_text("Captioned by scripted, trained on nothing")
    assert page.locator(".sw-photo").evaluate("photo => photo.naturalWidth / photo.naturalHeight") == 1.5


def test_an_example_is_one_click(desktop: Visit) -> None:
    page, _ = desktop
    page.get_by_role("button", name="Cat").click()
    page.locator(".sw-viewer[data-kind=result]").wait_for()
    assert words(page) == list(RED_DOG)
    assert page.locator(".sw-photo").evaluate("photo => photo.naturalWidth") == 451


@pytest.mark.parametrize("smooth", [True, False])
def test_the_browser_draws_what_python_computes(desktop: Visit, smooth: bool) -> None:
    page, _ = desktop
    give(page)
    if not smooth:
        page.get_by_role("button", name="Raw cells").click()
    for word in range(3):
        chips(page).nth(word).click()
        drawn = alphas(page)
        assert np.abs(drawn - expected_alphas(word, smooth=smooth)).max() <= 1


def test_raw_cells_smoothing_and_the_plain_photo(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    expect(page.locator(".sw-claim")).to_contain_text(text.VIEWER["claim_smooth_stretched"])
    smooth, tile = alphas(page), alphas(page, ".sw-tile-map")
    page.get_by_role("button", name="Raw cells").click()
    expect(page.locator(".sw-claim")).to_contain_text(
        "The network computed 2 × 3 cells; they are shown stretched to 4 × 6"
    )
    expect(page.locator(".sw-top")).to_have_text(f"{100 * CAPTION.attention.max():.1f} %")
    page.wait_for_timeout(300)  # one tile a frame
    assert (alphas(page) != smooth).any()
    assert (alphas(page, ".sw-tile-map") != tile).any()
    page.get_by_role("button", name="Photo only").click()
    assert not alphas(page).any()
    expect(page.locator(".sw-scale")).to_be_hidden()


def test_hovering_a_word_shows_its_map_and_leaving_goes_back(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    chips(page).nth(0).click()
    first = alphas(page)
    chips(page).nth(2).hover()
    assert chosen(page) == "dog"
    assert (alphas(page) != first).any()
    page.locator("h1").hover()
    assert chosen(page) == "a"
    assert (alphas(page) == first).all()


def test_the_words_are_walked_with_the_arrow_keys(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    chips(page).nth(0).click()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home", "End"):
        page.keyboard.press(key)
        seen.append(chosen(page))
    assert seen == ["red", "dog", "a", "dog", "a", "dog"]
    expect(chips(page).nth(2)).to_be_focused()
    page.locator(".sw-tile").nth(2).focus()
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == "red"
    expect(page.locator(".sw-tile").nth(1)).to_be_focused()


def test_every_word_has_its_numbers(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    for index in range(3):
        chips(page).nth(index).click()
        cells = float(CAPTION.effective_cells[index])
        assert page.locator(".sw-number").all_text_contents() == [
            f"{100 * CAPTION.probabilities[index]:.0f} %",
            f"{cells:.0f} of 24 cells",
            f"{100 * CAPTION.gate[index]:.0f} %",
        ]
        label = page.locator(".sw-map").get_attribute("aria-label") or ""
        assert label.startswith(f"{RED_DOG[index]}: looks ")
        assert f", {cells:.0f} of 24 cells, probability " in label
        assert page.locator(".sw-chosen").inner_text().split("\n")[0] == RED_DOG[index]


def test_the_beam_width_slides_without_the_server(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    expect(page.locator(".sw-width")).to_have_text("5")
    assert page.locator(".sw-alternative").count() == 3
    posts = len(watch.posts)
    slider = page.get_by_role("slider", name="Beam width")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    expect(page.locator(".sw-width")).to_have_text("1")
    assert words(page) == list(TWO_DOGS)
    assert page.locator(".sw-alternative-text").all_text_contents() == [" ".join(TWO_DOGS)]
    page.keyboard.press("ArrowRight")
    assert words(page) == list(RED_DOG)
    assert page.locator(".sw-alternative").count() == 2
    page.keyboard.press("End")
    expect(page.locator(".sw-width")).to_have_text("10")
    chips(page).nth(0).hover()
    assert len(watch.posts) == posts


def test_an_alternative_opens_with_its_own_words_and_maps(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    before = alphas(page)
    alternatives = page.locator(".sw-alternative")
    expect(alternatives.nth(0)).to_have_attribute("aria-pressed", "true")
    alternatives.nth(1).click()
    assert words(page) == list(TWO_DOGS)
    assert page.locator(".sw-tile-word").all_text_contents() == list(TWO_DOGS)
    assert (alphas(page) != before).any()
    expect(alternatives.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(alternatives.nth(0)).to_have_attribute("aria-pressed", "false")


def test_what_a_model_says_never_becomes_markup(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.locator(".sw-alternative").nth(2).click()
    assert words(page)[1] == MARKUP
    expect(page.locator(".sw-model")).to_contain_text(MARKUP)
    assert page.locator(".sw-viewer img[src=x]").count() == 0
    assert page.title() == text.TITLE


def test_a_broken_file_is_one_sentence_and_the_next_photo_works(desktop: Visit, gradio_folder: Path) -> None:
    page, _ = desktop
    give(page, "broken.png", photo_bytes()[:60])
    problem = page.get_by_role("alert").filter(has_text="broken.png")
    expect(problem).to_contain_text(text.VIEWER["problem_title"])
    assert str(gradio_folder) not in page.locator("body").inner_text()
    give(page)
    assert words(page) == list(RED_DOG)


def test_a_fault_nobody_foresaw_is_one_sentence_too(desktop: Visit) -> None:
    page, _ = desktop
    give(page, content=photo_bytes(photo(13, 13)))
    expect(page.locator(".sw-problem")).to_contain_text(text.UNEXPECTED)
    assert "secret" not in page.locator("body").inner_text()


def test_a_photo_unlike_those_the_model_has_seen_is_said_to_be_guessed(desktop: Visit) -> None:
    page, _ = desktop
    give(page, content=photo_bytes(photo(17, 17)))
    expect(page.locator(".sw-guessing")).to_have_text(text.VIEWER["guessing"])
    clear(page)
    give(page, "other.png", photo_bytes(photo(40, 30)))
    expect(page.locator(".sw-guessing")).to_have_count(0)
    assert words(page) == list(RED_DOG)


def test_taking_the_photo_away_empties_the_page(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    clear(page)
    assert page.locator(".sw-caption").count() == 0
    expect(page.locator(".sw-empty")).to_contain_text(text.VIEWER["empty_title"])


def test_on_a_phone_nothing_is_cut_off_and_the_result_comes_into_sight(phone: Visit) -> None:
    page, _ = phone
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == 390
    give(page)
    page.wait_for_function("document.querySelector('.sw-caption').getBoundingClientRect().top < innerHeight / 4")
    assert page.evaluate(width) == 390
    for selector in (".sw-stage", ".sw-legend", ".sw-panel .sw-slider >> nth=0", ".sw-alternatives", ".sw-strip"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    chips(page).nth(0).click()
    assert chosen(page) == "a"


def test_dark_mode_is_dark(dark: Visit) -> None:
    page, _ = dark
    give(page)
    brightness = """selector => {
        const style = getComputedStyle(document.querySelector(selector));
        const mean = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b) / 3;
        return [mean(style.color), mean(style.backgroundColor)];
    }"""
    ink, ground = page.evaluate(brightness, ".sw-panel")
    assert ink > 200
    assert ground < 60


def test_a_real_model_captions_in_the_browser(browser: Browser, tiny_address: str) -> None:
    for page, _ in visit(browser, tiny_address, 1280, 900):
        give(page)
        assert len(words(page)) >= 1
        expect(page.locator(".sw-model")).to_contain_text("Captioned by tiny, trained on nothing at all")
        assert alphas(page).max() > 150


def test_the_page_opens_on_a_recorded_example_before_the_model_is_there(browser: Browser, gradio_folder: Path) -> None:
    loaded: Future[Captioner] = Future()
    for address in serve(loaded.result):
        for page, _ in visit(browser, address, 1280, 900):
            expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "recorded")
            expect(page.locator(".sw-note")).to_have_text(text.VIEWER["recorded"])
            count = chips(page).count()
            assert count > 3
            chips(page).nth(count - 1).click()
            assert chosen(page) == words(page)[-1]
            file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
            page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
            page.locator(".sw-viewer[data-kind=looking]").wait_for()
            loaded.set_result(cast(Captioner, ScriptedCaptioner()))
            page.locator(".sw-viewer[data-kind=result]").wait_for()
            assert words(page) == list(RED_DOG)
            expect(page.locator(".sw-note")).to_have_count(0)


def test_length_counts_as_much_as_its_slider_says_and_the_reason_stands_there(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    posts = len(watch.posts)
    slider = page.get_by_role("slider", name="Length normalisation")
    found = [CAPTION, caption(TWO_DOGS, 4, 6, 1), caption(NASTY, 4, 6, 2)]
    for presses, power in (("Home", 0.0), ("End", 1.0)):
        slider.focus()
        page.keyboard.press(presses)
        scores = sorted((c.log_prob / (len(c.words) + 1) ** power for c in found), reverse=True)
        shown = page.locator(".sw-alternative-score").all_text_contents()
        assert shown == [f"{score:.2f}".replace("-", "−") for score in scores]
    reasons = page.locator(".sw-reason").all_text_contents()
    best = max(found, key=lambda c: c.log_prob / (len(c.words) + 1))
    total = f"{best.log_prob:.2f}".replace("-", "−")
    assert (
        reasons[0] == f"log-probability {total} ÷ {len(best.words) + 1}^1.0 · from width 1" or "width 2" in reasons[0]
    )
    assert words(page) == list(best.words)
    assert len(watch.posts) == posts


def test_words_that_the_best_caption_lacks_are_marked(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    best, second = page.locator(".sw-alternative").nth(0), page.locator(".sw-alternative").nth(1)
    assert best.locator("mark").count() == 0
    shared = set(page.locator(".sw-alternative").nth(0).locator(".sw-alternative-text").inner_text().split())
    marked = second.locator("mark").all_text_contents()
    assert marked == [word for word in TWO_DOGS if word not in shared]


def test_the_caption_plays_word_by_word_and_stops_at_its_end(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    chips(page).nth(0).click()
    page.get_by_label("Speed").select_option("3")
    play = page.locator(".sw-play")
    play.click()
    expect(play).to_have_text("Pause")
    expect(page.locator(".sw-word-name")).to_have_text("dog")
    expect(play).to_have_text("Play")
    play.click()
    expect(page.locator(".sw-word-name")).to_have_text("a")
    play.click()
    expect(play).to_have_text("Play")


def test_the_first_press_plays_from_the_first_word_and_later_ones_go_on(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.locator(".sw-alternative").nth(1).click()
    page.clock.install()
    play, name = page.locator(".sw-play"), page.locator(".sw-word-name")
    chips(page).nth(3).click()
    play.click()
    expect(name).to_have_text("two")
    page.clock.run_for(1100)
    expect(name).to_have_text("dogs")
    play.click()  # pause
    page.clock.run_for(5000)
    expect(name).to_have_text("dogs")
    play.click()  # go on
    expect(name).to_have_text("dogs")
    page.clock.run_for(1100)
    expect(name).to_have_text("run")
    chips(page).nth(0).click()  # stops it
    expect(play).to_have_text("Play")
    play.click()  # on from there
    expect(name).to_have_text("two")
    for word in TWO_DOGS[1:]:
        page.clock.run_for(1100)
        expect(name).to_have_text(word)
    page.clock.run_for(1100)
    expect(play).to_have_text("Play")
    chips(page).nth(3).click()
    play.click()  # it had come to its end
    expect(name).to_have_text("two")
    page.locator(".sw-alternative").nth(0).click()
    expect(play).to_have_text("Play")
    chips(page).nth(1).click()
    play.click()  # another caption
    expect(name).to_have_text("a")


def test_between_raw_cells_and_smooth_lies_their_mean(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    chips(page).nth(1).click()
    page.get_by_role("slider", name="From raw cells to smoothed").fill("0.5")
    tops = [p((4, 6), LAYER).highest(CAPTION.attention) for p in (smooth_projection, cell_projection)]
    layers = sum(p((4, 6), LAYER).apply(CAPTION.attention) for p in (smooth_projection, cell_projection)) / 2
    expected = colour_layers(np.asarray(layers, np.float32), sum(tops) / 2)[1, ::STEP, ::STEP, 3].astype(np.int64)
    assert np.abs(alphas(page) - expected).max() <= 1


def test_holding_the_picture_shows_the_plain_photo_beside_it(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    stage = page.locator(".sw-stage")
    expect(page.locator(".sw-plain")).to_be_hidden()
    before = stage.bounding_box()
    stage.hover()
    page.mouse.down()
    expect(page.locator(".sw-plain")).to_be_visible()
    assert stage.bounding_box() == before
    page.mouse.up()
    expect(page.locator(".sw-plain")).to_be_hidden()
    beside = page.get_by_role("button", name="Beside the photo")
    beside.click()
    expect(page.locator(".sw-plain")).to_be_visible()
    expect(beside).to_have_attribute("aria-pressed", "true")
