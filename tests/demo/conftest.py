"""Pages served for the tests, and a browser to visit them with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

# Before gradio is imported, as app.py does.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from builders import tiny_captioner
from captioner.captioner import Captioner
from chromium import chromium_path
from visits import ScriptedCaptioner, Watch, serve, visit

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing else can be reached
]


@pytest.fixture(scope="session")
def gradio_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where uploads go."""
    folder = tmp_path_factory.mktemp("gradio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny_address(gradio_folder: Path) -> Iterator[str]:
    """A page with a real model of random weights."""
    captioner = tiny_captioner()  # once: making one seeds torch for every thread
    yield from serve(lambda: captioner)


@pytest.fixture(scope="session")
def scripted_address(gradio_folder: Path) -> Iterator[str]:
    """A page whose captions are known."""
    yield from serve(lambda: cast(Captioner, ScriptedCaptioner()))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; CI must have it, elsewhere its tests are skipped without it.

    No longer than a module: while it is there, its event loop runs in this thread and no other can.
    """
    path = chromium_path()
    if path is None:
        reason = "no Chromium: apt-get install chromium-headless-shell or chromium, or name it in CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=30_000)  # milliseconds: two browsers share two cores with two servers
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def desktop(browser: Browser, scripted_address: str) -> Iterator[tuple[Page, Watch]]:
    """The scripted page on a desktop; afterwards: no console error, no outside request."""
    yield from visit(browser, scripted_address, 1280, 900)


@pytest.fixture
def phone(browser: Browser, scripted_address: str) -> Iterator[tuple[Page, Watch]]:
    """The scripted page on a phone."""
    yield from visit(browser, scripted_address, 390, 844)


@pytest.fixture
def dark(browser: Browser, scripted_address: str) -> Iterator[tuple[Page, Watch]]:
    """The scripted page in dark mode."""
    yield from visit(browser, scripted_address + "/?__theme=dark", 1280, 900)
