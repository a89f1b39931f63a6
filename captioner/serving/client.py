"""Captions from another machine: what the page needs of a Captioner, asked over HTTP.

Plain `http.client`: no redirect is followed and no proxy used, so nothing is asked but the address the operator gave.
"""

from __future__ import annotations

import http.client
import io
import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from PIL import Image

from captioner.description import Description
from captioner.errors import CaptionerError, PhotoError, RecordError, SearchError, ServingError
from captioner.interrupt import check_wanted
from captioner.photo import PhotoSettings, reduce_photo
from captioner.search_options import SearchOptions
from captioner.self_test import SelfTest
from captioner.serving.contract import BAD_OPTIONS, BAD_PHOTO, FAULT, TOO_LARGE, Asked, Card, Info

LOG = logging.getLogger(__name__)
LOOK_PERIOD = 0.05  # seconds between two looks at whether the answers are still wanted
MAX_ANSWER = 64_000_000  # bytes
REFUSALS: dict[int, type[CaptionerError]] = {BAD_OPTIONS: SearchError, TOO_LARGE: PhotoError, BAD_PHOTO: PhotoError}
NOT_HERE = "This page has its captions from another machine, which does not answer that: ask for captions only."
NO_ANSWER = "The machine that captions does not answer: try again in a moment."


