"""What happens when a visitor or a program asks for a caption: plain functions, no Gradio."""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from captioner.errors import CaptionerError, PhotoError, SearchError
from captioner.photo import open_photo
from captioner.search_options import DEFAULT_PRESET, MAX_WIDTH, PRESETS, SearchOptions
from demo import text
from demo.view import build_fault, build_problem, build_view
from demo.view_types import ResultView, View

if TYPE_CHECKING:
    from captioner.caption import Description
    from captioner.captioner import Captioner
    from demo.grids import GridCache

LOG = logging.getLogger(__name__)
MAX_DATA_ADDRESS = 4_000_000  # characters of a data: address, as many bytes as the guard lets a request have

Upload = Mapping[str, Any]  # what Gradio says of a file: its "path" on the server, or a data: address as "url"


def view_photo(captioner: Captioner, uploads: Path, upload: object, grids: GridCache | None = None) -> View:
    """Caption a photo at every beam width for the page.

    Whatever goes wrong gives a problem to show in the caption's place instead of an exception.

    Args:
        uploads: the folder uploaded files lie in; nothing outside it is opened.
        upload: what Gradio says of the file, and "preset", how to search; a browser may send anything.
        grids: keeps the photo's grid for what is asked next; None: it is not kept.
    """
    if not isinstance(upload, Mapping):
        return build_problem(text.NO_PHOTO)
    try:
        preset = read_preset(upload.get("preset"))
        return described(captioner, uploads, upload, preset, grids=grids, lent=True)
    except CaptionerError as problem:
        return build_problem(str(problem))
    except Exception:  # an error nobody foresaw: its traceback is for the server's log, not for the visitor
        LOG.exception("A photo could not be captioned.")
        return build_fault(text.UNEXPECTED)


def described(
    captioner: Captioner,
    uploads: Path,
    upload: Upload,
    preset: str,
    prefix: tuple[str, ...] = (),
    grids: GridCache | None = None,
    *,
    lent: bool = False,
) -> ResultView:
    """What the page is shown of an uploaded photo.

    Args:
        prefix: words that every caption begins with.
        grids: where the photo's grid is looked up and kept; None: the photo is encoded.
        lent: let a lent GPU do it, where there is one (`demo.zero_gpu`).

    Raises:
        PhotoError: there is none, it cannot be used, or it does not lie in `uploads`.
        SearchError: the prefix cannot be said.
    """
    photo = open_upload(uploads, upload)
    options = SearchOptions.preset(preset)
    description, without_gpu = _look(captioner, photo, options, prefix) if lent else (None, False)
    if description is None:
        grid = captioner.encode([photo]) if grids is None else grids.find(captioner, upload, lambda: photo)
        description = captioner.search(grid, options, prefix)[0]
    path = upload.get("path")
    source = None if path is None else {"path": str(path)}
    return build_view(
        description, photo, captioner.card.trained_on, preset=preset, source=source, without_gpu=without_gpu
    )


def _look(
    captioner: Captioner, photo: Image.Image, options: SearchOptions, prefix: tuple[str, ...]
) -> tuple[Description | None, bool]:
    """A description where a GPU is lent, and whether that GPU was not to be had."""
    from demo.zero_gpu import LentCaptioner  # not before there is a captioner: the page opens without torch

    return captioner.look(photo, options, prefix) if isinstance(captioner, LentCaptioner) else (None, False)


def warm_up(captioner: Captioner) -> None:
    """Caption a grey photo once, so that the first visitor does not wait for what is made or imported on first use."""
    grey = Image.new("RGB", (64, 64), "grey")
    build_view(captioner.describe(grey), grey, captioner.card.trained_on)


def caption_json(captioner: Captioner, uploads: Path, upload: Upload | None, beam_width: object) -> dict[str, Any]:
    """The public API: captions of one photo at one beam width, with words and maps.

    Raises:
        PhotoError: no photo, or one that cannot be used.
        SearchError: `beam_width` is no whole number from 1 to MAX_WIDTH.
    """
    width = read_beam_width(beam_width)
    if upload is None:
        raise PhotoError(text.NO_PHOTO)
    description = captioner.describe(open_upload(uploads, upload), SearchOptions(widths=(width,)))
    return description.to_json(width)


def read_beam_width(value: object) -> int:
    """Check a beam width that came from outside; 3 and 3.0 are whole numbers, "3" and True are not."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= MAX_WIDTH or value % 1:
        raise SearchError(text.beam_width_range(MAX_WIDTH))
    return int(value)


def read_preset(value: object) -> str:
    """Check a preset's name that came from outside; none is the default's.

    Raises:
        SearchError: there is no preset of that name.
    """
    if value is None or value == "":
        return DEFAULT_PRESET
    if not isinstance(value, str) or value not in PRESETS:
        raise SearchError(text.known_presets(PRESETS))
    return value


def open_upload(uploads: Path, upload: Upload) -> Image.Image:
    """The photo of an uploaded file or a data: address.

    Raises:
        PhotoError: there is none, it cannot be used, or it does not lie in `uploads`.
    """
    path, address = upload.get("path"), upload.get("url")
    if path is None:
        if not address:
            raise PhotoError(text.NO_PHOTO)
        return open_photo(read_data_address(str(address)))
    if not _lies_in(uploads, str(path)):
        raise PhotoError(text.PHOTO_GONE)
    return open_photo(str(path))


def read_data_address(address: str) -> bytes:
    """The file inside a base64 data: address.

    Raises:
        PhotoError: it is another kind of address, longer than MAX_DATA_ADDRESS, or not base64.
    """
    if not address.startswith("data:"):
        raise PhotoError(text.NO_OUTSIDE_ADDRESS)
    header, comma, content = address.partition(",")
    if len(address) > MAX_DATA_ADDRESS or not comma or not header.endswith(";base64"):
        raise PhotoError(text.NOT_BASE64)
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise PhotoError(text.NOT_BASE64) from problem


def _lies_in(folder: Path, path: str) -> bool:
    """Whether a file is there and in the folder: a client may name any path, and learns of no other file."""
    try:
        file = Path(path).resolve()
        return file.is_relative_to(folder.resolve()) and file.is_file()
    except (OSError, ValueError, RuntimeError):  # too long, a null character, links that go round in a circle
        return False
