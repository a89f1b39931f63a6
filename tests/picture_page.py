"""Pictures of the running page for the README, and how smoothly one map fades into the next.

python app.py --port 7861 &
python tests/picture_page.py http://127.0.0.1:7861 assets/examples/photographer.jpg assets
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from chromium import chromium_path

VIEWS = {
    "page": ("", 1280, 900),
    "page-dark": ("?__theme=dark", 1280, 900),
    "page-phone": ("", 390, 844),
}
FRAMES_OF_A_FADE = """async () => {
    const words = [...document.querySelectorAll(".sw-caption .sw-word")];
    const times = [];
    for (let round = 0; round < 3; round += 1) for (const word of words) {
        word.click();
        const started = performance.now();
        let now = started;
        while (now - started < 200) { // as long as a fade
            const before = now;
            now = await new Promise(requestAnimationFrame);
            times.push(now - before);
        }
    }
    return times.slice(words.length); // the first round paints every map for the first time
}"""


def open_result(browser: Browser, address: str, photo: Path, width: int, height: int) -> Page:
    """The page in a window of this size, with the result of this photo."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address)
    page.locator(".sw-viewer[data-kind]").wait_for()
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(photo)
    page.locator(".sw-viewer[data-kind=result]").wait_for(timeout=120_000)
    page.wait_for_timeout(800)
    return page


def describe_frames(milliseconds: Sequence[float]) -> str:
    """Frames a second, and the share of frames that came late."""
    late = sum(time > 25 for time in milliseconds) / len(milliseconds)
    rate = 1000 * len(milliseconds) / sum(milliseconds)
    return f"crossfade: {rate:.0f} frames a second over {len(milliseconds)} frames, {100 * late:.1f} % later than 25 ms"


def main() -> None:
    """Write the pictures, print the frame rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("photo", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    chromium = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, (query, width, height) in VIEWS.items():
            page = open_result(browser, f"{options.address}/{query}", options.photo, width, height)
            page.screenshot(path=options.folder / f"{name}.png")
            if name == "page":
                sys.stdout.write(describe_frames(page.evaluate(FRAMES_OF_A_FADE)) + "\n")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
