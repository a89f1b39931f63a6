"""The page in a browser that runs no scripts."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from demo import text
from visits import GRADIO_WARNINGS

pytestmark = GRADIO_WARNINGS
LANGUAGES = text.read_languages()


def test_a_browser_without_scripts_is_told_in_every_language(browser: Browser, tiny_address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(tiny_address)
        for code, texts in LANGUAGES.items():
            expect(page.locator(f"p[lang={code}]")).to_have_text(texts["needs_script"])
            expect(page.locator(f"p[lang={code}]")).to_be_visible()
    finally:
        context.close()
