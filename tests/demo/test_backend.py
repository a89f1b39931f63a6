"""The page with its captions from another machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.errors import CaptionerError, PhotoError, ServingError
from captioner.photo import open_photo
from captioner.search_options import SearchOptions
from captioner.serving import client
from captioner.serving.client import Backend, Patience, RemoteCaptioner
from captioner.serving.describing import Describer
from demo import text
from demo.batches import PhotoTask, Seen
from demo.callbacks import caption_json, view_photo, warm_up
from demo.questions import Answerer
from demo.scheduler import Scheduler
from demo.tickets import Ticket
from stand_in_service import DIE, SILENCE, Behaviour, StandIn, stand_in

QUICK = Patience(attempts=4, first=0.001, longest=0.002, timeout=20, total=20)
RED, GREEN, BLUE = "#ff0000", "#008000", "#0000ff"


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture(scope="module")
def service(captioner: Captioner) -> Iterator[StandIn]:
    with stand_in(Describer(captioner)) as server:
        yield server


@pytest.fixture
def remote(service: StandIn) -> Captioner:
    return cast(Captioner, RemoteCaptioner(Backend(service.url), QUICK))


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    (tmp_path / "good.png").write_bytes(photo_bytes(photo(300, 200)))
    return tmp_path


def test_the_page_shows_what_a_model_here_would_say(captioner: Captioner, remote: Captioner, uploads: Path) -> None:
    upload = {"path": str(uploads / "good.png")}
    ours, theirs = (view_photo(Scheduler(find), uploads, upload) for find in (lambda: captioner, lambda: remote))
    assert ours is not None
    assert theirs is not None
    assert ours["kind"] == theirs["kind"] == "result"
    for key in ("ranking", "grid", "model", "trained_on"):
        assert theirs.get(key) == ours.get(key), key
    warm_up(remote)


def test_forced_words_and_the_api_go_there_too(captioner: Captioner, remote: Captioner, uploads: Path) -> None:
    upload = {"path": str(uploads / "good.png")}
    answerer = Answerer(lambda: remote, uploads)
    told = answerer.answer({"kind": "continue", "photo": upload, "words": ["two"]})
    assert told["kind"] == "result"
    said = caption_json(Scheduler(lambda: remote), uploads, upload, 3)
    assert [one["text"] for one in said["captions"]] == [
        one["text"] for one in caption_json(Scheduler(lambda: captioner), uploads, upload, 3)["captions"]
    ]


@pytest.mark.parametrize("kind", ["probe", "inside", "stages"])
def test_what_needs_the_inside_of_the_model_is_one_sentence(kind: str, remote: Captioner, uploads: Path) -> None:
    question = {"kind": kind, "photo": {"path": str(uploads / "good.png")}, "test": "map", "words": ["a"]}
    told = Answerer(lambda: remote, uploads).answer(question)
    assert (told["kind"], told["message"]) == ("problem", client.NOT_HERE)


def test_a_backend_that_is_gone_is_one_sentence(remote: Captioner, service: StandIn, uploads: Path) -> None:
    service.script = [DIE] * QUICK.attempts
    told = view_photo(Scheduler(lambda: remote), uploads, {"path": str(uploads / "good.png")})
    assert told is not None
    assert told["kind"] == "problem"
    assert client.NO_ANSWER in str(told)


def ask_together(remote: Captioner, *tasks: PhotoTask) -> tuple[Scheduler, list[Ticket]]:
    """Tasks that have become one batch: all of them wait before the captioner is found."""
    asked = threading.Event()

    def find() -> Captioner:
        asked.wait()
        return remote

    scheduler = Scheduler(find)
    tickets = [scheduler.ask(task) for task in tasks]
    asked.set()
    return scheduler, tickets


def task(colour: str, photo: bytes | None = None) -> PhotoTask:
    def finish(captioner: Captioner, shown: Image.Image, seen: Seen) -> dict[str, Any]:
        return {"colour": colour, "text": seen.description.at_width(1)[0].text}

    def opened() -> Image.Image:
        return Image.new("RGB", (90, 60), colour) if photo is None else open_photo(photo)

    return PhotoTask(colour, "plain", SearchOptions(widths=(1,)), (), opened, finish)


def outcome(ticket: Ticket) -> dict[str, Any] | CaptionerError:
    try:
        found: dict[str, Any] = ticket.result()
    except CaptionerError as problem:
        return problem
    return found


@pytest.mark.parametrize(
    ("behaviour", "patience", "kind", "sentence"),
    [
        ((422, "No photo at all."), QUICK, PhotoError, "No photo at all."),
        (DIE, QUICK, ServingError, client.NO_ANSWER),
        (SILENCE, replace(QUICK, attempts=2, timeout=1), ServingError, client.NO_ANSWER),
    ],
)
def test_each_photo_of_a_batch_has_its_own_answer(
    captioner: Captioner, behaviour: Behaviour, patience: Patience, kind: type[CaptionerError], sentence: str
) -> None:
    with stand_in(Describer(captioner)) as service:
        service.colours[GREEN] = behaviour
        remote = cast(Captioner, RemoteCaptioner(Backend(service.url), patience))
        scheduler, tickets = ask_together(remote, task(RED), task(GREEN), task(BLUE))
        first, second, third = map(outcome, tickets)
        assert isinstance(first, dict)
        assert isinstance(third, dict)
        assert (first["colour"], third["colour"]) == (RED, BLUE)
        assert (type(second), str(second)) == (kind, sentence)
        service.colours.clear()  # what was not answered is not kept: it is asked again
        assert scheduler.ask(task(GREEN)).result()["colour"] == GREEN


def test_photos_that_are_refused_here_and_there_keep_their_places(captioner: Captioner) -> None:
    with stand_in(Describer(captioner)) as service:
        service.colours[GREEN] = (413, "Too large.")
        remote = cast(Captioner, RemoteCaptioner(Backend(service.url), QUICK))
        _, tickets = ask_together(remote, task("broken", b"none"), task(GREEN), task(BLUE))
        broken, refused, described = map(outcome, tickets)
        assert isinstance(broken, PhotoError)
        assert isinstance(refused, PhotoError)
        assert str(refused) == "Too large."
        assert str(broken) != "Too large."
        assert isinstance(described, dict)
        assert described["colour"] == BLUE


def test_a_backend_that_is_gone_is_told_of_every_photo_of_a_batch(captioner: Captioner) -> None:
    with stand_in(Describer(captioner)) as service:
        remote = cast(Captioner, RemoteCaptioner(Backend(service.url), QUICK))
        service.colours = dict.fromkeys((RED, GREEN, BLUE), DIE)
        _, tickets = ask_together(remote, task(RED), task(GREEN), task(BLUE))
        assert [str(outcome(ticket)) for ticket in tickets] == [client.NO_ANSWER] * 3


@pytest.mark.parametrize("sentence", [client.NOT_HERE, client.NO_ANSWER])
def test_the_sentences_are_translated(sentence: str) -> None:
    for code, texts in text.read_languages().items():
        assert code == "en" or sentence in texts["sentences"]
