"""A teacher and two pupils in browsers of their own: joining, pointing, the class map, the end."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from builders import caption, photo_bytes
from captioner.overlay import colour_layers, smooth_projection
from demo import text
from demo.room import class_map, compare
from visits import GRADIO_WARNINGS, RED_DOG, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

SAY = text.VIEWER
ATTENTION = caption(RED_DOG, 4, 6, 0).attention


def open_room(page: Page) -> str:
    """A room on the third word, "dog"; its code."""
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    )
    page.locator(".sw-viewer[data-kind=result] .sw-caption .sw-word").nth(2).click()
    page.get_by_role("button", name=SAY["room"], exact=True).click()
    return page.locator(".sw-room-code").inner_text()


def join(page: Page, code: str) -> None:
    page.get_by_role("button", name=SAY["room_join"]).click()
    page.get_by_role("textbox", name=SAY["room_code_label"]).fill(code)
    page.keyboard.press("Enter")


def deed(page: Page, key: str) -> None:
    page.get_by_role("button", name=SAY[key], exact=True).click()


def point(page: Page, x: float, y: float) -> None:
    box = page.locator(".sw-room .sw-picture").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def coloured(page: Page, place: int) -> NDArray[np.float64]:
    """(4, 6) the share of its colour that a picture's map has in each cell."""
    sums = (
        page.locator(".sw-room .sw-map")
        .nth(place)
        .evaluate(
            """canvas => {
            const { width, height } = canvas;
            const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
            const sums = new Array(24).fill(0);
            for (let i = 0; i < width * height; i += 1) {
                const row = Math.floor((Math.floor(i / width) * 4) / height);
                sums[row * 6 + Math.floor(((i % width) * 6) / width)] += pixels[4 * i + 3];
            }
            return sums;
        }"""
        )
    )
    cells = np.reshape(np.asarray(sums, dtype=np.float64), (4, 6))
    return np.asarray(cells / cells.sum())


