"""A collection's captions as Parquet: a folder of part files, which the usual readers take for one table.

A part appears whole or not at all: it is written under a name that readers pass over, then renamed. Its columns are
those of the JSON lines; what a line lacks is null.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from captioner.collection.writing import Line
from captioner.errors import RecordError

ENDING = ".parquet"
UNFINISHED = ".unfinished"  # readers pass over names that begin with a dot


class ParquetFolder:
    """A folder of parts.

    Args:
        folder: where they lie.
        part: lines in each, but for the last of a run.

    Raises:
        RecordError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, part: int) -> None:
        self._arrow, self._parquet = _arrow()
        self._schema = row_schema(self._arrow)
        self._folder = folder
        self._part = part
        self._next = 0
        self._lines: list[Line] = []

    def resume(self, retry: bool) -> set[str]:
        """See `Store`."""
        try:
            self._folder.mkdir(exist_ok=True)
            (self._folder / UNFINISHED).unlink(missing_ok=True)
            parts = sorted(path for path in self._folder.iterdir() if not path.name.startswith("."))
            done = {name for part in parts for name in self._photos(part, retry)}
        except (OSError, ValueError, KeyError) as problem:  # pyarrow's errors are among these
            raise RecordError(
                f"{self._folder} is no folder of captions of a collection that can be read and written: "
                "choose another place"
            ) from problem
        self._next = max((int(part.stem) for part in parts), default=-1) + 1
        return done

    def add(self, line: Line) -> None:
        """See `Store`; keeps it until a part is full."""
        self._lines.append(line)
        if len(self._lines) >= self._part:
            self._write_part()

    def close(self) -> None:
        """See `Store`."""
        if self._lines:
            self._write_part()

    def _write_part(self) -> None:
        lines, self._lines = self._lines, []  # a part that fails is not tried again
        table = self._arrow.Table.from_pylist(lines, schema=self._schema)
        self._place(table, self._folder / f"{self._next:06d}{ENDING}")
        self._next += 1

    def _place(self, table: Any, part: Path) -> None:
        unfinished = self._folder / UNFINISHED
        try:
            with unfinished.open("wb") as file:
                self._parquet.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())  # lest a power cut leave the name and lose what it names
            unfinished.replace(part)
        finally:
            unfinished.unlink(missing_ok=True)

    def _photos(self, part: Path, retry: bool) -> Iterator[str]:
        """The photos of a part, which is checked; with `retry`, refused ones are taken out of it."""
        if part.suffix != ENDING or not part.stem.isdigit():
            raise ValueError(f"expected only parts such as 000000{ENDING}, got {part.name}")
        with part.open("rb") as opened, self._parquet.ParquetFile(opened) as file:  # pyarrow takes names of UTF-8 alone
            if file.schema_arrow != self._schema:
                raise ValueError(f"expected the columns of a collection, got others in {part.name}")
            seen = file.read(["photo", "error"])
            refused = retry and seen["error"].null_count < len(seen)
            table = file.read() if refused else None
        if table is not None:
            table = table.filter(table["error"].is_null())
            if len(table):
                self._place(table, part)
            else:
                part.unlink()
            seen = table
        yield from seen["photo"].to_pylist()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as problem:
        raise RecordError(
            "writing Parquet needs the package pyarrow: install it with "
            "pip install -r captioner/collection/requirements.txt, or name a file that ends in .jsonl"
        ) from problem
    return pyarrow, pyarrow.parquet


def row_schema(arrow: Any) -> Any:
    """The columns of a line."""
    numbers = arrow.list_(arrow.float32())
    caption = {
        "text": arrow.string(),
        "score": arrow.float64(),
        "finished": arrow.bool_(),
        "probabilities": numbers,
        "gate": numbers,
    }
    return arrow.schema(
        {
            "photo": arrow.string(),
            "error": arrow.string(),
            "caption": arrow.string(),
            "captions": arrow.list_(arrow.struct(caption)),
            "model": arrow.string(),
            "guessing": arrow.bool_(),
            "strangeness": arrow.float64(),
            "grid": arrow.list_(arrow.int32()),
            "attention": arrow.list_(arrow.list_(numbers)),  # words x rows x columns
        }
    )
