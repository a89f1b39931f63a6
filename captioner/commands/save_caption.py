"""What `caption --save` writes: a sheet of maps and a record for each photo."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.errors import PhotoError
from captioner.names import free_stem, shown
from captioner.whole_file import write_whole

if TYPE_CHECKING:
    from PIL import Image

    from captioner.description import Description


def make_folder(folder: Path) -> None:
    """Make the folder results are saved to.

    Raises:
        PhotoError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise PhotoError(f"{shown(folder)} cannot be made a folder: choose another place to save to") from problem


def save(description: Description, photo: Image.Image, width: int, folder: Path, name: str) -> None:
    """Write the best caption's overlay sheet as PNG and the whole record as JSON; nothing there is overwritten.

    Raises:
        PhotoError: the folder cannot be written.
    """
    from captioner.sheet import overlay_sheet

    try:
        stem = free_stem(folder, name, (".png", ".json"))
    except OSError as problem:
        raise PhotoError(f"{shown(folder)} cannot be looked into: choose another place to save to") from problem
    description.save(folder / f"{stem}.json")
    picture = io.BytesIO()
    overlay_sheet(photo, description.at_width(width)[0]).save(picture, "PNG")
    write_whole(folder / f"{stem}.png", picture.getvalue())
