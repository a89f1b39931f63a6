"""Photos in what people name: files, folders and patterns such as `*.jpg`."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from captioner.errors import PhotoError
from captioner.names import APPLE_DOUBLE, shown
from captioner.photo import PHOTO_ENDINGS


@dataclass(frozen=True)
class FoundPhotos:
    """What was found in files, folders and patterns.

    Attributes:
        photos: in the order of what was given, those of a folder by name.
        others: files of the folders that are not named like photos.
        closed: folders within them that were not looked into: links, and those that cannot be read.
    """

    photos: tuple[Path, ...]
    others: tuple[Path, ...] = ()
    closed: tuple[Path, ...] = ()

    def told_skipped(self) -> str:
        """What was skipped, as a sentence with an example; empty when nothing was."""
        told = [
            f"{_count(paths, kind)} {why}, such as {shown(min(paths, key=_hidden_last))}"
            for paths, kind, why in (
                (self.others, "file", "not named like photos"),
                (self.closed, "folder", "behind a link or not readable"),
            )
            if paths
        ]
        return f"skipped {', and '.join(told)}" if told else ""


def is_photo_name(path: Path) -> bool:
    """Whether a file of a folder is named like a photo."""
    return path.suffix.lower() in PHOTO_ENDINGS and not path.name.startswith(APPLE_DOUBLE)


def expand(places: Iterable[Path]) -> list[Path]:
    """Paths, and in the place of a pattern what it matches, by name: on Windows no shell does that.

    A path that exists is no pattern, whatever its name; nor is a beginning of one that exists. A pattern that matches
    nothing stays.
    """
    return [path for place in places for path in (_matches(place) or [place])]


def find_photos(places: Iterable[Path]) -> FoundPhotos:
    """The files given, those that patterns match, and the photos in folders and the folders within.

    A file given by its name is a photo; in a folder its name must end like one (`PHOTO_ENDINGS`).

    Raises:
        PhotoError: there is no such file or folder, a pattern matches nothing, or a folder holds no photo.
    """
    photos: list[Path] = []
    others: list[Path] = []
    closed: list[Path] = []
    for place in expand(places):
        if _is_folder(place):
            found = _search(place)
            photos += found.photos
            others += found.others
            closed += found.closed
        elif _is_missing(place):
            raise PhotoError(f"{shown(place)} {_why_missing(place)}")
        else:
            photos.append(place)
    return FoundPhotos(tuple(photos), tuple(others), tuple(closed))


def _search(folder: Path) -> FoundPhotos:
    """The photos of a folder and the folders within, by name."""
    refused: list[OSError] = []
    files: list[Path] = []
    links: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=refused.append):
        files += [Path(place, name) for name in names]
        links += [path for name in folders if (path := Path(place, name)).is_symlink()]
    photos = tuple(sorted(path for path in files if is_photo_name(path)))
    others = tuple(sorted(path for path in files if not is_photo_name(path)))
    unread = [Path(os.fsdecode(problem.filename)) for problem in refused]
    if folder in unread:
        raise PhotoError(f"{shown(folder)} cannot be read: choose a folder whose files you may list")
    if not photos:
        held = "it has no files"
        if others:
            named = shown(min(others, key=_hidden_last).name)
            held = f"of {_count(others, 'file')}, such as {named}, none is named like one ({', '.join(PHOTO_ENDINGS)})"
        raise PhotoError(f"{shown(folder)} holds no photo: {held}")
    return FoundPhotos(photos, others, tuple(sorted([*links, *unread])))


def _hidden_last(path: Path) -> tuple[bool, Path]:
    return path.name.startswith("."), path


def _count(paths: Sequence[Path], kind: str) -> str:
    return f"{len(paths)} {kind}{'s' if len(paths) > 1 else ''}"


def _matches(place: Path) -> list[Path]:
    """What a pattern matches, hidden files only where it names the dot; nothing for a path that is none."""
    if not _is_missing(place) or not _is_pattern(place):
        return []
    beginning, *rest = place.parts
    known = Path(beginning) if place.is_absolute() else Path()
    parts = rest if place.is_absolute() else [beginning, *rest]
    while not _is_missing(known / parts[0]):
        known, parts = known / parts[0], parts[1:]
    pattern = Path(glob.escape(str(known)), *parts)
    return sorted(map(Path, glob.glob(str(pattern), recursive=True)))  # noqa: PTH207 (Path.glob matches hidden files)


def _is_pattern(place: Path) -> bool:
    return any(sign in str(place) for sign in "*?[")


def _why_missing(place: Path) -> str:
    if _is_pattern(place):
        return "matches no file: check the pattern, or name the files"
    return "was not found: check the path"


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):  # nobody may look there
        return False


def _is_missing(place: Path) -> bool:
    """Whether there is nothing of that name, not even a link that leads nowhere."""
    try:
        place.lstat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # no permission, a name too long, or one that Windows forbids
        return _is_pattern(place)
    return False
