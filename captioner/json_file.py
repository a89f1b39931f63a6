"""JSON files that people write, edit and download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """Read a JSON file in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no JSON; the message says what to do.
    """
    try:
        return json.loads(path.read_bytes())
    except UnicodeDecodeError as problem:
        raise ValueError("it is in another encoding than Unicode: save it as UTF-8") from problem
    except RecursionError as problem:
        raise ValueError("its brackets are nested too deeply") from problem
