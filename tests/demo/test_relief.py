"""The relief in a real browser: drawn with the card and with the pen, turned in every way, and saved as a 3-D file."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import caption, photo_bytes
from captioner.overlay import Projection, cell_projection, smooth_projection
from chromium import chromium_path
from demo import text
from visits import GRADIO_WARNINGS, RED_DOG, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
CAPTION = caption(RED_DOG, 4, 6, 0)
LAYER = (640, 427)  # of a photo of 96 x 64
COLUMNS, ROWS = 129, 86  # points of its mesh
LIFT = 0.5


def open_relief(page: Page) -> None:
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer[data-kind=result]").wait_for()
    page.locator("#sw-tab-relief").click()
    settle(page)


def settle(page: Page) -> None:
    page.locator(".sw-relief-canvas[data-drawer][data-settled=true]").wait_for()
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.locator(".sw-relief-canvas[data-settled=true]").wait_for()


def look(page: Page) -> NDArray[np.int64]:
    """The relief as it is on the screen."""
    settle(page)
    shot = page.locator(".sw-relief-frame").screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=np.int64)


def differ(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return float(np.abs(one - other).mean())


def take_glb(page: Page, folder: Path) -> tuple[dict[str, Any], bytes, str]:
    """The saved file's JSON, its bytes, and its name."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as 3-D file").click()
    path = folder / "relief.glb"
    download.value.save_as(path)
    whole = path.read_bytes()
    magic, version, length, room, kind = struct.unpack_from("<4s4I", whole)
    assert (magic, version, length, kind) == (b"glTF", 2, len(whole), 0x4E4F534A)
    assert room % 4 == 0
    bytes_long, bytes_kind = struct.unpack_from("<2I", whole, 20 + room)
    assert bytes_kind == 0x004E4942
    assert bytes_long % 4 == 0
    assert 28 + room + bytes_long == len(whole)
    return json.loads(whole[20 : 20 + room]), whole[28 + room :], download.value.suggested_filename


def accessor(found: dict[str, Any], content: bytes, place: int) -> NDArray[np.float64]:
    entry = found["accessors"][place]
    view = found["bufferViews"][entry["bufferView"]]
    kind = {5126: "<f4", 5123: "<u2"}[entry["componentType"]]
    size = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[entry["type"]]
    assert view["byteLength"] == entry["count"] * size * np.dtype(kind).itemsize
    assert view["byteOffset"] % 4 == 0
    assert view["byteOffset"] + view["byteLength"] <= len(content) == found["buffers"][0]["byteLength"]
    values = np.frombuffer(content, kind, entry["count"] * size, view["byteOffset"])
    return values.reshape(-1, size).astype(np.float64)


def expected_heights(projection: Projection, word: int) -> NDArray[np.float64]:
    """(ROWS, COLUMNS) of the map on the caption's scale, sampled as the mesh does."""
    layer = projection.apply(CAPTION.attention)[word] / projection.highest(CAPTION.attention)
    rows = np.minimum(LAYER[1] - 1, (np.arange(ROWS) / (ROWS - 1) * LAYER[1]).astype(int))
    columns = np.minimum(LAYER[0] - 1, (np.arange(COLUMNS) / (COLUMNS - 1) * LAYER[0]).astype(int))
    heights: NDArray[np.float64] = layer[np.ix_(rows, columns)].astype(np.float64)
    return heights


@pytest.fixture(scope="module")
def card_browser(browser: Browser) -> Iterator[Browser]:
    """A browser whose WebGL is drawn by the processor."""
    flags = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    with_card = browser.browser_type.launch(executable_path=chromium_path(), args=flags)
    yield with_card
    with_card.close()


@pytest.fixture
def card(card_browser: Browser, scripted_address: str) -> Iterator[Visit]:
    yield from visit(card_browser, scripted_address, 1280, 900)


def without_card(page: Page) -> None:
    """As in a browser that has no WebGL."""
    page.evaluate(
        """() => {
            const real = HTMLCanvasElement.prototype.getContext;
            HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
                return kind.startsWith("webgl") ? null : real.call(this, kind, ...more);
            };
        }"""
    )


