"""A collection's captions as JSON Lines: one file, a line a photo."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import RawIOBase
from pathlib import Path

from captioner.collection.writing import Line
from captioner.errors import RecordError


class LineFile:
    """A file of JSON lines that grows at its end; a line that a kill or a full disk cut short is taken off again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: RawIOBase | None = None

    def resume(self, retry: bool) -> set[str]:
        """See `Store`."""
        done, dropped, whole = set(), 0, 0
        try:
            for raw, line in self._read():
                whole += len(raw)
                if retry and "error" in line:
                    dropped += 1
                else:
                    done.add(str(line["photo"]))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise RecordError(f"{self._path} holds no captions of a collection: choose another file") from problem
        try:
            if dropped:
                self._drop_refused()
            elif self._path.exists() and whole < self._path.stat().st_size:
                os.truncate(self._path, whole)
            self._file = self._path.open("ab", buffering=0)  # what a full disk refuses, a buffer would write again
        except OSError as problem:
            raise RecordError(
                f"{self._path} could not be written: choose a folder that exists and can be written"
            ) from problem
        return done

    def add(self, line: Line) -> None:
        """See `Store`."""
        assert self._file is not None, "resume comes first"
        content = (json.dumps(line, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        if self._file.write(content) != len(content):
            raise OSError("only a part was written")

    def close(self) -> None:
        """See `Store`."""
        if self._file is not None:
            self._file.close()

    def _read(self) -> Iterator[tuple[bytes, Line]]:
        """The whole lines, as they lie there and as what they hold."""
        if self._path.exists():
            with self._path.open("rb") as file:
                for raw in file:
                    if raw.endswith(b"\n"):
                        yield raw, dict(json.loads(raw))

    def _drop_refused(self) -> None:
        """Put a file without the lines of refused photos in the place of this one, at once."""
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, suffix=".tmp")  # its own name may be too long
        other = Path(temporary)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(raw for raw, line in self._read() if "error" not in line)
            shutil.copymode(self._path, other)
            other.replace(self._path)
        finally:
            other.unlink(missing_ok=True)
