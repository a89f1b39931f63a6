"""What a visitor sees whose address asked too often, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from builders import photo_bytes
from captioner.captioner import Captioner
from demo import text
from demo.guard.rates import RateLimiter
from visits import GRADIO_WARNINGS, ScriptedCaptioner, Watch, serve, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]


@pytest.fixture
def address(gradio_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A page where whoever asks for a caption or uploads a photo did so too often."""
    monkeypatch.setattr(RateLimiter, "take", lambda self, client, kind: 25 if kind in ("caption", "upload") else 0)
    yield from serve(lambda: cast(Captioner, ScriptedCaptioner()))


@pytest.fixture
def desktop(browser: Browser, address: str) -> Iterator[tuple[Page, Watch]]:
    yield from visit(browser, address, 1280, 900)


def test_who_asks_too_often_is_told_and_keeps_the_photo(desktop: tuple[Page, Watch]) -> None:
    page, watch = desktop
    page.locator("#sw-examples [data-index]").first.click()
    expect(page.get_by_role("alert").filter(has_text=text.VIEWER["errand_full"])).to_be_visible()
    page.get_by_label(text.VIEWER["photo_remove"]).first.click()
    chosen: FilePayload = {"name": "photo.png", "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator('#sw-photo-input input[type="file"]').first.set_input_files(chosen)
    expect(page.get_by_text(text.VIEWER["toast_often"]).first).to_be_visible()
    assert any("429" in error for error in watch.errors)
    watch.errors.clear()  # what a browser says by itself of a refusal
