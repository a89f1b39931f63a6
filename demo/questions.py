"""What the page asks the model after the first result, and the answers: one function per kind of question.

A question is what a browser sent, so anything: every reader here checks what it takes. An answer is plain data with a
"kind"; a problem is one too (`view.build_problem`), so that the page always has a sentence to show.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, SearchError
from demo import text
from demo.box import answer_inside, answer_stages
from demo.callbacks import described, open_upload, read_preset
from demo.comparison import describe_example
from demo.grids import GridCache
from demo.health import Checkup
from demo.learning import learning_view
from demo.probing import Subject, probe_view
from demo.room_questions import ROOM_QUESTIONS, open_room
from demo.rooms import Rooms
from demo.takeaway import draw_caption, open_record
from demo.view import build_problem
from demo.view_types import ResultView, View

if TYPE_CHECKING:
    from PIL import Image

    from captioner.captioner import Captioner

LOG = logging.getLogger(__name__)
MAX_WAIT = 20.0  # seconds a question waits for its turn before the page is told to ask again
MAX_PREFIX = 100  # words

Question = Mapping[str, Any]
Answer = Mapping[str, Any]


class Answerer:
    """Answers questions about photos, one at a time: the model's cores are shared by all visitors.

    Args:
        find_captioner: gives the captioner, waiting for it where it is still being loaded.
        uploads: the folder uploaded files lie in; nothing outside it is opened.
    """

    def __init__(self, find_captioner: Callable[[], Captioner], uploads: Path) -> None:
        self.find_captioner = find_captioner
        self.uploads = uploads
        self.grids = GridCache()
        self._turn = threading.Lock()
        self.checkup = Checkup(find_captioner)
        self.rooms = Rooms()

    def answer(self, question: object, visitor: str = "") -> Answer:
        """The answer to a question, or a problem in its place; never raises for what a browser may send.

        Args:
            visitor: the network address it came from; a question knows it as its "visitor".
        """
        kind = question.get("kind") if isinstance(question, Mapping) else None
        if not isinstance(question, Mapping) or not isinstance(kind, str) or kind not in (*ANSWERS, *AT_ONCE):
            return build_problem(text.UNKNOWN_QUESTION)
        needed = kind in ANSWERS
        if needed and not self._turn.acquire(timeout=MAX_WAIT):
            return build_problem(text.BUSY)
        try:
            return (ANSWERS if needed else AT_ONCE)[kind](self, {**question, "visitor": visitor})
        except CaptionerError as problem:
            return build_problem(str(problem))
        except Exception:  # an error nobody foresaw: its traceback is for the server's log, not for the visitor
            LOG.exception("A question of the kind %s could not be answered.", kind)
            return build_problem(text.UNANSWERED)
        finally:
            if needed:
                self._turn.release()


def continue_caption(answerer: Answerer, question: Question) -> View:
    """{"kind": "continue", "photo": upload, "words": [...], "preset": name}: the search from a given beginning."""
    words = question.get("words")
    if not isinstance(words, list) or len(words) > MAX_PREFIX or not all(isinstance(word, str) for word in words):
        raise SearchError(text.UNKNOWN_QUESTION)
    return _described(answerer, question, tuple(words))


def describe_photo(answerer: Answerer, question: Question) -> View:
    """{"kind": "describe", "photo": upload, "preset": name}: a result like any other, of a photo the page made."""
    return _described(answerer, question, ())


def _described(answerer: Answerer, question: Question, prefix: tuple[str, ...]) -> ResultView:
    preset = read_preset(question.get("preset"))
    return described(answerer.find_captioner(), answerer.uploads, read_upload(question), preset, prefix)


def read_upload(question: Question) -> Mapping[str, Any]:
    """The photo a question is about: an upload's {"path"}, or {"url": a data: address}.

    Raises:
        PhotoError: there is none.
    """
    photo = question.get("photo")
    return photo if isinstance(photo, Mapping) else {}


def look_in_box(
    explain: Callable[[Captioner, Image.Image, Question], Answer],
) -> Callable[[Answerer, Question], Answer]:
    """An answer out of `demo.box`, which knows photos but no uploads."""

    def answer(answerer: Answerer, question: Question) -> Answer:
        photo = open_upload(answerer.uploads, read_upload(question))
        return explain(answerer.find_captioner(), photo, question)

    return answer


def probe(answerer: Answerer, question: Question) -> Answer:
    """{"kind": "probe", "photo": upload, "test": ...}: an experiment, see `demo.probing`."""
    captioner, upload = answerer.find_captioner(), read_upload(question)
    grid = answerer.grids.find(captioner, answerer.uploads, upload)
    return probe_view(Subject(captioner, lambda: open_upload(answerer.uploads, upload), grid), question)


# Known without the model: nobody waits for a turn.
AT_ONCE: dict[str, Callable[[Answerer, Question], Answer]] = {
    "health": lambda answerer, _: answerer.checkup.view(),
    "learning": lambda answerer, _: learning_view(),
    **ROOM_QUESTIONS,
}
ANSWERS: dict[str, Callable[[Answerer, Question], Answer]] = {
    "continue": continue_caption,
    "describe": describe_photo,
    "example": lambda answerer, question: describe_example(answerer.find_captioner(), question),
    "open": open_record,
    "picture": draw_caption,
    "probe": probe,
    "room_open": open_room,
    "inside": look_in_box(answer_inside),
    "stages": look_in_box(answer_stages),
}
