"""The example photos of `assets/examples/`; who made them and their licences stand in `assets/CREDITS.md`."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from captioner.description import Description
from captioner.photo import open_photo
from demo.view import build_view
from demo.view_types import ResultView

EXAMPLES_FOLDER = Path(__file__).resolve().parent.parent / "assets" / "examples"
THUMBNAIL_SIDE = 160  # pixels


@dataclass(frozen=True)
class ExamplePhoto:
    """A photo that visitors may pick.

    Attributes:
        path: the file; beside it may lie what the default model said of it, as a record of the same name (.json).
        title: what it is called on the page, from the file's name.
    """

    path: Path
    title: str

    def thumbnail(self) -> str:
        """A small square of the photo's middle, as a data: address."""
        photo = open_photo(self.path)
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        square = photo.crop((left, top, left + side, top + side))
        square.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        square.save(buffer, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def list_examples(folder: Path = EXAMPLES_FOLDER) -> tuple[ExamplePhoto, ...]:
    """Every JPEG of the folder by name; none when there is no such folder."""
    return tuple(ExamplePhoto(path, path.stem.replace("-", " ").capitalize()) for path in sorted(folder.glob("*.jpg")))


def recorded_view(examples: Sequence[ExamplePhoto]) -> ResultView | None:
    """What the page opens with, before the model is ready: the first example that has a record; None without any."""
    for example in examples:
        record = example.path.with_suffix(".json")
        if record.exists():
            description = Description.load(record)
            return build_view(description, open_photo(example.path), trained_on="", recorded=True)
    return None
