"""The attention health of the model behind the page: found out once, in the background, and asked for by every page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from captioner.captioner import Captioner
    from captioner.self_test import SelfTest

LOG = logging.getLogger(__name__)


class HealthView(TypedDict):
    """`state` is "loading" until the model has been tested, "unknown" where that failed; `findings` are the names in
    `captioner.self_test`."""

    kind: Literal["health"]
    state: Literal["loading", "good", "bad", "unknown"]
    findings: list[str]
    model: str


class Checkup:
    """Tests the model as soon as it is there, in a thread of its own; who asks before then is not kept waiting.

    Args:
        find_captioner: gives the captioner, waiting for it where it is still being loaded.
    """

    def __init__(self, find_captioner: Callable[[], Captioner]) -> None:
        self._found: Future[tuple[str, SelfTest]] = Future()
        self._find_captioner = find_captioner
        threading.Thread(target=self._run, name="attention health", daemon=True).start()

    def view(self) -> HealthView:
        """What is known by now."""
        if not self._found.done():
            return _view("loading")
        if self._found.exception() is not None:
            return _view("unknown")
        model, test = self._found.result()
        return _view("good" if test.healthy else "bad", list(test.findings), model)

    def trouble(self) -> BaseException | None:
        """What kept the model from being loaded or tested, as far as is known by now."""
        return self._found.exception() if self._found.done() else None

    def _run(self) -> None:
        try:
            captioner = self._find_captioner()
            self._found.set_result((captioner.card.name, captioner.self_test))
        except Exception as problem:  # whatever it is, pages go on without the light
            LOG.debug("The model could not be tested.", exc_info=True)
            self._found.set_exception(problem)


def _view(
    state: Literal["loading", "good", "bad", "unknown"], findings: list[str] | None = None, model: str = ""
) -> HealthView:
    return {"kind": "health", "state": state, "findings": findings or [], "model": model}