def check_turning(page: Page) -> None:
    """Every way of turning changes the picture, and the start view brings back the first one."""
    canvas = page.locator(".sw-relief-canvas")
    start = look(page)
    assert start.std() > 5
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 120, box["y"] + box["height"] / 2 + 30, steps=4)
    page.mouse.up()
    seen = [start, look(page)]
    canvas.focus()
    for key in ("ArrowLeft", "ArrowUp", "+"):
        page.keyboard.press(key)
        seen.append(look(page))
    canvas.hover()
    page.mouse.wheel(0, 400)
    seen.append(look(page))
    for name in ("Turn right", "More from the side", "Farther"):
        page.get_by_role("button", name=name).click()
        seen.append(look(page))
    for before, after in pairwise(seen):
        assert differ(before, after) > 0.5
    page.get_by_role("button", name="Start view").click()
    page.mouse.move(0, 0)
    assert differ(start, look(page)) < 0.2


def check_changes(page: Page) -> None:
    """Another word, another height, the grid and the colours are seen."""
    page.mouse.move(0, 0)
    seen = [look(page)]
    page.locator(".sw-relief-word").nth(1).click()
    page.mouse.move(0, 0)
    seen.append(look(page))
    page.get_by_role("slider", name="Height").fill("0")
    seen.append(look(page))
    page.get_by_role("slider", name="Height").fill("1")
    seen.append(look(page))
    for name in ("Grid", "Colours"):
        toggle = page.get_by_role("button", name=name, exact=True)
        before = toggle.get_attribute("aria-pressed")
        toggle.click()
        assert toggle.get_attribute("aria-pressed") != before
        page.mouse.move(0, 0)
        seen.append(look(page))
    for before_it, after in pairwise(seen):
        assert differ(before_it, after) > 0.3


def test_the_relief_is_drawn_with_the_card_and_turned(card: Visit) -> None:
    page, watch = card
    open_relief(page)
    posts = len(watch.posts)
    expect(page.locator(".sw-relief-canvas")).to_have_attribute("data-drawer", "webgl")
    check_turning(page)
    check_changes(page)
    assert len(watch.posts) == posts


def test_the_relief_is_drawn_without_a_card(desktop: Visit) -> None:
    page, _ = desktop
    without_card(page)
    open_relief(page)
    expect(page.locator(".sw-relief-canvas")).to_have_attribute("data-drawer", "canvas")
    check_turning(page)
    check_changes(page)


def test_a_card_that_is_taken_away_leaves_the_pen(card: Visit) -> None:
    page, _ = card
    open_relief(page)
    page.locator(".sw-relief-canvas").evaluate(
        "(canvas) => canvas.getContext('webgl').getExtension('WEBGL_lose_context').loseContext()"
    )
    expect(page.locator(".sw-relief-canvas")).to_have_attribute("data-drawer", "canvas")
    assert look(page).std() > 5


def test_the_surface_moves_smoothly_and_stands_still_for_those_who_want_calm(desktop: Visit) -> None:
    page, _ = desktop
    open_relief(page)
    watch_frames = """() => {
        window.moves = 0;
        const moving = ({ target }) => target.dataset.settled === "false";
        const count = (all) => { window.moves += all.filter(moving).length; };
        const what = { attributes: true, attributeFilter: ["data-settled"] };
        new MutationObserver(count).observe(document.querySelector(".sw-relief-canvas"), what);
    }"""
    page.evaluate(watch_frames)
    page.locator(".sw-relief-word").nth(0).focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.wait_for_function("window.moves > 0")
    settle(page)
    page.emulate_media(reduced_motion="reduce")
    page.evaluate("window.moves = 0")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate("window.moves") == 0


