"""What a visitor sees whose address asked too often, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import photo_bytes
from captioner.captioner import Captioner
from demo import text
from demo.guard import GuardOptions
from page_calls import API, upload
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch, serve, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]


@pytest.fixture
def address(gradio_folder: Path) -> Iterator[str]:
    """A page for one visitor per address."""
    yield from serve(lambda: cast(Captioner, ScriptedCaptioner()), guard=GuardOptions(visitors=1))


@pytest.fixture
def desktop(browser: Browser, address: str) -> Iterator[tuple[Page, Watch]]:
    yield from visit(browser, address, 1280, 900)


def test_too_many_photos_wait_and_too_many_uploads_are_told(desktop: tuple[Page, Watch], address: str) -> None:
    page, watch = desktop
    asked = [httpx.post(f"{address}{API}/call/caption", json={"data": [None, 3]}).status_code for _ in range(9)]
    assert asked[:6] == [200] * 6
    assert asked[-1] == 429
    page.locator("#sw-examples [data-index]").first.click()
    expect(page.get_by_role("alert").filter(has_text=text.VIEWER["errand_full"])).to_be_visible()

    for _ in range(4):
        upload(address, photo_bytes())
    page.get_by_label(text.VIEWER["photo_remove"]).first.click()
    chosen: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator('#sw-photo-input input[type="file"]').first.set_input_files(chosen)
    expect(page.get_by_text("Too many requests from your address")).to_be_visible()
    assert len(watch.errors) >= 2
    assert all("429" in error or "Too many requests" in error for error in watch.errors)
    watch.errors.clear()
