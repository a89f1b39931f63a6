"""Names of files, which may be in any encoding and of any length, as consoles, JSON and libraries take them."""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

APPLE_DOUBLE = "._"  # begins what a Mac leaves beside each file on other disks: `._photo.jpg` is no photo
LONGEST_NAME = 255  # bytes, where the file system does not say
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain(text: Path | str) -> str:
    r"""A path, or a message that names one, as UTF-8 can hold it: bytes that are no UTF-8 become \xNN."""
    try:
        encoded = str(text).encode(errors="surrogateescape")  # also what an ASCII locale made of UTF-8
    except UnicodeEncodeError:  # half a pair of surrogates, which Windows allows in names
        encoded = str(text).encode(errors="backslashreplace")
    return encoded.decode(errors="backslashreplace")


def shown(text: Path | str) -> str:
    r"""A name on one line of a console: as `plain`, and control characters as \n, \x1b, ..."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), plain(text))


def free_stem(folder: Path, stem: str, endings: Sequence[str]) -> str:
    """A name that, with each of the endings, no file of a folder has: `stem`, numbered where it is taken.

    It is shortened where the file system would refuse the name with its number and ending.
    """
    longest = max(len(os.fsencode(ending)) for ending in endings)
    for number in itertools.count(1):
        tail = "" if number == 1 else f"-{number}"
        room = _longest_name(folder) - longest - len(tail)
        while len(os.fsencode(stem)) > room:
            stem = stem[:-1]
        if not any((folder / f"{stem}{tail}{ending}").exists() for ending in endings):
            return f"{stem}{tail}"
    raise AssertionError("numbers do not end")


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows has no such question
        return LONGEST_NAME


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """A path whose text is UTF-8, for libraries that take no other: `path` itself, or else a link to it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, "link")
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path
