"""The page with its captions from another machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.serving import client
from captioner.serving.client import Backend, Patience, RemoteCaptioner
from captioner.serving.describing import Describer
from demo import text
from demo.callbacks import caption_json, view_photo, warm_up
from demo.questions import Answerer
from demo.scheduler import Scheduler
from stand_in_service import DIE, StandIn, stand_in

QUICK = Patience(attempts=4, first=0.001, longest=0.002, timeout=20, total=20)


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


@pytest.mark.parametrize("sentence", [client.NOT_HERE, client.NO_ANSWER])
def test_the_sentences_are_translated(sentence: str) -> None:
    for code, texts in text.read_languages().items():
        assert code == "en" or sentence in texts["sentences"]
