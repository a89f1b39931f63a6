"""A second photo beside the first: chosen, or the same one changed in the browser."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import caption, photo_bytes
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.overlay import smooth_projection
from captioner.search_options import SearchOptions
from demo import text
from demo.comparison import describe_example
from demo.examples import list_examples
from demo.questions import Answerer
from demo.scripts import viewer_script
from demo.view import build_view
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch, serve, visit

Visit = tuple[Page, Watch]
HERE = ("a", "red", "dog", "runs")
THERE = ("a", "cat", "runs", "fast")
KOREAN = text.read_languages()["ko"]


class ColourCaptioner(ScriptedCaptioner):
    """Sees a dog in a photo whose middle is not blue, else a cat; keeps what it was given."""

    def __init__(self) -> None:
        self.photos: list[Image.Image] = []

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        """A beam of 1 finds the shorter caption. A photo of 13 pixels a side is a fault."""
        if photo.size == (13, 13):
            raise RuntimeError("a fault nobody foresaw")
        self.photos.append(photo)
        red, _, blue = cast(tuple[int, int, int], photo.getpixel((photo.width // 2, photo.height // 2)))
        words = THERE if blue > 200 and red < 80 else HERE
        widths = options.widths if options else tuple(range(1, 11))
        captions = (caption(words, 4, 6, 1 + len(words[1])), caption(words[:2], 4, 6, 9))
        ranking = {width: (1,) if width == 1 else (0, 1) for width in widths}
        return Description(captions, ranking, dict.fromkeys(widths, ()), (4, 6), (4, 6), "scripted", 0.5)


CAPTIONER = ColourCaptioner()


@pytest.fixture(scope="module")
def address(gradio_folder: Path) -> Iterator[str]:
    yield from serve(lambda: cast(Captioner, CAPTIONER))


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    for visited, _ in visit(browser, address, 1280, 900):
        open_panel(visited)
        yield visited


@pytest.fixture
def small(browser: Browser, address: str) -> Iterator[Page]:
    for visited, _ in visit(browser, address, 360, 740):
        open_panel(visited)
        yield visited


def half_red() -> Image.Image:
    """The left half red, the right half green."""
    photo = Image.new("RGB", (120, 80), (200, 30, 30))
    photo.paste((30, 160, 30), (60, 0, 120, 80))
    return photo


def blue_file(name: str = "blue.png") -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": photo_bytes(Image.new("RGB", (90, 60), (20, 20, 250)))}


def open_panel(page: Page) -> None:
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes(half_red())}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer:not(:has(.sw-note)) .sw-caption").wait_for()
    page.locator("#sw-tab-compare").click()
    page.locator(".sw-easel-photo").wait_for()


def act(page: Page, name: str) -> None:
    page.locator(f"[data-act={name}]").click()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """On the photo to change, in fractions of it."""
    page.locator(".sw-easel").scroll_into_view_if_needed()
    box = page.locator(".sw-easel").bounding_box()
    assert box is not None
    (x, y), (other_x, other_y) = ((box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in (start, end))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(other_x, other_y, steps=6)
    page.mouse.up()


def paint_blue(page: Page) -> None:
    """Fill the frame, which lies in the middle."""
    page.locator(".sw-colour").fill("#1414fa")
    act(page, "fill")


def compare(page: Page) -> None:
    page.locator(".sw-compare-go").click()
    page.locator(".sw-compare-progress").wait_for(state="hidden")


def pixels(page: Page) -> Any:
    """The photo on the easel, (rows, columns, 3)."""
    shown: str = page.locator(".sw-easel-photo").evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))).convert("RGB")).astype(int)


def pairs(page: Page) -> list[str]:
    return [said.replace("\n", "") for said in page.locator(".sw-pair").all_inner_texts()]


def maps(page: Page) -> list[Any]:
    """Alpha of both maps, a fifth of their pixels a side."""
    found: list[list[int]] = page.locator(".sw-sight-map").evaluate_all(
        """canvases => canvases.map((canvas) => {
            const { width, height } = canvas;
            return [...canvas.getContext("2d").getImageData(0, 0, width, height).data].filter((_, i) => i % 44 === 3);
        })"""
    )
    return [np.array(alphas) for alphas in found]


@pytest.mark.browser
class TestVisit:
    pytestmark = GRADIO_WARNINGS

    def test_a_painted_photo_is_compared_word_by_word(self, page: Page) -> None:
        paint_blue(page)
        compare(page)
        assert page.locator(".sw-sight-caption").all_text_contents() == [" ".join(HERE), " ".join(THERE)]
        assert pairs(page) == ["a=a", "red−·", "dog≠cat", "runs=runs", "·+fast"]
        expect(page.locator(".sw-compare-summary")).to_have_text(
            "One word changed: dog → cat; one word lost: red; one new word: fast."
        )
        sent = CAPTIONER.photos[-1]
        assert sent.size == (120, 80)
        assert np.abs(np.asarray(sent)[40, 60].astype(int) - (20, 20, 250)).max() < 12
        assert np.abs(np.asarray(sent)[5, 5].astype(int) - (200, 30, 30)).max() < 12  # what was not painted

    def test_a_pair_shows_both_maps_on_one_scale_and_their_distance(self, page: Page) -> None:
        paint_blue(page)
        compare(page)
        here, there = caption(HERE, 4, 6, 4), caption(THERE, 4, 6, 4)
        page.locator(".sw-pair").nth(3).hover()
        first = maps(page)
        assert all(alphas.max() > 0 for alphas in first)
        distance = np.abs(here.attention[3] - there.attention[2]).sum() / 2
        expect(page.locator(".sw-compare-distance")).to_contain_text(f"lie {distance:.2f} apart")
        cells = page.locator(".sw-compare-numbers tbody td").all_text_contents()
        assert cells[:2] == ["runs", "runs"]
        assert cells[2:4] == [f"{100 * here.probabilities[3]:.0f} %", f"{100 * there.probabilities[2]:.0f} %"]
        projection = smooth_projection((4, 6), (640, 427))
        top = 100 * max(projection.highest(said.attention) for said in (here, there))
        end = page.locator(".sw-side-by-side .sw-scale-ends span").last
        expect(end).to_have_text(f"{top:.1f} %" if top < 10 else f"{top:.0f} %")
        page.locator(".sw-pair").nth(1).hover()
        left, right = maps(page)
        assert left.max() > 0
        assert right.max() == 0  # a lost word has no map there
        expect(page.locator(".sw-compare-distance")).to_contain_text(text.VIEWER["compare_alone"])

    def test_the_pairs_are_walked_with_the_arrow_keys(self, page: Page) -> None:
        paint_blue(page)
        compare(page)
        page.locator(".sw-pair[aria-pressed=true]").focus()
        page.keyboard.press("Home")
        assert page.locator(".sw-compare-numbers tbody td").first.inner_text() == "a"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.locator(".sw-compare-numbers tbody td").all_inner_texts()[:2] == ["dog", "cat"]
        expect(page.locator(".sw-pair").nth(2)).to_be_focused()
        expect(page.get_by_role("button", name="dog, replaced by cat")).to_be_focused()

    def test_both_beams_follow_the_slider_and_ask_nobody(self, page: Page) -> None:
        paint_blue(page)
        compare(page)
        asked = len(CAPTIONER.photos)
        page.get_by_role("slider", name="Beam width").focus()
        page.keyboard.press("Home")
        assert pairs(page) == ["a=a", "red≠cat"]
        page.keyboard.press("End")
        assert len(pairs(page)) == 5
        assert len(CAPTIONER.photos) == asked

    def test_a_mirrored_photo_is_compared_with_its_map_turned_back(self, page: Page) -> None:
        before = pixels(page)
        act(page, "flip")
        assert np.abs(pixels(page) - before[:, ::-1]).max() <= 2
        compare(page)
        expect(page.locator(".sw-compare-summary")).to_have_text(text.VIEWER["compare_unchanged"])
        expect(page.locator(".sw-compare-distance")).to_contain_text(text.VIEWER["compare_mirrored"])
        said = caption(HERE, 4, 6, 4).attention
        place = int(page.locator(".sw-pair[aria-pressed=true]").get_attribute("data-column") or 0)
        distance = np.abs(said[place] - said[place][:, ::-1]).sum() / 2
        assert distance > 0.05
        expect(page.locator(".sw-compare-distance")).to_contain_text(f"lie {distance:.2f} apart")

    def test_a_mirrored_photo_is_painted_where_it_is_pointed_at(self, page: Page) -> None:
        act(page, "flip")
        drag(page, (0.04, 0.06), (0.25, 0.5))
        paint_blue(page)
        page.locator("button[data-tool=brush]").click()
        drag(page, (0.6, 0.8), (0.9, 0.8))
        painted = (np.abs(pixels(page) - (20, 20, 250)) < 12).all(axis=2)
        assert painted[10, 10]
        assert painted[64, 90]
        assert not painted[10, 90]
        assert not painted[64, 10]

    def test_cutting_brushing_undo_and_start_over(self, page: Page) -> None:
        first = pixels(page)
        drag(page, (0.5, 0.0), (1.0, 1.0))
        act(page, "crop")
        part = pixels(page)
        assert abs(part.shape[1] - first.shape[1] / 2) <= 2
        assert np.abs(part[40, 30] - (30, 160, 30)).max() < 12  # the green half
        page.locator("button[data-tool=brush]").click()
        page.locator(".sw-colour").fill("#ffffff")
        drag(page, (0.1, 0.5), (0.9, 0.5))
        assert (pixels(page)[part.shape[0] // 2, part.shape[1] // 2] > 240).all()
        assert np.abs(pixels(page)[5, 5] - part[5, 5]).max() <= 2
        act(page, "undo")
        assert (pixels(page) == part).all()
        act(page, "reset")
        assert (pixels(page) == first).all()
        expect(page.locator("[data-act=undo]")).to_be_disabled()
        compare(page)
        expect(page.locator(".sw-refusal:visible")).to_have_text(text.VIEWER["compare_first_change"])

    def test_a_cut_photo_says_that_places_differ(self, page: Page) -> None:
        act(page, "crop")
        compare(page)
        expect(page.locator(".sw-compare-distance")).to_contain_text(text.VIEWER["compare_places"])
        assert CAPTIONER.photos[-1].size == (48, 32)

    def test_the_keyboard_paints(self, page: Page) -> None:
        before = pixels(page)
        page.locator(".sw-easel-photo").focus()
        for _ in range(15):
            page.keyboard.press("ArrowLeft")
        expect(page.locator(".sw-paint [role=status]")).to_contain_text("Frame 0 % from the left")
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("Enter")
        after = pixels(page)
        changed = np.abs(after - before).max(axis=2) > 20
        assert changed.any()
        columns = np.flatnonzero(changed.any(axis=0))
        assert columns[0] == 0
        assert abs(columns[-1] - 0.42 * after.shape[1]) <= 2
        expect(page.locator(".sw-easel-photo")).to_be_focused()
        page.keyboard.press("Control+z")
        assert (pixels(page) == before).all()

    def test_another_photo_by_file_and_by_paste(self, page: Page) -> None:
        page.locator("[data-way=file]").click()
        compare(page)
        expect(page.locator(".sw-refusal:visible")).to_have_text(text.VIEWER["compare_first_file"])
        page.locator(".sw-drop-input").set_input_files(blue_file())
        expect(page.locator(".sw-drop-preview")).to_be_visible()
        expect(page.locator(".sw-refusal:visible")).to_have_count(0)
        compare(page)
        assert pairs(page)[2] == "dog≠cat"
        expect(page.locator(".sw-compare-distance")).to_contain_text(text.VIEWER["compare_places"])
        green = base64.b64encode(photo_bytes(Image.new("RGB", (50, 40), "green"))).decode()
        page.locator(".sw-drop-input").evaluate(
            """(input, content) => {
                const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
                const options = { clipboardData: data, bubbles: true, cancelable: true };
                input.dispatchEvent(new ClipboardEvent("paste", options));
            }""",
            green,
        )
        page.wait_for_function("document.querySelector('.sw-drop-preview').naturalWidth === 50")
        compare(page)
        expect(page.locator(".sw-compare-summary")).to_have_text(text.VIEWER["compare_unchanged"])
        expect(page.locator(".sw-caption .sw-word-text").first).to_have_text("a")  # the first photo is still there

    def test_an_unreadable_file_is_one_sentence_and_the_photo_before_stays(self, page: Page) -> None:
        page.locator("[data-way=file]").click()
        page.locator(".sw-drop-input").set_input_files(blue_file())
        page.locator(".sw-drop-preview").wait_for()
        page.locator(".sw-drop-input").set_input_files(
            {"name": "words.png", "mimeType": "image/png", "buffer": b"no photo"}
        )
        expect(page.get_by_role("alert").filter(has_text="words.png")).to_contain_text("cannot be read by this browser")
        expect(page.locator(".sw-drop-preview")).to_be_visible()

    def test_an_example_is_compared_whole(self, page: Page) -> None:
        page.locator("[data-way=example]").click()
        page.locator(".sw-example-choice", has_text="Cat").click()
        compare(page)
        example = next(found for found in list_examples() if found.title == "Cat")
        with Image.open(example.path) as photo:
            assert CAPTIONER.photos[-1].size == photo.size
        assert page.locator(".sw-sight").count() == 2

    def test_a_fault_and_a_lost_server_are_sentences_and_nothing_is_lost(self, page: Page) -> None:
        paint_blue(page)
        compare(page)
        page.locator("[data-way=file]").click()
        tiny = photo_bytes(Image.new("RGB", (5, 5), "red"))
        page.locator(".sw-drop-input").set_input_files({"name": "t.png", "mimeType": "image/png", "buffer": tiny})
        page.locator(".sw-drop-preview").wait_for()
        compare(page)
        expect(page.locator(".sw-refusal:visible")).to_contain_text("at least 8 pixels a side are needed")
        assert pairs(page)[2] == "dog≠cat"  # the comparison before
        page.get_by_role("button", name="한국어").click()
        expect(page.locator(".sw-refusal:visible")).to_contain_text("한 변이 적어도 8 픽셀은")
        assert pairs(page)[2] == "dog≠cat"
        expect(page.locator(".sw-compare-summary")).to_contain_text("바뀐 단어 1개: dog → cat")
        page.locator("[data-way=change]").click()
        expect(page.locator("[data-act=undo]")).to_be_enabled()  # the edits are still there

    def test_cancelling_shows_no_late_answer(self, page: Page) -> None:
        paint_blue(page)
        held: list[Any] = []
        page.route("**/component_server**", lambda route: held.append(route))
        page.locator(".sw-compare-go").click()
        expect(page.locator(".sw-compare-progress")).to_be_visible()
        expect(page.locator(".sw-compare-status")).to_have_text(text.VIEWER["compare_waiting"])
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator(".sw-compare-progress")).to_be_hidden()
        expect(page.locator(".sw-refusal:visible")).to_have_text(text.VIEWER["compare_cancelled"])
        with page.expect_response("**/component_server**"):
            held[0].continue_()
        page.wait_for_timeout(300)
        assert page.locator(".sw-side-by-side").count() == 0
        page.unroute("**/component_server**")
        compare(page)
        assert len(pairs(page)) == 5

    def test_a_lost_server_is_one_sentence_and_the_next_try_works(self, browser: Browser, address: str) -> None:
        for page, watch in visit(browser, address, 1280, 900):
            open_panel(page)
            paint_blue(page)
            page.route("**/component_server**", lambda route: route.abort())
            compare(page)
            expect(page.locator(".sw-refusal:visible")).to_have_text(text.VIEWER["unreachable"])
            page.unroute("**/component_server**")
            compare(page)
            expect(page.locator(".sw-refusal:visible")).to_have_count(0)
            assert len(pairs(page)) == 5
            assert all("Failed to load resource" in said for said in watch.errors)
            watch.errors.clear()

    def test_without_a_server_it_is_not_there(self, browser: Browser) -> None:
        captioner = ColourCaptioner()
        view = build_view(captioner.describe(half_red()), half_red(), "nothing")
        page = browser.new_page()
        page.set_content("<div class=sw-viewer></div>")
        start = f"mountViewer(document.querySelector('.sw-viewer'), {json.dumps(text.read_languages())}, null)"
        page.add_script_tag(content=f"{viewer_script()}\n{start}({json.dumps(view)});")
        expect(page.locator("#sw-tab-words")).to_be_visible()
        expect(page.locator("#sw-tab-compare")).to_have_count(0)
        page.close()

    def test_on_a_phone_the_photos_are_stacked_and_nothing_is_cut_off(self, small: Page) -> None:
        paint_blue(small)
        compare(small)
        boxes = [sight.bounding_box() for sight in small.locator(".sw-sight").all()]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"]
        assert small.evaluate("document.documentElement.scrollWidth") == 360
        for selector in (".sw-easel", ".sw-paint-bar", ".sw-columns-list", ".sw-compare-numbers"):
            box = small.locator(selector).bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360


@pytest.mark.parametrize("index", [None, -1, 10_000, True, "0", 0.0, [0]])
def test_an_example_that_is_none_is_refused(index: object, tmp_path: Path) -> None:
    answerer = Answerer(lambda: cast(Captioner, ColourCaptioner()), tmp_path)
    answer = answerer.answer({"kind": "example", "index": index})
    assert answer == {"kind": "problem", "message": text.NO_SUCH_EXAMPLE}
    assert text.NO_SUCH_EXAMPLE in KOREAN["sentences"]


def test_an_example_is_described_as_any_photo() -> None:
    captioner = ColourCaptioner()
    view = describe_example(cast(Captioner, captioner), {"index": 0})
    assert view["kind"] == "result"
    assert view["source"] is None
    assert captioner.photos[0].size == (view["photo"]["width"], view["photo"]["height"])
