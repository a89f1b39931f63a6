"""A visitor's result when the page is loaded anew and when its server is: a real server, killed and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from builders import photo, photo_bytes
from demo import text
from visits import GRADIO_WARNINGS, RED_DOG, Watch, free_port, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]
T = text.VIEWER
TESTS = Path(__file__).resolve().parents[1]
SIZE, OTHER = (90, 60), (40, 80)

# Starts the scripted page for every line it reads, with its uploads in the folder named there; an empty line kills it.
SERVER = """
import os, signal, sys
sys.path[:0] = sys.argv[2:]
from demo.page import build_page, launch_page
from visits import ScriptedCaptioner

def serve(folder):
    os.environ["GRADIO_TEMP_DIR"] = folder
    page = build_page(ScriptedCaptioner)
    launch_page(page, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    page.block_thread()

child = 0
for line in sys.stdin:
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        child = 0
    if line.strip():
        child = os.fork()
        if not child:
            serve(line.strip())
    else:
        print("killed", flush=True)
"""


class Server:
    """The scripted page in a process of its own; no start finds the files of the one before."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.starts = 0
        self.running = False
        command = [sys.executable, "-c", SERVER, str(self.port), str(TESTS.parent), str(TESTS)]
        with (place / "errors").open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def start(self) -> None:
        self.starts += 1
        folder = self.place / f"start {self.starts}"
        folder.mkdir()
        self._tell(str(folder), "ready")
        self.running = True

    def kill(self) -> None:
        self._tell("", "killed")
        self.running = False

    def close(self) -> None:
        self.kill()
        self.process.communicate()

    def _tell(self, line: str, answer: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == f"{answer}\n", (self.place / "errors").read_text()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def server(process: Server) -> Server:
    """A server that runs."""
    if not process.running:
        process.start()
    return process


@pytest.fixture
def desktop(browser: Browser, server: Server) -> Iterator[tuple[Page, Watch]]:
    """A page with a result."""
    for page, watch in visit(browser, server.address, 1280, 900):
        choose(page, SIZE)
        has_result(page, SIZE)
        yield page, watch
        watch.errors[:] = [error for error in watch.errors if "Failed to load resource" not in error]  # no server


def choose(page: Page, size: tuple[int, int]) -> None:
    chosen = page.locator("#sw-photo-input input[type=file]").first
    chosen.set_input_files({"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes(photo(*size))})


def has_result(page: Page, size: tuple[int, int]) -> None:
    page.wait_for_function(
        """([width, height]) => {
            const image = document.querySelector(".sw-viewer[data-kind=result] .sw-photo");
            return image && image.naturalWidth === width && image.naturalHeight === height;
        }""",
        arg=list(size),
        timeout=60_000,
    )


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def force(page: Page) -> None:
    """Put another word in the first one's place; its caption begins with that."""
    page.locator(".sw-caption .sw-word").first.click()
    rival = page.locator(".sw-rival .sw-force").nth(1)
    said = rival.locator(".sw-rival-word").inner_text()
    rival.click()
    expect(page.locator(".sw-given")).to_be_visible()
    assert words(page)[0] == said


def posts(watch: Watch, door: str) -> int:
    return sum(door in post for post in watch.posts)


def test_a_result_outlives_a_reload_and_the_way_back(desktop: tuple[Page, Watch], server: Server) -> None:
    page, watch = desktop
    page.get_by_role("slider", name="Beam width").focus()
    page.keyboard.press("ArrowLeft")
    page.locator(".sw-alternative").nth(1).click()
    page.locator(".sw-caption .sw-word").nth(3).click()
    said = words(page)
    assert said != list(RED_DOG)
    watch.posts.clear()
    for again in (page.reload, lambda: (page.goto("about:blank"), page.go_back())):
        again()
        has_result(page, SIZE)
        assert words(page) == said
        expect(page.locator(".sw-caption .sw-word").nth(3)).to_have_attribute("aria-pressed", "true")
        expect(page.locator(".sw-width")).to_have_text("4")
        expect(page.locator(".sw-photo-given")).to_be_visible()
    assert posts(watch, "look") == posts(watch, "upload") == 0
    server.kill()
    page.locator(".sw-caption .sw-word").first.click()  # all maps are here
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    assert page.locator(".sw-map").evaluate(drawn)


def test_what_a_forced_word_changed_is_kept_with_the_way_back_to_the_caption_before(
    desktop: tuple[Page, Watch],
) -> None:
    page, _ = desktop
    before = words(page)
    force(page)
    forced = words(page)
    page.reload()
    has_result(page, SIZE)
    assert words(page) == forced
    page.locator(".sw-undo").click()
    assert words(page) == before


@pytest.mark.parametrize("name", ["kept_forget", "photo_remove"])
def test_a_kept_result_can_be_forgotten(desktop: tuple[Page, Watch], name: str) -> None:
    page, _ = desktop
    page.reload()
    expect(page.get_by_text(T["kept"])).to_be_visible()
    page.get_by_role("button", name=T[name]).click()
    expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "empty")
    assert page.evaluate("Object.keys(sessionStorage)") == []
    page.reload()
    expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "recorded")


def test_it_is_kept_in_its_own_tab_alone(desktop: tuple[Page, Watch], server: Server) -> None:
    page, _ = desktop
    assert page.evaluate("[localStorage.length, document.cookie, window.indexedDB.databases && 0]")[:2] == [0, ""]
    assert page.evaluate("indexedDB.databases().then((found) => found.length)") == 0
    other = page.context.new_page()
    other.goto(server.address)
    expect(other.locator(".sw-viewer")).to_have_attribute("data-kind", "recorded")


def test_something_else_in_the_kept_results_place_is_left_out(desktop: tuple[Page, Watch]) -> None:
    page, _ = desktop
    for kept in ("", "{}", "null", '{"view": 5}', '{"version": "1", "view": {"photo": {}}}'):
        page.evaluate(
            "kept => window.addEventListener('pagehide', () => sessionStorage.setItem('saywhere-result', kept))", kept
        )
        page.reload()
        expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "recorded")


def test_a_result_of_another_version_of_the_page_is_captioned_anew(desktop: tuple[Page, Watch]) -> None:
    page, watch = desktop
    page.evaluate(
        """() => window.addEventListener("pagehide", () => {
            const kept = JSON.parse(sessionStorage.getItem("saywhere-result"));
            sessionStorage.setItem("saywhere-result", JSON.stringify({ ...kept, version: "older" }));
        })"""
    )
    watch.posts.clear()
    page.reload()
    has_result(page, SIZE)
    assert posts(watch, "look") == 1


def test_after_a_new_start_of_the_server_questions_go_on_with_the_same_photo(
    desktop: tuple[Page, Watch], server: Server
) -> None:
    page, watch = desktop
    server.kill()
    page.locator(".sw-rival .sw-force").nth(1).click()
    expect(page.locator(".sw-forcing-problem")).to_have_text(T["unreachable"])
    server.start()
    watch.posts.clear()
    force(page)
    assert posts(watch, "upload") == 1  # the file itself, not what is shown of it
    page.locator(".sw-undo").click()
    force(page)
    assert posts(watch, "upload") == 1


def test_a_reload_and_a_new_start_together_leave_questions_an_answer(
    desktop: tuple[Page, Watch], server: Server
) -> None:
    page, watch = desktop
    server.kill()
    server.start()
    page.reload()
    has_result(page, SIZE)
    force(page)
    assert posts(watch, "upload") == 1  # the first


def test_a_photo_that_finds_no_server_is_captioned_by_itself_when_there_is_one(
    desktop: tuple[Page, Watch], server: Server
) -> None:
    page, watch = desktop
    server.kill()
    choose(page, OTHER)
    line = page.locator(".sw-errand")
    expect(line.get_by_role("alert")).to_have_text(T["toast_lost"])
    expect(line.get_by_text(T["errand_lost_more"])).to_be_visible()
    has_result(page, SIZE)  # still on show
    expect(page.get_by_text("Connection")).to_have_count(0)
    server.start()
    has_result(page, OTHER)
    expect(line.get_by_text(T["errand_lost_more"])).to_have_count(0)
    assert posts(watch, "call/look") == 2
    force(page)


def test_an_example_that_finds_no_server_says_so_until_there_is_one(
    desktop: tuple[Page, Watch], server: Server
) -> None:
    page, _ = desktop
    server.kill()
    example = page.locator("#sw-examples [data-index]").first
    example.click()
    alert = page.locator(".sw-errand").get_by_role("alert")
    expect(alert).to_have_text(T["errand_lost"])
    server.start()
    expect(page.locator(".sw-errand")).to_have_attribute("data-errand", "none", timeout=60_000)
    has_result(page, SIZE)
    example.click()
    expect(page.locator(".sw-photo")).not_to_have_js_property("naturalWidth", SIZE[0])
    server.kill()
    server.start()
    force(page)  # the example is fetched again
