"""Pages to visit in the tests, a captioner that says what it is told to, and a watch on what a browser does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlparse

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Route

from builders import caption
from captioner.beam_search import SearchOptions
from captioner.caption import Description
from captioner.captioner import Captioner
from captioner.checkpoint import ModelCard

# How Gradio's queue uses pandas, of which pandas 3 warns.
GRADIO_WARNINGS = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
MARKUP = "<img src=x onerror=\"document.title='broken in'\">"
RED_DOG = ("a", "red", "dog")
TWO_DOGS = ("two", "dogs", "run", "in", "water")
NASTY = ("a", MARKUP)


class ScriptedCaptioner:
    """Says the same of every photo, so that a test knows what the page must show; width 1, 2, ... finds 1, 2, ..."""

    card = ModelCard("scripted", f"nothing {MARKUP}")

    def describe(self, photo: Image.Image, options: SearchOptions | None = None) -> Description:
        """Three captions on a grid of 4 rows and 6 columns; with a beam of 1 only the second is found.

        A photo of 13 x 13 pixels is a fault, one of 17 x 17 is unlike all the others.
        """
        if photo.size == (13, 13):
            raise RuntimeError("a fault nobody foresaw, in /some/secret/place")
        widths = options.widths if options else tuple(range(1, 11))
        captions = tuple(caption(words, 4, 6, seed) for seed, words in enumerate((RED_DOG, TWO_DOGS, NASTY)))
        ranking = {width: (1,) if width == 1 else tuple(range(min(width, 3))) for width in widths}
        strangeness = 2.5 if photo.size == (17, 17) else 0.5
        return Description(captions, ranking, dict.fromkeys(widths, ()), (4, 6), (2, 3), "scripted", strangeness)


@dataclass
class Watch:
    """What a browser page did that it should not."""

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(captioner: Captioner) -> Iterator[str]:
    """The address of a running page, which is closed afterwards."""
    from demo.page import build_page, launch_page

    page = build_page(captioner)
    yield launch_page(page, "127.0.0.1", free_port()).rstrip("/")
    page.close(verbose=False)


def visit(browser: Browser, address: str, width: int, height: int) -> Iterator[tuple[Page, Watch]]:
    """Open the page in a window of this size; afterwards nothing must have gone wrong in the browser."""
    watch = Watch()
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(30_000)

    def stop(route: Route) -> None:
        watch.outside.append(route.request.url)
        route.abort()

    def outside(url: str) -> bool:
        return urlparse(url).hostname not in ("127.0.0.1", None)

    context.route(outside, stop)
    page = context.new_page()
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.on("console", lambda message: watch.errors.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: watch.posts.append(request.url) if request.method == "POST" else None)
    page.goto(address)
    page.locator(".sw-viewer[data-kind]").wait_for()
    yield page, watch
    context.close()
    assert watch.outside == []
    assert watch.errors == []
