"""What happens when a visitor or a program asks for a caption: plain functions, no Gradio."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from captioner.errors import CaptionerError, PhotoError, SearchError
from captioner.photo import is_preview, open_photo
from captioner.search_options import DEFAULT_PRESET, MAX_WIDTH, PRESETS, SearchOptions
from demo import text
from demo.batches import PhotoTask, Seen
from demo.scheduler import Scheduler
from demo.tickets import FullError
from demo.view import ShownPhoto, build_fault, build_gone, build_problem, build_view, show_photo
from demo.view_types import FullView, ProblemView, ResultView, View

if TYPE_CHECKING:
    from captioner.captioner import Captioner

LOG = logging.getLogger(__name__)
MAX_DATA_ADDRESS = 4_000_000  # characters of a data: address, as many bytes as the guard lets a request have
MAX_VISITOR = 64  # characters of a page's name

Upload = Mapping[str, Any]  # what Gradio says of a file: its "path" on the server, or a data: address as "url"


class PhotoGoneError(PhotoError):
    """The file is not on the server, or no longer."""


@dataclass(frozen=True)
class Asker:
    """Who waits for an answer.

    Attributes:
        visitor: a name only the visitor's page knows; None: none was given.
        session: the connection on which the answer is waited for (see `Scheduler.leave`).
        told: is told how many are before this one, whenever that changes.
        most: how many of the visitor's questions may wait.
        patience: seconds until an answer whose turn has not come is given up.
    """

    visitor: str | None = None
    session: str | None = None
    told: Callable[[int], None] | None = None
    most: int = 1
    patience: float = math.inf


NOBODY = Asker()


def view_photo(scheduler: Scheduler, uploads: Path, upload: object, asker: Asker = NOBODY) -> View | FullView:
    """Caption a photo at every beam width for the page.

    Whatever goes wrong gives a problem to show in the caption's place instead of an exception.

    Args:
        uploads: the folder uploaded files lie in; nothing outside it is opened.
        upload: what Gradio says of the file, and "preset", how to search; a browser may send anything.
        asker: who waits for it; "visitor" of the upload is the name.
    """
    if not isinstance(upload, Mapping):
        return build_problem(text.NO_PHOTO)
    try:
        preset = read_preset(upload.get("preset"))
        return described(
            scheduler, uploads, upload, preset, asker=replace(asker, visitor=read_visitor(upload)), lent=True
        )
    except FullError as problem:
        return {"kind": "full", "message": str(problem), "seconds": problem.seconds}
    except CaptionerError as problem:
        return build_refusal(problem)
    except Exception:  # an error nobody foresaw: its traceback is for the server's log, not for the visitor
        LOG.exception("A photo could not be captioned.")
        return build_fault(text.UNEXPECTED)


def build_refusal(problem: CaptionerError) -> ProblemView:
    """The view of a question that was refused."""
    return build_gone(str(problem)) if isinstance(problem, PhotoGoneError) else build_problem(str(problem))


def described(
    scheduler: Scheduler,
    uploads: Path,
    upload: Upload,
    preset: str,
    prefix: tuple[str, ...] = (),
    asker: Asker = NOBODY,
    *,
    lent: bool = False,
) -> ResultView:
    """What the page is shown of an uploaded photo, when its turn has come.

    Args:
        prefix: words that every caption begins with.
        lent: let a lent GPU do it, where there is one (`demo.zero_gpu`).

    Raises:
        PhotoError: there is none, it cannot be used, or it does not lie in `uploads`.
        SearchError: the prefix cannot be said.
        FullError: too many wait.
    """

    def finish(captioner: Captioner, shown: ShownPhoto, seen: Seen) -> ResultView:
        about = captioner.card.trained_on
        return build_view(seen.description, shown, about, preset=preset, without_gpu=seen.without_gpu)

    source = find_upload(uploads, upload)
    options = SearchOptions.preset(preset)
    content, preview = content_of(source), is_preview(source)
    task = PhotoTask(content, f"view {preset}", options, prefix, lambda: open_photo(source), finish, show_photo, lent)
    shared: ResultView = _answered(scheduler, task, asker)
    path = upload.get("path")  # the visitor's own, beside what may be shared with others
    return {**shared, "source": None if path is None else {"path": str(path)}, "preview": preview}


def _answered(scheduler: Scheduler, task: PhotoTask, asker: Asker) -> Any:
    ticket = scheduler.ask(task, asker.visitor, asker.session, asker.most)
    try:
        return ticket.result(asker.patience, asker.told)
    except PhotoError:  # may name the file of another visitor, who brought the same: told again of this one's
        task.photo()
        raise


def warm_up(captioner: Captioner) -> None:
    """Caption a grey photo once, so that the first visitor does not wait for what is made or imported on first use."""
    grey = Image.new("RGB", (64, 64), "grey")
    build_view(captioner.describe(grey), grey, captioner.card.trained_on)


def caption_json(
    scheduler: Scheduler, uploads: Path, upload: Upload | None, beam_width: object, asker: Asker = NOBODY
) -> dict[str, Any]:
    """The public API: captions of one photo at one beam width, with words and maps; "preview" where only a raw file's
    small preview was captioned.

    Raises:
        PhotoError: no photo, or one that cannot be used.
        SearchError: `beam_width` is no whole number from 1 to MAX_WIDTH.
        FullError: too many wait.
    """
    width = read_beam_width(beam_width)
    if upload is None:
        raise PhotoError(text.NO_PHOTO)
    source, options = find_upload(uploads, upload), SearchOptions(widths=(width,))

    def finish(captioner: Captioner, shown: None, seen: Seen) -> dict[str, Any]:
        return seen.description.to_json(width)

    content, preview = content_of(source), is_preview(source)
    task = PhotoTask(content, "json", options, (), lambda: open_photo(source), finish, lambda photo: None)
    found: dict[str, Any] = _answered(scheduler, task, asker)
    return {**found, "preview": True} if preview else found


def read_visitor(value: Mapping[str, Any]) -> str | None:
    """The name a page goes by, a random one of its own, or None."""
    visitor = value.get("visitor")
    return visitor if isinstance(visitor, str) and 0 < len(visitor) <= MAX_VISITOR else None


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
    return open_photo(find_upload(uploads, upload))


def find_upload(uploads: Path, upload: Upload) -> str | bytes:
    """The path of an uploaded file, or what a data: address holds.

    Raises:
        PhotoError: there is none, or it does not lie in `uploads`.
    """
    path, address = upload.get("path"), upload.get("url")
    if path is None:
        if not address:
            raise PhotoError(text.NO_PHOTO)
        return read_data_address(str(address))
    if not _lies_in(uploads, str(path)):
        raise PhotoGoneError(text.PHOTO_GONE)
    return str(path)


def content_of(source: str | bytes) -> str:
    """A hash of a photo file's bytes: neither its name nor its place.

    Raises:
        PhotoError: the file has gone.
    """
    try:
        return hashlib.sha256(source if isinstance(source, bytes) else Path(source).read_bytes()).hexdigest()
    except OSError as problem:
        raise PhotoGoneError(text.PHOTO_GONE) from problem


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
