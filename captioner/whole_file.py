"""Files that are never seen half written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from captioner.errors import RecordError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file that others see either not at all or complete; text is written as UTF-8.

    Raises:
        RecordError: the folder does not exist or cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                # Half a pair of surrogates, as names may hold, becomes \uNNNN, which JSON understands.
                file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as problem:
        raise RecordError(f"{path} could not be written: choose a folder that exists and can be written") from problem