def test_turning_by_itself_goes_on_until_stopped(desktop: Visit) -> None:
    page, _ = desktop
    open_relief(page)
    start = look(page)
    spin = page.get_by_role("button", name="Turn by itself")
    spin.click()
    expect(page.locator(".sw-relief-canvas")).to_have_attribute("data-settled", "false")
    expect(spin).to_have_attribute("aria-pressed", "true")
    spin.click()
    assert differ(start, look(page)) > 0.2


def test_calm_visitors_have_no_turning_by_itself(desktop: Visit) -> None:
    page, _ = desktop
    page.emulate_media(reduced_motion="reduce")
    open_relief(page)
    expect(page.get_by_role("button", name="Turn by itself")).to_be_disabled()


def test_the_relief_is_said_in_words_in_both_languages(desktop: Visit) -> None:
    page, _ = desktop
    open_relief(page)
    page.locator(".sw-relief-word").nth(2).click()
    page.mouse.move(0, 0)
    canvas = page.locator(".sw-relief-canvas")
    label = canvas.get_attribute("aria-label") or ""
    assert "dog: " in label
    top = smooth_projection((4, 6), LAYER)
    highest = 100 * top.apply(CAPTION.attention)[2].max()
    expect(page.locator(".sw-relief-peak")).to_contain_text(
        f"“dog”: {highest:.0f} %" if highest >= 10 else f"{highest:.1f}"
    )
    page.get_by_role("button", name="한국어").click()
    expect(page.locator(".sw-relief-peak")).to_contain_text("가장 높은 곳")
    settle(page)


@pytest.mark.parametrize("style", ["smooth", "cells"])
def test_the_saved_relief_is_a_valid_file_whose_heights_are_the_map(desktop: Visit, tmp_path: Path, style: str) -> None:
    page, _ = desktop
    open_relief(page)
    page.locator(f".sw-styles [data-style={style}]").click()
    page.locator(".sw-relief-word").nth(1).click()
    found, content, name = take_glb(page, tmp_path)
    assert name == "saywhere-a-red-dog.glb"
    assert found["asset"]["version"] == "2.0"
    assert found["nodes"][0]["name"] == "red"
    primitive = found["meshes"][0]["primitives"][0]
    places = accessor(found, content, primitive["attributes"]["POSITION"])
    normals = accessor(found, content, primitive["attributes"]["NORMAL"])
    spots = accessor(found, content, primitive["attributes"]["TEXCOORD_0"])
    joins = accessor(found, content, primitive["indices"]).astype(int).ravel()
    assert len(places) == len(normals) == len(spots) == ROWS * COLUMNS
    assert joins.max() == len(places) - 1
    bounds = found["accessors"][primitive["attributes"]["POSITION"]]
    assert bounds["min"] == pytest.approx(places.min(axis=0))
    assert bounds["max"] == pytest.approx(places.max(axis=0))
    assert np.linalg.norm(normals, axis=1) == pytest.approx(1, abs=1e-5)
    assert (spots.min(), spots.max()) == (0, 1)
    corners = places[joins.reshape(-1, 3)]  # triangles, seen from above counter-clockwise
    assert (np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 1] > 0).all()
    projection = (smooth_projection if style == "smooth" else cell_projection)((4, 6), LAYER)
    heights = places[:, 1].reshape(ROWS, COLUMNS) / LIFT
    assert heights == pytest.approx(expected_heights(projection, 1), abs=2e-3)
    picture = found["bufferViews"][found["images"][0]["bufferView"]]
    jpeg = content[picture["byteOffset"] : picture["byteOffset"] + picture["byteLength"]]
    address = page.locator(".sw-photo").get_attribute("src") or ""
    assert jpeg == base64.b64decode(address.partition(",")[2])
    assert Image.open(io.BytesIO(jpeg)).size == (96, 64)


def test_on_a_phone_the_relief_fits_and_scrolls_past(phone: Visit) -> None:
    page, _ = phone
    open_relief(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(".sw-relief-canvas").evaluate("(node) => getComputedStyle(node).touchAction") == "pan-y"
    expect(page.locator(".sw-relief")).to_contain_text(text.VIEWER["relief_help"])