@dataclass(frozen=True)
class Backend:
    """The one address that is asked.

    Raises:
        ServingError: it is no http:// or https:// address of a host, or has a user, a query or a fragment.
    """

    url: str

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # a port that is none
            known = False
        if not known or parts.username is not None or parts.query or parts.fragment or not self.url.isprintable():
            raise ServingError(f"expected a backend such as http://127.0.0.1:8000, got {self.url!r}")

    def connect(self, timeout: float) -> http.client.HTTPConnection:
        """A connection that is opened with the first request; timeout in seconds."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(str(parts.hostname), parts.port, timeout=timeout)

    def path(self, place: str) -> str:
        """Of a place of the service, such as "/info"."""
        return urlsplit(self.url).path.rstrip("/") + place


@dataclass(frozen=True)
class Patience:
    """How often and how long a machine that does not answer is asked again.

    Attributes:
        attempts: in all, 1 or more.
        first: seconds before the second attempt; doubled each time, up to `longest`. Half to all of it is waited, by
            chance, lest all who were cut off ask again at the same moment.
        longest: seconds.
        timeout: seconds that one attempt may take.
        total: seconds after which no further attempt is begun.
    """

    attempts: int = 9
    first: float = 0.1
    longest: float = 4.0
    timeout: float = 60.0
    total: float = 90.0

    def pause(self, attempt: int) -> float:
        """Seconds to wait after attempt 0, 1, ..."""
        return min(self.longest, self.first * 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311 (no secret)


class RemoteCaptioner:
    """Describes photos by asking a service; safe to use from several threads.

    A question changes nothing there, so one that was cut off, or met a replica that had just died, is asked again.
    What needs the inside of the model (grids, experiments, cards) is refused in one sentence.

    Args:
        backend: whom to ask.
        patience: with a machine that does not answer.

    Raises:
        ServingError: it does not answer, or is something else.
    """

    batch_limit = 16  # photos asked about at the same time

    def __init__(self, backend: Backend, patience: Patience | None = None) -> None:
        self._backend = backend
        self._patience = patience or Patience()
        self._info = self._ask_info()

    @property
    def card(self) -> Card:
        """Of the model, as it was when last looked at; a new checkpoint is noticed by its first description."""
        return self._info.card

    @property
    def photo_settings(self) -> PhotoSettings:
        """How the model sees a photo."""
        return self._info.photo_settings

    @property
    def self_test(self) -> SelfTest:
        """What a replica found when it started."""
        return self._info.self_test

    @property
    def words(self) -> int:
        """How many words the model knows."""
        return self._info.words

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        """See `Captioner.describe`; the photo is sent as small as the model looks at it, without loss.

        Raises:
            PhotoError: the photo is not RGB, or refused.
            SearchError: the prefix cannot be said, or the search is larger than a service allows.
            ServingError: nobody answers, or not as SayWhere does.
        """
        if photo.mode != "RGB":
            raise PhotoError(f"expected an RGB photo, got mode {photo.mode}: open it with open_photo")
        asked = Asked(options or SearchOptions(), tuple(prefix))
        content = io.BytesIO()
        self.reduce(photo).save(content, "PNG", compress_level=1)
        answer = self._ask("POST", f"/describe?{urlencode(asked.query())}", content.getvalue())
        try:
            description = Description.from_record(answer, "The other machine's answer")
        except RecordError as problem:
            raise ServingError(f"{problem}, and let both machines have one version of SayWhere") from problem
        if description.model != self.card.name:
            self._info = self._ask_info()
        return description

    def reduce(self, photo: Image.Image) -> Image.Image:
        """What may be described in a photo's place (see `reduce_photo`)."""
        return reduce_photo(photo, self.photo_settings)

    def describe_each(
        self, photos: Sequence[Image.Image], options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> tuple[Description | CaptionerError, ...]:
        """Several photos, asked about side by side: the service has replicas and makes batches of its own.

        Returns:
            for each photo its description, or the error that `describe` would have raised: what is wrong with one, or
            never answered, does not touch the others.

        Raises:
            InterruptedCaptioningError: see `interruptible`; what was asked is not waited for.
        """

        def describe(photo: Image.Image) -> Description | CaptionerError:
            try:
                return self.describe(photo, options, prefix)
            except CaptionerError as problem:
                return problem

        pool = ThreadPoolExecutor(self.batch_limit)
        try:
            asked = [pool.submit(copy_context().run, describe, photo) for photo in photos]
            while wait(asked, LOOK_PERIOD).not_done:
                check_wanted()
            return tuple(one.result() for one in asked)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def encode(self, *_: object) -> NoReturn:
        """Grids stay where the model is.

        Raises:
            ServingError: always, as do all that need one.
        """
        raise ServingError(NOT_HERE)

    search = replay = look_inside = known_ids = encode

    @property
    def encoder(self) -> NoReturn:
        """See `encode`."""
        raise ServingError(NOT_HERE)

    decoder = vocabulary = encoder

    def _ask_info(self) -> Info:
        return Info.from_record(self._ask("GET", "/info", None))

    def _ask(self, method: str, place: str, body: bytes | None) -> Any:
        """The JSON of an answer, asked again while there is none.

        Raises:
            ServingError: there is none in the end.
        """
        status, content = self._persist(lambda: self._exchange(method, place, body))
        try:
            answer = json.loads(content)
            sentence = str(answer["error"]) if status >= BAD_OPTIONS else ""
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise ServingError(f"{self._backend.url} does not answer as SayWhere does: check the address") from problem
        if sentence:
            raise REFUSALS.get(status, ServingError)(sentence)
        return answer

    def _persist(self, exchange: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        last = time.monotonic() + self._patience.total
        for attempt in range(self._patience.attempts):
            check_wanted()
            if attempt:
                time.sleep(self._patience.pause(attempt - 1))
            if time.monotonic() > last:
                break
            try:
                status, content = exchange()
            except (OSError, http.client.HTTPException) as problem:
                LOG.info("No answer from the backend: %s", problem)
                continue
            if status < FAULT:
                return status, content
            LOG.info("The backend answered with status %d.", status)
        raise ServingError(NO_ANSWER)

    def _exchange(self, method: str, place: str, body: bytes | None) -> tuple[int, bytes]:
        """One request; an OSError or HTTPException when it is cut off."""
        connection = self._backend.connect(self._patience.timeout)
        try:
            kind = {} if body is None else {"Content-Type": "application/octet-stream"}
            connection.request(method, self._backend.path(place), body, kind)
            response = connection.getresponse()
            content = response.read(MAX_ANSWER + 1)
            if len(content) > MAX_ANSWER:
                raise ServingError(f"the other machine's answer is larger than {MAX_ANSWER // 10**6} MB: ask for less")
            if response.length:  # bytes that were promised and did not come
                raise http.client.IncompleteRead(content, response.length)
            return response.status, content
        finally:
            connection.close()
