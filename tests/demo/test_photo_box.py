"""How a photo is given: the box and its buttons, a drop or a paste anywhere; and that a refusal takes nothing away."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import cast
from urllib.parse import urlsplit

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from builders import photo, photo_bytes
from captioner.captioner import Captioner
from captioner.interrupt import check_wanted
from captioner.photo import PHOTO_ENDINGS
from chromium import chromium_path
from demo import text
from demo.scripts import STATIC
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch, serve, visit

pytestmark = GRADIO_WARNINGS
T = text.VIEWER
KOREAN = text.read_languages()["ko"]
Visit = tuple[Page, Watch]
MIDDLE_OF_THE_PHOTO = ".sw-stage .sw-map"
TALL = (40, 80)  # a photo that is no other here

NEW_FILES = """([files, texts]) => {
    const data = new DataTransfer();
    for (const { name, type, content } of files) {
        data.items.add(new File([Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0))], name, { type }));
    }
    for (const [type, said] of Object.entries(texts)) data.setData(type, said);
    return data;
}"""
DROP = f"""(node, given) => {{
    const dataTransfer = ({NEW_FILES})(given);
    const over = new DragEvent("dragover", {{ dataTransfer, bubbles: true, cancelable: true }});
    const drop = new DragEvent("drop", {{ dataTransfer, bubbles: true, cancelable: true }});
    return [node.dispatchEvent(over), node.dispatchEvent(drop)];
}}"""
PASTE = f"""(node, given) => {{
    const clipboardData = ({NEW_FILES})(given);
    return node.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData, bubbles: true, cancelable: true }}));
}}"""


def heic(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    pillow_heif.from_pillow(photo(width, height)).save(buffer)
    return buffer.getvalue()


def file(name: str, kind: str, content: bytes) -> dict[str, str]:
    return {"name": name, "type": kind, "content": base64.b64encode(content).decode()}


def png(size: tuple[int, int] = TALL, name: str = "photo.png") -> dict[str, str]:
    return file(name, "image/png", photo_bytes(photo(*size)))


def choose(page: Page, size: tuple[int, int]) -> None:
    chosen = page.locator("#sw-photo-input input[type=file]").first
    chosen.set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes(photo(*size))})


def has_result(page: Page, size: tuple[int, int]) -> None:
    """Wait for the result of a photo of this size."""
    shown = ".sw-viewer[data-kind=result] .sw-photo"
    page.wait_for_function(
        """([shown, width, height]) => {
            const image = document.querySelector(shown);
            return image && image.naturalWidth === width && image.naturalHeight === height;
        }""",
        arg=[shown, *size],
    )


def way(page: Page, name: str) -> Locator:
    """A button of the photo box."""
    return page.get_by_role("button", name=T[f"photo_{name}"], exact=True)


def says(page: Page, key: str, **values: str) -> None:
    """The sentence is read over the page, once, and at once by a screen reader."""
    expect(page.locator(".sw-notice").get_by_role("alert")).to_have_text(T[key].format(**values))


@contextmanager
def result_kept(page: Page, size: tuple[int, int] = (90, 60)) -> Iterator[None]:
    """With a result of this size on show before, which is on show afterwards too, without a question to the server."""
    choose(page, size)
    has_result(page, size)
    page.locator(".sw-caption .sw-word").nth(1).click()
    yield
    has_result(page, size)
    expect(page.locator(".sw-caption .sw-word").nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".sw-photo-given")).to_be_visible()


def test_every_photo_of_a_folder_may_be_chosen_and_more() -> None:
    script = (STATIC / "photo_file.js").read_text(encoding="utf-8")
    for ending in PHOTO_ENDINGS:
        assert f'"{ending.removeprefix(".")}"' in script


@pytest.mark.browser
def test_the_box_comes_though_its_place_is_made_last(browser: Browser, scripted_address: str) -> None:
    context = browser.new_context()
    context.add_init_script(
        """const find = document.querySelector.bind(document);
        let asked = false;
        document.querySelector = (selector) => {
            if (selector !== ".sw-photo-place" || asked) return find(selector);
            asked = true;
            return null;
        };"""
    )
    page = context.new_page()
    page.goto(scripted_address)
    page.locator(".sw-viewer[data-kind]").wait_for()
    page.locator("body").evaluate("body => body.append(document.createElement('p'))")
    choose(page, TALL)
    has_result(page, TALL)
    context.close()


@pytest.mark.browser
class TestButtons:
    def test_the_upload_button_opens_the_dialog_and_keeps_the_result(self, desktop: Visit) -> None:
        page, _ = desktop
        with result_kept(page), page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=T["photo_upload"]).click()
        chooser.value.set_files({"name": "p.png", "mimeType": "image/png", "buffer": photo_bytes(photo(*TALL))})
        has_result(page, TALL)

    def test_the_photo_itself_opens_the_dialog_too(self, desktop: Visit) -> None:
        page, _ = desktop
        with result_kept(page), page.expect_file_chooser():
            page.get_by_role("button", name=T["photo_placeholder"].replace("|", " ")).click()

    @pytest.mark.parametrize("size", [(900, 300), (300, 900), (500, 400)])
    def test_no_photo_covers_the_buttons(self, phone: Visit, size: tuple[int, int]) -> None:
        page, _ = phone
        choose(page, size)
        has_result(page, size)
        height, gap = page.locator(".sw-photo-box").evaluate(  # at once: the page may be scrolling
            """box => {
                const edges = (part) => box.querySelector(part).getBoundingClientRect();
                const given = edges(".sw-photo-given");
                return [given.height, edges(".sw-photo-ways").top - given.bottom];
            }"""
        )
        assert height > 50
        assert gap >= 0

    def test_the_same_file_can_be_chosen_once_more(self, desktop: Visit) -> None:
        page, watch = desktop
        for count in (1, 2):
            choose(page, TALL)
            has_result(page, TALL)
            assert sum("upload" in post for post in watch.posts) == count

    def test_a_refused_clipboard_is_a_sentence(self, desktop: Visit) -> None:
        page, _ = desktop
        with result_kept(page):
            way(page, "paste").click()
            says(page, "paste_refused")
        page.locator(".sw-notice").get_by_role("button", name=T["errand_close"]).click()
        expect(page.locator(".sw-notice")).to_be_hidden()

    def test_the_photo_in_the_clipboard_is_captioned_and_a_text_is_not(self, desktop: Visit) -> None:
        page, _ = desktop
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        with result_kept(page):
            page.evaluate("navigator.clipboard.writeText('some words')")
            way(page, "paste").click()
            says(page, "photo_link")
        page.evaluate(
            """async (address) => {
                const image = await (await fetch(address)).blob();
                await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
            }""",
            f"data:image/png;base64,{png()['content']}",
        )
        way(page, "paste").click()
        has_result(page, TALL)
        expect(page.locator(".sw-notice")).to_be_hidden()  # a new photo takes the sentence away

    def test_a_browser_that_cannot_read_the_clipboard_names_the_keys(self, desktop: Visit) -> None:
        page, _ = desktop
        page.evaluate("delete Clipboard.prototype.read")
        with result_kept(page):
            way(page, "paste").click()
            says(page, "paste_keys")

    def test_no_camera_is_a_sentence(self, desktop: Visit) -> None:
        page, _ = desktop
        fail = "name => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }"
        with result_kept(page):
            way(page, "camera").click()
            says(page, "camera_none")  # this machine has none
            for problem, key in (
                ("NotAllowedError", "camera_refused"),
                ("NotReadableError", "camera_busy"),
                ("AnotherError", "toast_camera"),
            ):
                page.evaluate(fail, problem)
                way(page, "camera").click()
                says(page, key)
        expect(page.locator(".sw-camera")).to_be_hidden()

    def test_the_sentence_follows_the_language(self, desktop: Visit) -> None:
        page, _ = desktop
        way(page, "paste").click()
        page.get_by_role("button", name="한국어").click()
        expect(page.locator(".sw-notice").get_by_role("alert")).to_have_text(KOREAN["paste_refused"])

    def test_what_is_too_large_is_never_sent(self, desktop: Visit) -> None:
        page, watch = desktop
        with result_kept(page):
            watch.posts.clear()
            page.evaluate(
                """() => {
                    const file = new File([new Uint8Array(30 * 2 ** 20 + 1)], "large.jpg", { type: "image/jpeg" });
                    const dataTransfer = new DataTransfer();
                    dataTransfer.items.add(file);
                    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
                }"""
            )
            says(page, "toast_large")
            assert not any("upload" in post for post in watch.posts)

    def test_a_file_that_is_not_let_through_is_a_sentence(self, desktop: Visit) -> None:
        page, watch = desktop
        size = f"{round(len(photo_bytes(photo(*TALL))) / 1000)} kB"
        answers = {413: "proxy_limit", 403: "foreign", 507: "toast_full", 429: "toast_often", 400: "toast_other"}
        with result_kept(page):
            for status, key in answers.items():
                page.route("**/upload*", lambda route, _, status=status: route.fulfill(status=status, body="no"))
                choose(page, TALL)
                says(page, key, size=size)
        assert all("status of" in error for error in watch.errors)
        watch.errors.clear()


class Held(ScriptedCaptioner):
    """Says nothing of a tall photo until `free` is set."""

    def __init__(self) -> None:
        self.free = Event()

    def encode(self, photos):  # type: ignore[no-untyped-def]
        while photos[0].size == TALL and not self.free.wait(0.02):
            check_wanted()
        return super().encode(photos)


@pytest.mark.browser
def test_a_refusal_leaves_the_photo_under_way_alone(browser: Browser, gradio_folder: Path) -> None:
    captioner = Held()
    for address in serve(lambda: cast(Captioner, captioner)):
        for page, _ in visit(browser, address, 1280, 900):
            choose(page, TALL)
            for name, key in (("paste", "paste_refused"), ("camera", "camera_none")):
                expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "looking")
                page.context.grant_permissions(["camera"] if name == "camera" else [])
                way(page, name).click()
                says(page, key)
            page.locator("body").evaluate(DROP, [[], {"text/plain": "words"}])
            says(page, "photo_link")
            expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "looking")
            captioner.free.set()
            has_result(page, TALL)


@contextmanager
def launched(browser: Browser, *options: str) -> Iterator[Browser]:
    """A browser of its own with these options."""
    other = browser.browser_type.launch(
        executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu", *options]
    )
    yield other
    other.close()


@pytest.mark.browser
class TestOtherBrowsers:
    def test_over_http_by_a_hosts_name_the_buttons_name_https(self, browser: Browser, scripted_address: str) -> None:
        port = urlsplit(scripted_address).port
        with launched(browser, "--host-resolver-rules=MAP school-pc 127.0.0.1") as other:
            page = other.new_page()
            page.goto(f"http://school-pc:{port}")
            page.locator(".sw-viewer[data-kind]").wait_for()
            assert page.evaluate("window.isSecureContext") is False
            with result_kept(page):
                way(page, "paste").click()
                says(page, "paste_http")
                way(page, "camera").click()
                says(page, "camera_http")
            page.locator("body").evaluate(PASTE, [[png()], {}])  # what the sentence says to do
            has_result(page, TALL)
            page.reload()
            has_result(page, TALL)

    def test_the_camera_takes_a_photo_and_is_off_afterwards(self, browser: Browser, scripted_address: str) -> None:
        fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        with launched(browser, *fake) as other:
            page = other.new_page()
            page.goto(scripted_address)
            page.locator(".sw-viewer[data-kind]").wait_for()
            page.evaluate(
                """() => {
                    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
                    navigator.mediaDevices.getUserMedia = async (wanted) => (window.stream = await ask(wanted));
                }"""
            )
            live = "window.stream.getTracks().some((track) => track.readyState === 'live')"
            with result_kept(page):
                way(page, "camera").click()
                expect(page.locator(".sw-camera-video")).to_be_visible()
                assert page.evaluate(live)
                page.keyboard.press("Escape")
                expect(page.locator(".sw-camera")).to_be_hidden()
                page.wait_for_function(f"!({live})")
            way(page, "camera").click()
            expect(page.locator(".sw-camera-video")).to_be_visible()
            size = page.locator(".sw-camera-video").evaluate("video => [video.videoWidth, video.videoHeight]")
            assert min(size) > 0
            page.get_by_role("button", name=T["camera_shoot"]).click()
            scale = min(1, 1024 / max(size))
            has_result(page, (round(size[0] * scale), round(size[1] * scale)))
            page.wait_for_function(f"!({live})")


@pytest.mark.browser
class TestArrivals:
    def test_a_photo_may_be_dropped_anywhere(self, desktop: Visit) -> None:
        page, _ = desktop
        for height, place in enumerate((MIDDLE_OF_THE_PHOTO, ".sw-photo-drop", ".sw-masthead", "body"), 60):
            kept = page.locator(place).first.evaluate(DROP, [[png((40, height))], {}])
            assert kept == [False, False], place  # the browser does not go to the file
            has_result(page, (40, height))

    def test_a_file_dragged_from_outside_keeps_the_page(self, desktop: Visit, tmp_path: Path) -> None:
        page, _ = desktop
        dropped = tmp_path / "dropped.png"
        dropped.write_bytes(photo_bytes(photo(*TALL)))
        drag(page, MIDDLE_OF_THE_PHOTO, {"items": [], "files": [str(dropped)]})
        has_result(page, TALL)
        assert "127.0.0.1" in page.url

    def test_a_folder_is_a_sentence(self, desktop: Visit, tmp_path: Path) -> None:
        page, _ = desktop
        (tmp_path / "photos").mkdir()
        with result_kept(page):
            drag(page, ".sw-photo-drop", {"items": [], "files": [str(tmp_path / "photos")]})
            says(page, "photo_folder")

    @pytest.mark.parametrize("place", [MIDDLE_OF_THE_PHOTO, ".sw-photo-drop"])
    def test_a_link_or_text_is_a_sentence(self, desktop: Visit, place: str) -> None:
        page, watch = desktop
        with result_kept(page):
            for kind in ("text/uri-list", "text/plain", "text/html"):
                drag(page, place, {"items": [{"mimeType": kind, "data": "http://127.0.0.1:9/cat.jpg"}], "files": []})
                says(page, "photo_link")
                page.locator(".sw-notice button").click()
        assert page.url.startswith("http://127.0.0.1")
        assert not any(":9/" in address for address in watch.posts)

    def test_of_several_files_the_first_photo_is_taken_and_named(self, desktop: Visit) -> None:
        page, _ = desktop
        note = file("notes.txt", "text/plain", b"hello there, no photo")
        page.locator("body").evaluate(DROP, [[note, png(name="one.png"), png((60, 30), "two.png")], {}])
        has_result(page, TALL)
        says(page, "photo_first", name="one.png")

    def test_what_is_no_photo_takes_nothing_away(self, desktop: Visit) -> None:
        page, watch = desktop
        others = {"notes.txt": "text/plain", "notes": "", "letter.pdf": "application/pdf", "film.mp4": "video/mp4"}
        with result_kept(page):
            watch.posts.clear()
            for name, kind in others.items():
                page.locator("body").evaluate(DROP, [[file(name, kind, b"hello there, no photo")], {}])
                says(page, "toast_kind")
                page.locator(".sw-notice button").click()
            assert not any("upload" in post for post in watch.posts)

    @pytest.mark.parametrize("way", [DROP, PASTE], ids=["drop", "paste"])
    def test_a_heic_without_a_type_is_a_photo(self, desktop: Visit, way: str) -> None:
        page, _ = desktop
        names = {
            "a.HEIC": "",
            "b.heic": "application/octet-stream",
            "c.heif": "image/heif",
            "d": "",  # only its bytes say it
            "e.bin": "application/octet-stream",
        }
        for height, (name, kind) in enumerate(names.items(), 80):
            page.locator("body").evaluate(way, [[file(name, kind, heic(64, height))], {}])
            has_result(page, (64, height))
            expect(page.locator(".sw-photo-given")).to_be_visible()  # as the server shows it

    def test_other_kinds_without_a_type_are_photos(self, desktop: Visit) -> None:
        page, _ = desktop
        for height, (kind, ending) in enumerate(
            {"AVIF": "avif", "TIFF": "TIF", "JPEG": "jfif", "BMP": "bmp"}.items(), 60
        ):
            content = photo_bytes(photo(40, height), kind)
            page.locator("body").evaluate(DROP, [[file(f"photo.{ending}", "", content)], {}])
            has_result(page, (40, height))

    def test_a_heic_is_chosen_in_the_dialog(self, desktop: Visit) -> None:
        page, _ = desktop
        chosen = page.locator("#sw-photo-input input[type=file]").first
        assert ".heic" in (chosen.get_attribute("accept") or "").split(",")
        payload = {"name": "a.HEIC", "mimeType": "application/octet-stream", "buffer": heic(64, 96)}
        chosen.set_input_files(payload)  # type: ignore[arg-type]
        has_result(page, (64, 96))

    def test_what_was_dragged_on_the_page_itself_is_no_new_photo(self, desktop: Visit) -> None:
        page, _ = desktop
        with result_kept(page):
            page.locator(MIDDLE_OF_THE_PHOTO).dispatch_event("dragstart")
            page.locator("body").evaluate(DROP, [[png()], {}])
            page.locator(MIDDLE_OF_THE_PHOTO).dispatch_event("dragend")
        page.locator("body").evaluate(DROP, [[png()], {}])
        has_result(page, TALL)


@pytest.mark.browser
class TestPaste:
    def test_the_keys_paste_a_photo_anywhere(self, desktop: Visit) -> None:
        page, _ = desktop
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.evaluate(
            """async (address) => {
                const image = await (await fetch(address)).blob();
                await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
            }""",
            f"data:image/png;base64,{png()['content']}",
        )
        page.keyboard.press("Control+v")
        has_result(page, TALL)
        for focus in (".sw-slider", ".sw-tab", ".sw-photo-drop"):
            choose(page, (90, 60))
            has_result(page, (90, 60))
            page.locator(focus).first.focus()
            page.keyboard.press("Control+v")
            has_result(page, TALL)

    def test_a_pasted_text_is_a_sentence_but_not_where_text_is_typed(self, desktop: Visit) -> None:
        page, _ = desktop
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.evaluate("navigator.clipboard.writeText('4V46XP')")
        with result_kept(page):
            page.keyboard.press("Control+v")
            says(page, "photo_link")
            page.locator(".sw-notice button").click()
            page.get_by_role("button", name=T["room_join"]).click()
            page.locator(".sw-room-field").focus()
            page.keyboard.press("Control+v")
            expect(page.locator(".sw-room-field")).to_have_value("4V46XP")
            expect(page.locator(".sw-notice")).to_be_hidden()
            page.keyboard.press("Escape")

    def test_in_a_room_a_photo_waits_until_it_is_left(self, desktop: Visit) -> None:
        page, _ = desktop
        with result_kept(page):
            page.get_by_role("button", name=T["room_join"]).click()
            for way in (PASTE, DROP):
                page.locator(".sw-room").evaluate(way, [[png()], {}])
                says(page, "photo_room")
                page.locator(".sw-notice").get_by_role("button").click()  # within reach, though the page is not
            page.keyboard.press("Escape")
        page.locator("body").evaluate(PASTE, [[png()], {}])
        has_result(page, TALL)


@pytest.mark.browser
class TestTwoPhotos:
    def test_a_heic_is_the_second_photo(self, desktop: Visit) -> None:
        page, _ = desktop
        choose(page, (90, 60))
        has_result(page, (90, 60))
        page.locator("#sw-tab-compare").click()
        page.locator("[data-way=file]").click()
        assert ".heic" in (page.locator(".sw-drop-input").get_attribute("accept") or "").split(",")
        for name, kind in (("b.heic", ""), ("c.HEIC", "application/octet-stream")):
            page.locator(".sw-drop").evaluate(DROP, [[file(name, kind, heic(64, 96))], {}])
            page.locator(".sw-compare-go").click()
            seen = page.locator(".sw-sight-photo").last
            page.wait_for_function("node => node.naturalWidth === 64", arg=seen.element_handle())
        page.locator(".sw-drop").evaluate(DROP, [[], {"text/uri-list": "http://127.0.0.1:9/"}])
        expect(page.locator(".sw-drop-box").get_by_role("alert")).to_have_text(T["photo_link"])
        has_result(page, (90, 60))


def drag(page: Page, place: str, data: dict[str, object]) -> None:
    """Drag something from another window onto a place and drop it there."""
    page.locator(place).first.scroll_into_view_if_needed()
    box = page.locator(place).first.bounding_box()
    assert box is not None
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": {**data, "dragOperationsMask": 1}})


def test_the_corpus_of_this_file_is_what_it_says() -> None:
    """A HEIC that no browser but Safari shows."""
    assert heic(64, 96)[4:12] == b"ftypheic"
    with Image.open(io.BytesIO(photo_bytes(photo(*TALL), "AVIF"))) as image:
        assert image.format == "AVIF"
