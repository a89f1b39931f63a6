from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from builders import photo, tiny_captioner, tiny_checkpoint
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.errors import CaptionerError, PhotoError, SearchError, ServingError
from captioner.search_options import SearchOptions
from captioner.serving import client
from captioner.serving.client import Backend, Patience, RemoteCaptioner
from captioner.serving.describing import Describer
from stand_in_service import ANSWER, CUT, DIE, ELSEWHERE, NONSENSE, SILENCE, Behaviour, StandIn, stand_in

QUICK = Patience(attempts=4, first=0.001, longest=0.002, timeout=20, total=20)
WIDTHS = SearchOptions(widths=(1, 3))


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture(scope="module")
def describer(captioner: Captioner) -> Describer:
    return Describer(captioner)


@pytest.fixture
def service(describer: Describer) -> Iterator[StandIn]:
    with stand_in(describer) as server:
        yield server


def test_a_remote_description_is_the_local_one(captioner: Captioner, service: StandIn) -> None:
    image = photo(900, 700)
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    ours, theirs = captioner.describe(image, WIDTHS, ("a",)), remote.describe(image, WIDTHS, ("a",))
    assert theirs.ranking == ours.ranking
    assert theirs.trees.keys() == ours.trees.keys()
    assert theirs.native == ours.native
    for one, other in zip(ours.captions, theirs.captions, strict=True):
        assert one.words == other.words
        np.testing.assert_allclose(one.attention, other.attention, atol=1e-6)
        np.testing.assert_allclose(one.log_probs, other.log_probs, rtol=1e-5)
    _, _, sent = service.seen[-1]
    assert sent < 64 * 64 * 3 + 1000  # no more than the model looks at


def test_it_knows_of_the_model_what_the_page_shows(captioner: Captioner, service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    assert (remote.card.name, remote.card.trained_on) == (captioner.card.name, captioner.card.trained_on)
    assert remote.photo_settings == captioner.photo_settings
    assert remote.self_test == captioner.self_test
    assert remote.words == len(captioner.vocabulary)


@pytest.mark.parametrize("script", [[DIE, DIE, DIE], [CUT], [(500, "fell over"), (503, "busy"), CUT]])
def test_a_request_that_was_cut_off_is_asked_again(
    service: StandIn, script: list[str | tuple[int, str]], captioner: Captioner
) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    service.script = list(script)
    assert remote.describe(photo(), WIDTHS).captions[0].words == captioner.describe(photo(), WIDTHS).captions[0].words
    assert len(service.seen) == 1 + len(script) + 1


def test_many_at_once_lose_nothing_where_every_third_is_cut_off(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), replace(QUICK, attempts=12))
    service.script = [DIE, ANSWER, CUT, ANSWER, ANSWER, (500, "gone")] * 5
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda seed: remote.describe(photo(seed=seed), WIDTHS), range(18)))
    assert len(told) == 18


RED, GREEN, BLUE = "#ff0000", "#008000", "#0000ff"
THREE = [Image.new("RGB", (90, 60), colour) for colour in (RED, GREEN, BLUE)]


def test_each_is_described_as_it_would_be_alone(captioner: Captioner, service: StandIn) -> None:
    photos = [photo(seed=seed) for seed in range(3)]
    told = RemoteCaptioner(Backend(service.url), QUICK).describe_each(photos, WIDTHS, ("a",))
    for image, description in zip(photos, told, strict=True):
        assert isinstance(description, Description)
        assert description.at_width(3)[0].words == captioner.describe(image, WIDTHS, ("a",)).at_width(3)[0].words


@pytest.mark.parametrize(
    ("behaviour", "kind", "sentence"),
    [
        ((422, "No photo at all."), PhotoError, "No photo at all."),
        ((400, "Not that."), SearchError, "Not that."),
        ((503, "busy"), ServingError, client.NO_ANSWER),
        (DIE, ServingError, client.NO_ANSWER),
    ],
)
def test_what_befalls_one_photo_is_in_its_place_alone(
    service: StandIn, behaviour: Behaviour, kind: type[CaptionerError], sentence: str
) -> None:
    service.colours[GREEN] = behaviour
    first, second, third = RemoteCaptioner(Backend(service.url), QUICK).describe_each(THREE, WIDTHS)
    assert isinstance(first, Description)
    assert isinstance(third, Description)
    assert (type(second), str(second)) == (kind, sentence)


def test_a_photo_that_is_never_answered_is_in_its_place_alone(service: StandIn) -> None:
    service.colours[RED] = SILENCE
    remote = RemoteCaptioner(Backend(service.url), replace(QUICK, attempts=2, timeout=1))
    first, *others = remote.describe_each(THREE, WIDTHS)
    assert (type(first), str(first)) == (ServingError, client.NO_ANSWER)
    assert all(isinstance(other, Description) for other in others)


