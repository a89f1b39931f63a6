"""Pages to visit in the tests, a captioner that says what it is told to, and a watch on what a browser does."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn
from urllib.parse import urlparse

import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, Request

from builders import caption
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.checkpoint import ModelCard
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import EncoderError
from captioner.photo import PhotoSettings
from captioner.self_test import SelfTest
from demo.guard import GuardOptions
from scripted_tree import scripted_search

# How Gradio's queue uses pandas, of which pandas 3 warns.
GRADIO_WARNINGS = [
    pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"),
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]
MARKUP = "<img src=x onerror=\"document.title='broken in'\">"
RED_DOG = ("a", "red", "dog")
UNKNOWN_DOG = ("a", "<unk>", "dog")
TWO_DOGS = ("two", "dogs", "run", "in", "water")
NASTY = ("a", MARKUP)


class ScriptedCaptioner:
    """Says the same of every photo, so that a test knows what the page must show; width 1, 2, ... finds 1, 2, ...

    Its trees are those of `scripted_tree`.
    """

    device = torch.device("cpu")
    card = ModelCard("scripted", f"nothing {MARKUP}")
    self_test = SelfTest((), 0.0)
    photo_settings = PhotoSettings(size=64, detail=None)

    @property
    def encoder(self) -> NoReturn:
        """Its captions are written down: there is nothing inside to be shown."""
        raise EncoderError("There is nothing inside a scripted captioner.")

    vocabulary = encoder

    def known_ids(self, words: Sequence[str]) -> list[int]:
        """It can say any word."""
        return [0] * len(words)

    def reduce(self, photo: Image.Image) -> Image.Image:
        """The photo: tests know it again by its size."""
        return photo

    def encode(self, photos: Sequence[Image.Image]) -> FeatureGrid:
        """One cell for each photo, which holds its place among all that were ever seen."""
        self.shown.extend(photos)
        places = torch.arange(len(self.shown) - len(photos), len(self.shown))
        return FeatureGrid(places[:, None, None].float(), 1, 1, (1, 1))

    @cached_property
    def shown(self) -> list[Image.Image]:
        """All photos it was given."""
        return []

    def behind(self, grid: FeatureGrid) -> list[Image.Image]:
        """The photos of a grid."""
        return [self.shown[place] for place in grid.annotations[:, 0, 0].int().tolist()]

    def search(
        self, grid: FeatureGrid, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> tuple[Description, ...]:
        return tuple(self.describe(photo, options, prefix) for photo in self.behind(grid))

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        """Three captions on a grid of 4 rows and 6 columns; with a beam of 1 only the second is found.

        A photo of 13 x 13 pixels is a fault, one of 17 x 17 is unlike all the others. A prefix takes the place of as
        many words; captions that are then the same are one. Where every token is allowed, the first has an unknown one.
        """
        if photo.size == (13, 13):
            raise RuntimeError("a fault nobody foresaw, in /some/secret/place")
        widths = options.widths if options else tuple(range(1, 11))
        first = UNKNOWN_DOG if options and options.any_token else RED_DOG
        said = dict.fromkeys((*prefix, *words[len(prefix) :]) for words in (first, TWO_DOGS, NASTY))
        captions = tuple(caption(words, 4, 6, seed) for seed, words in enumerate(said))
        found = len(captions)
        ranking = {width: (min(1, found - 1),) if width == 1 else tuple(range(min(width, found))) for width in widths}
        trees, glimpses = scripted_search(captions, ranking, len(prefix))
        strangeness = 2.5 if photo.size == (17, 17) else 0.5
        return Description(captions, ranking, trees, (4, 6), (2, 3), "scripted", strangeness, glimpses)


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


def serve(
    find_captioner: Callable[[], Captioner], line_length: int = 32, guard: GuardOptions | None = None
) -> Iterator[str]:
    """The address of a running page, which is closed afterwards."""
    from demo.page import build_page, launch_page

    page = build_page(find_captioner, line_length)
    yield launch_page(page, "127.0.0.1", free_port(), guard).rstrip("/")
    page.close(verbose=False)


def visit(
    browser: Browser, address: str, width: int, height: int, locale: str = "en-GB"
) -> Iterator[tuple[Page, Watch]]:
    """Open the page in a window of this size; afterwards nothing must have gone wrong in the browser."""
    watch = Watch()
    context: BrowserContext = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    context.set_default_timeout(30_000)

    def note(request: Request) -> None:
        if urlparse(request.url).hostname not in ("127.0.0.1", None):  # the browser reaches no other (demo/conftest.py)
            watch.outside.append(request.url)

    context.on("request", note)
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
