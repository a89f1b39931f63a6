"""What a visitor sees while a photo is under way, and when it comes to nothing.

Nothing here is timed: the captioner waits until the test lets it go, and the page's clock is moved by hand.
"""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import cast

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Locator, Page, expect

from builders import photo, photo_bytes
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.interrupt import check_wanted
from demo import text
from visits import GRADIO_WARNINGS, RED_DOG, ScriptedCaptioner, Watch, serve, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
T = text.VIEWER
SMALL, WIDE, TALL = (40, 30), (120, 60), (50, 100)
HALF_A_MINUTE = 30
FRESH = itertools.count()  # seeds of photos: one that is known is not captioned a second time


class HeldCaptioner(ScriptedCaptioner):
    """Says nothing until `free` is set; `seen` are the sizes of the photos it was given."""

    def __init__(self) -> None:
        self.free = Event()
        self.free.set()
        self.seen: list[tuple[int, int]] = []

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        self.seen.append(photo.size)
        while not self.free.wait(0.02):
            check_wanted()
        return super().describe(photo, options, prefix)


@pytest.fixture(scope="module")
def held() -> HeldCaptioner:
    return HeldCaptioner()


@pytest.fixture(scope="module")
def address(held: HeldCaptioner, gradio_folder: Path) -> Iterator[str]:
    """A page where one photo may wait for another, no more."""
    yield from serve(lambda: cast(Captioner, held), line_length=1)


@pytest.fixture
def slow(held: HeldCaptioner, address: str) -> Iterator[HeldCaptioner]:
    """The captioner, holding every photo until the test sets it free."""
    held.seen.clear()
    held.free.clear()
    yield held
    held.free.set()


@pytest.fixture
def desktop(browser: Browser, address: str, slow: HeldCaptioner) -> Iterator[Visit]:
    yield from visit(browser, address, 1280, 900)


@pytest.fixture
def second(browser: Browser, address: str, slow: HeldCaptioner) -> Iterator[Visit]:
    """Another visitor of the same page."""
    yield from visit(browser, address, 390, 844)


def choose(page: Page, size: tuple[int, int] = SMALL, content: bytes | None = None) -> None:
    """Upload a photo that was never seen before, without waiting for what becomes of it."""
    content = content or photo_bytes(photo(*size, seed=next(FRESH)))
    file: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": content}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)


def clear(page: Page) -> None:
    page.get_by_label("Remove Image").first.click()


def shows(page: Page, kind: str) -> None:
    expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", kind, timeout=30_000)


def way(page: Page, name: str) -> Locator:
    return page.locator(".sw-errand").get_by_role("button", name=T[f"errand_{name}"])


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def began(page: Page, slow: HeldCaptioner, count: int = 1) -> None:
    """Wait until the captioner has been given so many photos."""
    for _ in range(600):  # half a minute: a browser that was closed before it listened is missed after ten seconds
        if len(slow.seen) >= count:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"the captioner was given {len(slow.seen)} photos, not {count}")


def test_the_chosen_photo_is_shown_at_once_and_nothing_moves_when_its_caption_comes(
    desktop: Visit, slow: HeldCaptioner
) -> None:
    page, _ = desktop
    before = words(page)
    choose(page, WIDE)
    shows(page, "looking")
    expect(page.get_by_role("status").filter(has_text=T["waiting"])).to_be_visible()
    image = page.locator(".sw-errand-seen .sw-errand-photo")
    image.wait_for()
    assert image.evaluate("image => image.naturalWidth") == WIDE[0]
    place = page.locator(".sw-errand-stage").bounding_box()
    expect(page.locator(".sw-caption")).to_be_hidden()
    slow.free.set()
    shows(page, "result")
    assert words(page) == list(RED_DOG) != before
    after = page.locator(".sw-stage").bounding_box()
    assert place is not None
    assert after is not None
    was, now = ([round(b["x"]), round(b["y"]), round(b["width"]), round(b["height"])] for b in (place, after))
    assert was == now