def test_a_service_that_is_gone_is_told_of_every_photo(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    service.script = [DIE] * (QUICK.attempts * len(THREE))
    told = remote.describe_each(THREE, WIDTHS)
    assert [(type(one), str(one)) for one in told] == [(ServingError, client.NO_ANSWER)] * len(THREE)


def test_what_cannot_be_sent_keeps_its_place_too(service: StandIn) -> None:
    grey = photo().convert("L")
    first, second = RemoteCaptioner(Backend(service.url), QUICK).describe_each([grey, photo()], WIDTHS)
    assert isinstance(first, PhotoError)
    assert isinstance(second, Description)
    assert RemoteCaptioner(Backend(service.url), QUICK).describe_each([], WIDTHS) == ()


def test_nobody_there_is_one_sentence_in_the_end(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    service.script = [DIE] * 10
    with pytest.raises(ServingError, match="does not answer: try again"):
        remote.describe(photo(), WIDTHS)
    assert len(service.seen) == 1 + QUICK.attempts
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ServingError, match="does not answer"):
            RemoteCaptioner(Backend(f"http://127.0.0.1:{taken.getsockname()[1]}"), QUICK)


def test_no_attempt_is_begun_when_the_time_is_over(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), replace(QUICK, first=0.05, longest=0.05, total=0.01))
    service.script = [DIE] * 10
    with pytest.raises(ServingError):
        remote.describe(photo(), WIDTHS)
    assert len(service.seen) == 2


@pytest.mark.parametrize(
    ("status", "kind"), [(400, SearchError), (413, PhotoError), (422, PhotoError), (404, ServingError)]
)
def test_a_refusal_is_not_asked_again(service: StandIn, status: int, kind: type[CaptionerError]) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    service.script = [(status, "Say something else.")]
    with pytest.raises(kind, match=r"Say something else\."):
        remote.describe(photo(), WIDTHS)
    assert len(service.seen) == 2


def test_nothing_is_asked_but_the_address_that_was_named(service: StandIn) -> None:
    service.script = [ELSEWHERE]
    with pytest.raises(ServingError, match="check the address"):
        RemoteCaptioner(Backend(service.url), QUICK)
    assert [path for _, path, _ in service.seen] == ["/info"]


def test_what_is_no_answer_of_ours_is_one_sentence(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    service.script = [NONSENSE]
    with pytest.raises(ServingError, match="check the address"):
        remote.describe(photo(), WIDTHS)


def test_a_changed_checkpoint_is_noticed(describer: Describer, service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    checkpoint = tiny_checkpoint(seed=1)
    service.describer = Describer(Captioner(replace(checkpoint, card=replace(checkpoint.card, name="next")), "cpu"))
    assert remote.card.name == "tiny"
    assert remote.describe(photo(), WIDTHS).model == "next"
    assert remote.card.name == "next"


def test_what_needs_the_inside_of_the_model_is_one_sentence(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    for ask in (remote.encode, remote.search, remote.replay, remote.look_inside, remote.known_ids):
        with pytest.raises(ServingError, match="ask for captions only"):
            ask(photo())
    for inside in ("encoder", "decoder", "vocabulary"):
        with pytest.raises(ServingError, match="ask for captions only"):
            getattr(remote, inside)


def test_what_cannot_be_asked_is_told_before_anything_is_sent(service: StandIn) -> None:
    remote = RemoteCaptioner(Backend(service.url), QUICK)
    with pytest.raises(PhotoError, match="expected an RGB photo"):
        remote.describe(photo().convert("L"))
    with pytest.raises(SearchError, match="at most 220"):
        remote.describe(photo(), SearchOptions(widths=tuple(range(1, 31))))
    assert len(service.seen) == 1


@pytest.mark.parametrize("url", ["http://10.0.0.5:8000", "https://captions.example/saywhere/"])
def test_addresses_that_can_be_asked(url: str) -> None:
    assert Backend(url).path("/info").endswith("/info")
    assert "//" not in Backend(url).path("/info")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "10.0.0.5:8000",
        "file:///etc/passwd",
        "ftp://a",
        "http://",
        "http://a:b",
        "http://a:70000",
        "http://" + "me:secret@a",
        "http://a/?x=1",
        "http://a/#b",
        "http://a/\r\nX: y",
    ],
)
def test_addresses_that_cannot(url: str) -> None:
    with pytest.raises(ServingError, match="expected a backend such as"):
        Backend(url)


def test_pauses_grow_and_stay_below_the_longest() -> None:
    patience = Patience(first=0.1, longest=1.0)
    for attempt, most in enumerate((0.1, 0.2, 0.4, 0.8, 1.0, 1.0)):
        assert most / 2 <= patience.pause(attempt) <= most
