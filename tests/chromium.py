"""Which Chromium the browser tests drive."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium-headless-shell", "chromium")  # Debian's; without windows it opens a page in two thirds of the time


def chromium_path() -> str | None:
    """The one that CHROMIUM names, else the first of `NAMES` that is installed, if any."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
