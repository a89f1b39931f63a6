"""What the page asks the model after the first result, and the answers: one function per kind of question.

A question is what a browser sent, so anything: every reader here checks what it takes. An answer is plain data with a
"kind"; a problem is one too (`view.build_problem`), so that the page always has a sentence to show.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from captioner.errors import CaptionerError, SearchError
from demo import text
from demo.box import answer_inside, answer_stages
from demo.callbacks import (
    Asker,
    build_refusal,
    content_of,
    described,
    find_upload,
    open_upload,
    read_preset,
    read_visitor,
)
from demo.comparison import describe_example
from demo.grids import GridCache
from demo.health import Checkup
from demo.learning import learning_view
from demo.probing import Subject, probe_view
from demo.room_questions import ROOM_QUESTIONS, open_room
from demo.rooms import Rooms
from demo.scheduler import ModelTask, Scheduler
from demo.takeaway import draw_caption, open_record
from demo.view import build_problem

if TYPE_CHECKING:
    from PIL import Image

    from captioner.captioner import Captioner

LOG = logging.getLogger(__name__)
MAX_WAIT = 20.0  # seconds a question waits for its turn before the page is told to ask again
MAX_PREFIX = 100  # words
QUESTIONS_WAITING = 4  # of one visitor: more take the place of the first

Question = Mapping[str, Any]
Answer = Mapping[str, Any]


class Answerer:
    """Answers questions about photos, each when its turn with the model has come.

    Args:
        find_captioner: gives the captioner, waiting for it where it is still being loaded.
        uploads: the folder uploaded files lie in; nothing outside it is opened.
        scheduler: gives the turns; None: one of its own.
        grids: of the photos given last; None: a cache of its own.
    """

    def __init__(
        self,
        find_captioner: Callable[[], Captioner],
        uploads: Path,
        scheduler: Scheduler | None = None,
        grids: GridCache | None = None,
    ) -> None:
        self.uploads = uploads
        self.grids = grids or GridCache()
        self.scheduler = scheduler or Scheduler(find_captioner, grids=self.grids)
        self.checkup = Checkup(find_captioner)
        self.rooms = Rooms()

    def answer(self, question: object, session: str | None = None, network: str = "") -> Answer:
        """The answer to a question, or a problem in its place; never raises for what a browser may send.

        Args:
            session: the connection on which it is waited for (see `Scheduler.leave`).
            network: the address it came from; a question knows it as its "network".
        """
        kind = question.get("kind") if isinstance(question, Mapping) else None
        if not isinstance(question, Mapping) or not isinstance(kind, str):
            return build_problem(text.UNKNOWN_QUESTION)
        try:
            if kind in AT_ONCE:
                return AT_ONCE[kind](self, {**question, "network": network})
            return self._told(kind, {**question, "network": network}, session)
        except CaptionerError as problem:
            return build_refusal(problem)
        except Exception:  # an error nobody foresaw: its traceback is for the server's log, not for the visitor
            LOG.exception("A question of the kind %s could not be answered.", kind)
            return build_problem(text.UNANSWERED)

    def _told(self, kind: str, question: Question, session: str | None) -> Answer:
        """What only the model knows."""
        name = read_visitor(question)
        asker = Asker(name and f"{name} asks", session, most=QUESTIONS_WAITING, patience=MAX_WAIT)
        if kind in CAPTIONS:
            upload, preset = read_upload(question), read_preset(question.get("preset"))
            return described(self.scheduler, self.uploads, upload, preset, CAPTIONS[kind](question), asker)
        if kind not in ANSWERS:
            raise SearchError(text.UNKNOWN_QUESTION)
        task = ModelTask(lambda captioner: ANSWERS[kind](self, captioner, question))
        ticket = self.scheduler.ask(task, asker.visitor, asker.session, asker.most)
        answer: Answer = ticket.result(asker.patience)
        return answer


def read_beginning(question: Question) -> tuple[str, ...]:
    """{"kind": "continue", "photo": upload, "words": [...], "preset": name}: the search from a given beginning.

    Raises:
        SearchError: "words" are no words.
    """
    words = question.get("words")
    if not isinstance(words, list) or len(words) > MAX_PREFIX or not all(isinstance(word, str) for word in words):
        raise SearchError(text.UNKNOWN_QUESTION)
    return tuple(words)


def read_upload(question: Question) -> Mapping[str, Any]:
    """The photo a question is about: an upload's {"path"}, or {"url": a data: address}.

    Raises:
        PhotoError: there is none.
    """
    photo = question.get("photo")
    return photo if isinstance(photo, Mapping) else {}


def look_in_box(
    explain: Callable[[Captioner, Image.Image, Question], Answer],
) -> Callable[[Answerer, Captioner, Question], Answer]:
    """An answer out of `demo.box`, which knows photos but no uploads."""

    def answer(answerer: Answerer, captioner: Captioner, question: Question) -> Answer:
        return explain(captioner, open_upload(answerer.uploads, read_upload(question)), question)

    return answer


def probe(answerer: Answerer, captioner: Captioner, question: Question) -> Answer:
    """{"kind": "probe", "photo": upload, "test": ...}: an experiment, see `demo.probing`."""
    upload = read_upload(question)
    opened = partial(open_upload, answerer.uploads, upload)
    content = content_of(find_upload(answerer.uploads, upload))
    return probe_view(Subject(captioner, opened, answerer.grids.find(captioner, content, opened)), question)


# Known without the model: nobody waits for a turn.
AT_ONCE: dict[str, Callable[[Answerer, Question], Answer]] = {
    "health": lambda answerer, _: answerer.checkup.view(),
    "learning": lambda answerer, _: learning_view(),
    "room_open": open_room,
    **ROOM_QUESTIONS,
}
# A photo and what its captions begin with. {"kind": "describe", "photo": upload, "preset": name}: one the page made.
CAPTIONS: dict[str, Callable[[Question], tuple[str, ...]]] = {
    "continue": read_beginning,
    "describe": lambda _: (),
}
ANSWERS: dict[str, Callable[[Answerer, Captioner, Question], Answer]] = {
    "example": lambda _, captioner, question: describe_example(captioner, question),
    "open": lambda answerer, _, question: open_record(answerer, question),
    "picture": lambda answerer, _, question: draw_caption(answerer, question),
    "probe": probe,
    "inside": look_in_box(answer_inside),
    "stages": look_in_box(answer_stages),
}
