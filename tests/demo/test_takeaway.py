"""What a visitor takes away, each kind downloaded in a real browser and opened; and records opened again."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageSequence
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import caption, photo, photo_bytes, tiny_captioner
from captioner.description import RECORD_FORMAT, Description
from demo import text
from demo.animation import SIDE, draw_frames
from visits import GRADIO_WARNINGS, MARKUP, NASTY, RED_DOG, TWO_DOGS, ScriptedCaptioner, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]
Visit = tuple[Page, Watch]
CAPTION = caption(RED_DOG, 4, 6, 0)


def give(page: Page, content: bytes | None = None) -> None:
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": content or photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer[data-kind=result]").wait_for()


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def take(page: Page, kind: str, folder: Path) -> tuple[Path, str]:
    """Download one kind; where it lies, and the name it was given."""
    page.locator("#sw-tab-takeaway").click()
    with page.expect_download() as download:
        page.locator(f"[data-take={kind}]").click()
    name = download.value.suggested_filename
    path = folder / name
    download.value.save_as(path)
    expect(page.locator(".sw-takeaway > .sw-takeaway-status")).to_contain_text(name)
    return path, name


def open_file(page: Page, content: bytes, name: str = "record.json") -> None:
    file: FilePayload = {"name": name, "mimeType": "application/json", "buffer": content}
    page.locator(".sw-open input[type=file]").set_input_files(file)


def pixels(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image.convert("RGB"), dtype=np.int64)


@pytest.mark.parametrize(("kind", "near"), [("gif", 14.0), ("webp", 6.0)])
def test_a_moving_picture_has_a_frame_per_word_with_its_map(
    desktop: Visit, tmp_path: Path, kind: str, near: float
) -> None:
    page, _ = desktop
    give(page)
    path, name = take(page, kind, tmp_path)
    assert name == f"saywhere-a-red-dog.{kind}"
    with Image.open(path) as moving:
        frames = [pixels(frame) for frame in ImageSequence.Iterator(moving)]
        assert moving.format == kind.upper()
    assert len(frames) == len(RED_DOG)
    size = (SIDE, round(SIDE * 64 / 96))
    address = page.locator(".sw-photo").get_attribute("src") or ""
    shown = Image.open(io.BytesIO(_bytes_of(address)))
    for expected, frame in zip(draw_frames(shown, CAPTION), frames, strict=True):
        assert frame.shape == pixels(expected).shape
        assert frame.shape[1] == size[0]
        assert np.abs(frame - pixels(expected)).mean() < near
    for word, frame in enumerate(frames):  # each frame is nearer to its own word's map than to any other's
        gaps = [np.abs(frame - pixels(other)).mean() for other in draw_frames(shown, CAPTION)]
        assert int(np.argmin(gaps)) == word


def _bytes_of(address: str) -> bytes:
    return base64.b64decode(address.partition(",")[2])


def test_raw_cells_are_taken_away_as_raw_cells(desktop: Visit, tmp_path: Path) -> None:
    page, _ = desktop
    give(page)
    smooth, _ = take(page, "webp", tmp_path)
    content = smooth.read_bytes()
    page.locator(".sw-styles [data-style=cells]").click()
    cells, _ = take(page, "webp", tmp_path)
    assert cells.read_bytes() != content


def test_the_sheet_is_a_png_of_the_caption_on_show(desktop: Visit, tmp_path: Path) -> None:
    page, _ = desktop
    give(page)
    path, name = take(page, "png", tmp_path)
    assert name == "saywhere-a-red-dog.png"
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 4 * 200
    page.locator(".sw-alternative").nth(1).click()
    _, other = take(page, "png", tmp_path)
    assert other == "saywhere-two-dogs-run-in.png"


def test_a_record_is_read_by_programs_and_opened_again(desktop: Visit, tmp_path: Path) -> None:
    page, watch = desktop
    give(page)
    posts = len(watch.posts)
    path, name = take(page, "record", tmp_path)
    assert len(watch.posts) == posts
    assert name == "saywhere-a-red-dog.json"
    found = Description.load(path)
    given = ScriptedCaptioner().describe(photo())
    assert [said.words for said in found.captions] == [RED_DOG, TWO_DOGS, NASTY]
    assert dict(found.ranking) == dict(given.ranking)
    assert (found.grid, found.native, found.model) == (given.grid, given.native, given.model)
    assert found.strangeness == given.strangeness
    for one, other in zip(found.captions, given.captions, strict=True):
        assert one.attention == pytest.approx(other.attention, abs=1e-4)
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-4)
        assert one.end_log_prob == pytest.approx(other.end_log_prob, abs=1e-3)
        assert one.gate == pytest.approx(other.gate, abs=1e-3)
    assert {width: len(tree) for width, tree in found.trees.items()} == {w: len(t) for w, t in given.trees.items()}
    for tree, other_tree in zip(found.trees.values(), given.trees.values(), strict=True):
        assert [(b.step, b.parent, b.word, b.fate, b.glimpse) for b in tree] == [
            (b.step, b.parent, b.word, b.fate, b.glimpse) for b in other_tree
        ]
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator(".sw-empty").wait_for()
    open_file(page, path.read_bytes())
    page.locator(".sw-viewer[data-kind=result]").wait_for()
    assert words(page) == list(RED_DOG)
    expect(page.locator(".sw-model")).to_contain_text(MARKUP)
    again, _ = take(page, "record", tmp_path)
    first, second = json.loads(path.read_bytes()), json.loads(again.read_bytes())
    assert second["maps"] == [pytest.approx(cells, rel=1e-3, abs=1e-5) for cells in first["maps"]]
    assert second["ranking"] == first["ranking"]


def test_a_record_opens_beside_a_result_which_is_gone_back_to(desktop: Visit, tmp_path: Path) -> None:
    page, _ = desktop
    give(page)
    page.locator("#sw-tab-takeaway").click()
    Description.save(tiny_captioner().describe(photo()), tmp_path / "plain.json")  # as a program saves it: no photo
    open_file(page, (tmp_path / "plain.json").read_bytes())
    expect(page.locator(".sw-model")).to_contain_text("Captioned by tiny")
    assert page.locator(".sw-word:focus").count() == 1
    page.get_by_role("button", name=text.VIEWER["open_back"]).click()
    expect(page.locator(".sw-model")).to_contain_text("Captioned by scripted")
    assert words(page) == list(RED_DOG)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no json at all", text.VIEWER["open_unreadable"]),
        (b'{"format": "something else"}', text.VIEWER["open_unreadable"]),
        (b" " * 4_000_001, "larger than 4.0 MB"),
        (json.dumps({"format": RECORD_FORMAT, "photo": "data:image/png;base64,AAAA"}).encode(), text.BAD_RECORD),
    ],
)
def test_a_bad_record_is_one_sentence(desktop: Visit, content: bytes, sentence: str) -> None:
    page, _ = desktop
    give(page)
    page.locator("#sw-tab-takeaway").click()
    open_file(page, content)
    expect(page.locator(".sw-open .sw-takeaway-problem")).to_contain_text(sentence)
    assert words(page) == list(RED_DOG)
    expect(page.locator(".sw-open-record")).to_be_enabled()


def test_a_server_that_does_not_answer_is_one_sentence(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    page.locator("#sw-tab-takeaway").click()
    page.route("**/component_server**", lambda route: route.abort())
    page.locator("[data-take=gif]").click()
    expect(page.locator(".sw-takeaway-problem")).to_have_text(text.VIEWER["unreachable"])
    expect(page.locator("[data-take=gif]")).to_be_enabled()
    watch.errors[:] = [error for error in watch.errors if "ERR_FAILED" not in error]


@pytest.fixture
def saved(desktop: Visit, browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, Path]]:
    """The saved page, opened from a file in a browser without network; afterwards: no console error, no request."""
    page, _ = desktop
    give(page)
    path, name = take(page, "html", tmp_path)
    assert name == "saywhere-a-red-dog.html"
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    problems: list[str] = []
    alone = context.new_page()
    alone.on("pageerror", lambda error: problems.append(str(error)))
    alone.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    alone.on("request", lambda request: problems.append(request.url) if not _local(request.url, path) else None)
    alone.goto(path.as_uri())
    alone.locator(".sw-viewer[data-kind=result]").wait_for()
    yield alone, path
    context.close()
    assert problems == []


def _local(address: str, path: Path) -> bool:
    return address == path.as_uri() or address.startswith(("data:", "blob:"))


def test_a_saved_page_works_from_a_file_without_network(saved: tuple[Page, Path], tmp_path: Path) -> None:
    page, path = saved
    assert words(page) == list(RED_DOG)
    chips = page.locator(".sw-caption .sw-word")
    chips.nth(0).click()
    page.keyboard.press("End")
    expect(page.locator(".sw-word-name")).to_have_text("dog")
    slider = page.get_by_role("slider", name="Beam width")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert words(page) == list(TWO_DOGS)
    page.get_by_role("button", name="한국어").click()
    expect(page.locator(".sw-privacy")).to_contain_text("저장한 페이지")
    expect(page.locator("#sw-tab-words")).to_have_text("모든 단어")
    page.get_by_role("button", name="English").click()
    page.locator("#sw-tab-takeaway").click()
    expect(page.locator("[data-take=gif]")).to_be_disabled()
    expect(page.locator(".sw-open-record")).to_be_disabled()
    expect(page.locator(".sw-takeaway")).to_contain_text(text.VIEWER["takeaway_offline"])
    expect(page.locator(".sw-takeaway")).to_contain_text(text.VIEWER["open_offline"])
    tabs = page.locator(".sw-tab").evaluate_all("tabs => tabs.map(tab => tab.dataset.panel)")
    assert tabs == ["words", "box", "tree", "relief", "takeaway"]  # those that ask the model are not there
    for tab in page.locator(".sw-tab").all():
        tab.click()
    record, _ = take(page, "record", tmp_path)
    assert Description.load(record).captions[0].words == RED_DOG
    again, _ = take(page, "html", tmp_path)
    assert again.stat().st_size == pytest.approx(path.stat().st_size, rel=0.01)


def test_nothing_is_cut_in_the_captions_of_a_saved_page(saved: tuple[Page, Path]) -> None:
    page, _ = saved
    page.locator(".sw-alternative").first.evaluate(
        """node => {
            const row = node.closest("li");
            for (let i = 0; i < 9; i += 1) row.parentElement.append(row.cloneNode(true));
        }"""
    )
    assert page.locator(".sw-alternatives").evaluate("list => list.scrollHeight - list.clientHeight") == 0
    last = page.locator(".sw-alternative").last.bounding_box()
    panel = page.locator(".sw-panel:has(.sw-alternatives)").bounding_box()
    assert last is not None
    assert panel is not None
    assert last["y"] + last["height"] <= panel["y"] + panel["height"]


def test_words_of_a_saved_page_are_marked_as_english(saved: tuple[Page, Path]) -> None:
    page, path = saved
    assert '<html lang="en">' in path.read_text(encoding="utf-8")
    page.get_by_role("button", name="한국어").click()
    assert page.evaluate("document.documentElement.lang") == "ko"
    expect(page.locator(".sw-caption-language")).to_be_visible()
    for part in (".sw-word-text", ".sw-word-name", ".sw-tile-word", ".sw-alternative-text", ".sw-rival-word"):
        assert page.locator(f"{part}:not([lang=en])").count() == page.locator(f"{part}:text-is('(캡션 끝)')").count()


def test_markup_in_words_stays_text_in_a_saved_page(saved: tuple[Page, Path]) -> None:
    page, path = saved
    assert MARKUP not in path.read_text(encoding="utf-8")
    page.locator(".sw-alternative").nth(2).click()
    assert words(page) == list(NASTY)
    assert page.locator("img[src=x]").count() == 0
    assert "broken in" not in page.title()


def test_a_saved_page_forbids_the_network_and_names_no_path(saved: tuple[Page, Path], gradio_folder: Path) -> None:
    page, path = saved
    whole = path.read_text(encoding="utf-8")
    assert str(gradio_folder) not in whole
    assert "default-src 'none'" in whole
    other = page.context.new_page()  # whose console may complain
    other.goto(path.as_uri())
    refused = other.evaluate("fetch('data:text/plain,hello').then(() => 'let through', () => 'refused')")
    assert refused == "refused"
    assert page.evaluate("document.querySelectorAll('[src^=http], link, [href^=http]').length") == 0


def test_a_saved_page_is_dark_where_the_visitor_is(saved: tuple[Page, Path]) -> None:
    page, _ = saved
    expect(page.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("body")).to_have_css("background-color", "rgb(12, 10, 9)")
    expect(page.locator(".sw-viewer")).to_have_css("color", "rgb(245, 245, 244)")


def test_on_a_phone_everything_fits(phone: Visit) -> None:
    page, _ = phone
    give(page)
    page.locator("#sw-tab-takeaway").click()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_real_model_s_record_comes_back(browser: Browser, tiny_address: str, tmp_path: Path) -> None:
    for page, _ in visit(browser, tiny_address, 1280, 900):
        give(page)
        said = words(page)
        path, _ = take(page, "record", tmp_path)
        assert list(Description.load(path).at_width(5)[0].words) == said
        open_file(page, path.read_bytes())
        page.get_by_role("button", name=text.VIEWER["open_back"]).wait_for()
        assert words(page) == said