def expected_colour(attention: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same of a map as the library draws it, on a scale of its own."""
    layer = smooth_projection((4, 6), (600, 400)).apply(attention[None])
    cells = colour_layers(layer, float(layer.max()))[0, ..., 3].reshape(4, 100, 6, 100).sum(axis=(1, 3), dtype=float)
    return np.asarray(cells / cells.sum())


@pytest.fixture
def teacher(browser: Browser, scripted_address: str) -> Iterator[tuple[Page, Watch]]:
    yield from visit(browser, scripted_address, 1280, 800)


@pytest.fixture
def pupil(browser: Browser, scripted_address: str) -> Iterator[tuple[Page, Watch]]:
    yield from visit(browser, scripted_address, 390, 844)


def test_a_class_points_at_a_word_and_sees_its_map(
    teacher: tuple[Page, Watch], pupil: tuple[Page, Watch], browser: Browser, scripted_address: str
) -> None:
    board, first = teacher[0], pupil[0]
    code = open_room(board)
    expect(board.locator(".sw-room-local")).to_contain_text("--host 0.0.0.0")
    expect(board.locator(".sw-room-qr")).to_have_count(0)
    join(first, code.lower())
    question = SAY["guess_question"].format(word="dog")
    expect(first.locator(".sw-room-title")).to_have_text(question)
    for second, _ in visit(browser, f"{scripted_address}/?room={code}", 800, 700, locale="ko-KR"):
        second.locator(".sw-room-pictures").wait_for()
        expect(second.locator(".sw-room-title")).to_contain_text("dog")
        assert "room=" not in second.url
        point(first, 0.1, 0.1)
        point(first, 0.9, 0.9)  # row 3, column 5
        expect(first.locator(".sw-room-lines")).to_have_text(SAY["room_marked"])
        second.keyboard.press("ArrowRight")  # 0.52, 0.5: row 2, column 3
        second.keyboard.press("Enter")
        expect(board.locator(".sw-room-count")).to_have_text(SAY["room_count"].format(present=2, pointed=2))
        expect(first.locator(".sw-room .sw-map")).to_have_count(0)
        first.reload()
        first.locator(".sw-room-mark").wait_for()
        deed(board, "room_class")
        points = [(0.9, 0.9), (0.52, 0.5)]
        expect(first.locator(".sw-room-title")).to_have_text(SAY["room_title_class"].format(word="dog"))
        np.testing.assert_allclose(coloured(board, 0), expected_colour(class_map(points, (4, 6))), atol=0.01)
        deed(board, "room_model")
        found = compare(points, ATTENTION[2])
        said = SAY["room_within"].format(
            within=found.within, pointed=2, half=found.half, total=24, expected=f"{found.expected:.2f}"
        )
        for page in (board, first):
            expect(page.locator(".sw-room-lines p").first).to_have_text(said)
            expect(page.locator(".sw-room-lines")).to_contain_text(f"{abs(found.correlation or 0):.2f}")
            expect(page.locator(".sw-room-lines")).to_contain_text(SAY["claim"])
            np.testing.assert_allclose(coloured(page, 1), expected_colour(ATTENTION[2]), atol=0.01)
        expect(second.locator(".sw-room .sw-map")).to_have_count(2)
        assert first.evaluate("document.querySelector('.sw-room').scrollWidth") == 390
        board.get_by_role("button", name=SAY["guess_next"], exact=True).click()
        expect(first.locator(".sw-room-title")).to_have_text(SAY["guess_question"].format(word=RED_DOG[0]))
        expect(first.locator(".sw-room-mark")).to_have_count(0)
        deed(board, "room_close")
        expect(first.locator(".sw-room-title")).to_have_text(SAY["guess_question"].format(word=RED_DOG[0]))
        deed(board, "room_close_sure")
        expect(board.locator(".sw-room")).to_be_hidden()
        expect(first.locator(".sw-room-told")).to_have_text(SAY["room_gone"])
        expect(second.locator(".sw-room-told")).to_be_visible()


def test_a_wrong_code_is_said_to_be_one(pupil: tuple[Page, Watch]) -> None:
    page, _ = pupil
    join(page, "222222")
    expect(page.get_by_role("alert")).to_have_text(text.NO_ROOM)
    expect(page.get_by_role("textbox", name=SAY["room_code_label"])).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".sw-room")).to_be_hidden()


def test_a_teacher_goes_on_with_another_caption_and_comes_back_after_a_reload(
    teacher: tuple[Page, Watch], pupil: tuple[Page, Watch]
) -> None:
    board, first = teacher[0], pupil[0]
    code = open_room(board)
    join(first, code)
    expect(first.locator(".sw-room-title")).to_contain_text("dog")
    expect(board.get_by_role("button", name=SAY["room_take"])).to_be_hidden()
    board.keyboard.press("Escape")
    expect(board.locator(".sw-room")).to_be_hidden()
    board.locator(".sw-alternative").nth(1).click()
    board.locator(".sw-caption .sw-word").nth(4).click()
    deed(board, "room")
    expect(board.locator(".sw-room-title")).to_contain_text("dog")  # what the class sees, until told otherwise
    deed(board, "room_take")
    expect(board.locator(".sw-room-code")).to_have_text(code)
    expect(first.locator(".sw-room-title")).to_contain_text("water")
    board.reload()
    board.locator(".sw-room-code").wait_for()
    expect(board.locator(".sw-room-code")).to_have_text(code)
    expect(board.locator(".sw-room-title")).to_contain_text("water")
    deed(board, "room_close")
    deed(board, "room_close_sure")
    expect(first.locator(".sw-room-told")).to_have_text(SAY["room_gone"])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_room_stands_in_nobodys_way(browser: Browser, scripted_address: str, theme: str) -> None:
    for board, _ in visit(browser, f"{scripted_address}/?__theme={theme}", 1280, 800):
        code = open_room(board)
        for phone, _ in visit(browser, f"{scripted_address}/?__theme={theme}", 390, 844):
            join(phone, "222222")
            expect(phone.get_by_role("alert")).to_have_text(text.NO_ROOM)
            assert findings(phone) == []
            phone.get_by_role("textbox").fill(code)
            phone.keyboard.press("Enter")
            expect(phone.locator(".sw-room-title")).to_contain_text("dog")
            assert findings(phone) == []
        deed(board, "room_model")
        expect(board.locator(".sw-room-lines")).to_have_text(SAY["room_nobody"])
        assert findings(board) == []
        assert board.evaluate("document.querySelector('.sw-room').scrollWidth") == 1280
        board.keyboard.press("Tab")
        assert board.evaluate("document.querySelector('.sw-room').contains(document.activeElement)")
        deed(board, "room_close")
        deed(board, "room_close_sure")


def findings(page: Page) -> list[tuple[str, str]]:
    found = Axe().run(page, context={"include": [[".sw-room"]]}).response["violations"]
    return [(one["id"], one["nodes"][0]["target"][0]) for one in found if one["impact"] in ("serious", "critical")]