def test_who_waits_long_is_told_so_and_how_many_are_ahead(desktop: Visit, second: Visit, slow: HeldCaptioner) -> None:
    (page, _), (other, _) = desktop, second
    page.clock.install()
    choose(page)
    began(page, slow)
    expect(page.get_by_text(T["errand_slow"])).to_have_count(0)
    page.clock.fast_forward(8000)
    expect(page.get_by_role("status").filter(has_text=T["errand_slow"])).to_be_visible()
    choose(other, WIDE)
    expect(other.get_by_role("status").filter(has_text=T["errand_ahead_one"])).to_be_visible()
    slow.free.set()
    shows(other, "result")
    assert slow.seen == [SMALL, WIDE]


def test_stop_brings_back_what_was_there_by_keyboard_alone(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    before = words(page)
    page.locator(".sw-caption .sw-word").nth(1).click()
    page.get_by_role("tab", name=T["panel_tree"]).click()
    choose(page)
    began(page, slow)
    page.locator("h1").click()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.errandWay") == "stop":
            break
    expect(way(page, "stop")).to_be_focused()
    page.keyboard.press("Enter")
    shows(page, "recorded")
    expect(page.get_by_role("status").filter(has_text=T["errand_stopped"])).to_be_visible()
    assert words(page) == before
    assert page.locator(".sw-word-name").inner_text() == before[1]
    expect(page.get_by_role("tab", name=T["panel_tree"])).to_have_attribute("aria-selected", "true")
    expect(way(page, "again")).to_be_focused()
    page.keyboard.press("Enter")
    began(page, slow, 2)  # nothing was set free: the first was stopped in the middle
    slow.free.set()
    shows(page, "result")
    assert slow.seen == [SMALL, SMALL]
    expect(page.locator('.sw-caption .sw-word[tabindex="0"]')).to_be_focused()


def test_what_the_server_made_of_a_stopped_photo_is_not_shown(
    desktop: Visit, second: Visit, slow: HeldCaptioner
) -> None:
    (page, _), (other, _) = desktop, second
    choose(page)
    began(page, slow)
    way(page, "stop").click()
    choose(other, WIDE)
    slow.free.set()
    shows(other, "result")  # one at a time: the stopped one has come to its end before
    assert slow.seen == [SMALL, WIDE]
    shows(page, "recorded")
    way(page, "close").click()
    expect(page.get_by_text(T["errand_stopped"])).to_have_count(0)


def test_a_photo_stopped_while_it_waits_leaves_the_queue(desktop: Visit, second: Visit, slow: HeldCaptioner) -> None:
    (page, _), (other, _) = desktop, second
    choose(page)
    began(page, slow)
    choose(other, WIDE)
    expect(other.get_by_text(T["errand_ahead_one"])).to_be_visible()
    with other.expect_response(lambda answer: answer.url.endswith("/cancel")):
        way(other, "stop").click()
    clear(other)
    choose(other, TALL)  # the one place in the line is free again
    expect(other.get_by_text(T["errand_ahead_one"])).to_be_visible()
    slow.free.set()
    shows(other, "result")
    assert slow.seen == [SMALL, TALL]


def test_who_closes_the_page_stops_the_work_for_the_next(browser: Browser, address: str, slow: HeldCaptioner) -> None:
    gone = browser.new_page()
    gone.goto(address)
    gone.locator(".sw-viewer[data-kind]").wait_for()
    choose(gone)
    began(gone, slow)
    gone.close()
    for page, _ in visit(browser, address, 1280, 900):
        choose(page, WIDE)
        began(page, slow, 2)  # nothing was set free: the first was stopped in the middle
        slow.free.set()
        shows(page, "result")


def test_another_photo_takes_the_place_of_the_one_under_way(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    choose(page)
    began(page, slow)
    page.get_by_role("button", name=T["example_cat"], exact=True).click()
    began(page, slow, 2)  # the first was stopped in the middle, or it would be under way for ever
    slow.free.set()
    shows(page, "result")
    assert page.locator(".sw-photo").evaluate("photo => photo.naturalWidth") == 451


def test_taking_the_photo_away_stops_it(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    choose(page)
    began(page, slow)
    clear(page)
    shows(page, "recorded")
    expect(page.get_by_role("status").filter(has_text=T["errand_stopped"])).to_be_visible()
    slow.free.set()
    way(page, "again").click()
    shows(page, "result")


@pytest.fixture
def crowd(
    second: Visit, slow: HeldCaptioner, address: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], None]]:
    """One photo is being captioned, one waits, for half a minute: there is room for no more.

    Gives what sends them away; they are never left to the next test.
    """
    monkeypatch.setattr("demo.scheduler.Scheduler._seconds_left", lambda _: HALF_A_MINUTE)
    other, _ = second
    choose(other, WIDE)
    began(other, slow)
    waiting = {"url": "data:image/png;base64," + base64.b64encode(photo_bytes(photo(*TALL, seed=next(FRESH)))).decode()}
    joined = httpx.post(f"{address}/gradio_api/call/look", json={"data": [waiting]})
    assert joined.status_code == 200
    call = f"{address}/gradio_api/call/look/{joined.json()['event_id']}"
    began(other, slow)

    answers: list[str] = []

    def answer() -> str:
        slow.free.set()
        if not answers:
            answers.append(httpx.get(call, timeout=60).text)
        return answers[0]

    def leave() -> None:
        slow.free.set()
        shows(other, "result")
        assert "result" in answer()

    yield leave
    answer()


def forgive(watch: Watch, failing: str = "Failed to load resource") -> None:
    """What a browser says by itself of a refusal is no error of the page."""
    assert any(failing in error for error in watch.errors)
    watch.errors[:] = [error for error in watch.errors if failing not in error]


def test_a_full_queue_keeps_the_photo_counts_down_and_tries_once_more(
    desktop: Visit, slow: HeldCaptioner, crowd: Callable[[], None]
) -> None:
    page, watch = desktop
    page.clock.install()
    choose(page)
    shows(page, "full")
    expect(page.get_by_role("alert").filter(has_text=T["errand_full"])).to_be_visible()
    page.locator(".sw-errand-seen").wait_for()
    clock = page.locator(".sw-errand-more").last
    page.clock.pause_at(page.evaluate("Date.now() / 1000 + 1"))  # from here on it moves by hand alone
    first = int(re.findall(r"\d+", clock.inner_text())[0])
    assert HALF_A_MINUTE / 2 <= first <= HALF_A_MINUTE * 1.5  # not a whole class at the same time
    page.clock.run_for(1000)
    expect(clock).to_have_text(T["errand_full_in"].format(seconds=first - 1))
    page.clock.run_for(1000 * first)
    expect(clock).to_have_text(T["errand_full_later"])
    crowd()
    way(page, "again").focus()
    page.keyboard.press("Enter")
    shows(page, "result")
    assert slow.seen == [WIDE, TALL, SMALL]
    assert watch.errors == []


def test_the_second_try_succeeds_by_itself_when_there_is_room(desktop: Visit, crowd: Callable[[], None]) -> None:
    page, watch = desktop
    page.clock.install()
    choose(page)
    shows(page, "full")
    seconds = int(re.findall(r"\d+", page.locator(".sw-errand-more").last.inner_text())[0])
    crowd()
    page.clock.run_for(1000 * seconds)
    shows(page, "result")
    assert watch.errors == []


@pytest.mark.usefixtures("crowd")
def test_who_does_not_want_to_wait_for_room_goes_back(desktop: Visit) -> None:
    page, watch = desktop
    page.clock.install()
    choose(page)
    shows(page, "full")
    way(page, "stop").click()
    shows(page, "recorded")
    page.clock.run_for(90_000)  # nothing is tried any more
    shows(page, "recorded")
    assert watch.errors == []


def test_a_fault_offers_another_try_and_the_way_back(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    slow.free.set()
    choose(page, (13, 13))
    problem = page.get_by_role("alert").filter(has_text=text.UNEXPECTED)
    problem.wait_for()
    assert "secret" not in page.locator("body").inner_text()
    problem.get_by_role("button", name=T["errand_again"]).click()
    problem.wait_for()
    assert slow.seen == [(13, 13), (13, 13)]
    page.get_by_role("button", name=T["errand_before"]).click()
    shows(page, "recorded")


def test_a_photo_that_cannot_be_read_offers_the_way_back_alone(desktop: Visit, gradio_folder: Path) -> None:
    page, _ = desktop
    choose(page, content=photo_bytes()[:60])
    shows(page, "problem")
    assert str(gradio_folder) not in page.locator("body").inner_text()
    assert page.locator(".sw-problem").get_by_role("button").all_text_contents() == [T["errand_before"]]


def test_every_state_speaks_the_visitors_language(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    korean = text.read_languages()["ko"]
    choose(page)
    began(page, slow)
    page.get_by_role("button", name=korean["language"]).click()
    expect(page.get_by_role("status").filter(has_text=korean["waiting"])).to_be_visible()
    shows(page, "looking")
    expect(page.locator(".sw-caption")).to_be_hidden()
    page.get_by_role("button", name=korean["errand_stop"]).click()
    expect(page.get_by_text(korean["errand_stopped"])).to_be_visible()


@pytest.fixture
def doomed(browser: Browser, gradio_folder: Path, slow: HeldCaptioner) -> Iterator[tuple[Page, Callable[[], None]]]:
    """A page with a result of its own server, and what stops that server."""
    running = serve(lambda: cast(Captioner, slow))
    address = next(running)

    def stop() -> None:
        with suppress(StopIteration):
            next(running)
        slow.free.set()

    for page, watch in visit(browser, address, 1280, 900):
        slow.free.set()
        choose(page, WIDE)
        shows(page, "result")
        slow.free.clear()
        yield page, stop
        forgive(watch)
        watch.errors[:] = [error for error in watch.errors if "Failed to fetch" not in error]  # Gradio's upload


Doomed = tuple[Page, Callable[[], None]]


def test_without_the_server_the_result_stays_usable(doomed: Doomed, slow: HeldCaptioner) -> None:
    page, stop = doomed
    clear(page)
    shows(page, "empty")
    choose(page, SMALL)
    began(page, slow, 2)
    stop()
    expect(page.get_by_role("alert").filter(has_text=T["errand_lost"])).to_be_visible(timeout=30_000)
    shows(page, "empty")
    way(page, "again").click()
    expect(page.get_by_role("alert").filter(has_text=T["errand_lost"])).to_be_visible()


def test_an_example_and_an_upload_without_the_server_end_in_a_sentence(doomed: Doomed) -> None:
    page, stop = doomed
    stop()
    page.get_by_role("button", name=T["example_cat"], exact=True).click()
    expect(page.get_by_role("alert").filter(has_text=T["errand_lost"])).to_be_visible()
    expect(way(page, "again")).to_be_hidden()
    shows(page, "result")
    page.locator(".sw-caption .sw-word").nth(1).click()
    assert page.locator(".sw-word-name").inner_text() == RED_DOG[1]
    way(page, "close").click()
    expect(page.get_by_text(T["errand_lost"])).to_have_count(0)
    clear(page)
    choose(page)
    expect(page.get_by_text(T["toast_lost"])).to_be_visible()
    expect(page.get_by_text("errored out")).to_have_count(0)


def test_no_question_of_a_panel_is_asked_for_ever(doomed: Doomed) -> None:
    page, stop = doomed
    stop()
    page.locator(".sw-rival .sw-force").nth(1).click()
    expect(page.locator(".sw-forcing-problem")).to_have_text(T["unreachable"])
    page.get_by_role("tab", name=T["panel_compare"]).click()
    page.get_by_role("button", name=T["paint_flip"]).click()
    page.get_by_role("button", name=T["compare_go"], exact=True).click()
    expect(page.get_by_role("alert").filter(has_text=T["unreachable"])).to_be_visible()
    expect(page.get_by_role("button", name=T["compare_go"], exact=True)).to_be_enabled()
    page.get_by_role("tab", name=T["panel_takeaway"]).click()
    page.get_by_role("button", name=T["take_png"]).click()
    expect(page.locator(".sw-takeaway-problem").first).to_have_text(T["unreachable"])
    expect(page.get_by_role("button", name=T["take_png"])).to_be_enabled()


def test_a_question_that_is_never_answered_ends_in_a_sentence(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    page.route("**/component_server**", lambda route: None)
    page.clock.install()
    page.locator(".sw-rival .sw-force").nth(1).click()
    expect(page.locator(".sw-forcing-now")).to_have_count(1)
    page.clock.fast_forward(90_000)
    expect(page.locator(".sw-forcing-problem")).to_have_text(T["unreachable"])


def test_a_queue_that_falls_silent_ends_in_a_sentence(desktop: Visit, slow: HeldCaptioner) -> None:
    page, _ = desktop
    page.route("**/queue/data*", lambda route: None)
    page.clock.install()
    choose(page)
    began(page, slow)
    page.clock.fast_forward(60_000)
    expect(page.get_by_role("alert").filter(has_text=T["errand_lost"])).to_be_visible()
    expect(way(page, "again")).to_be_visible()
