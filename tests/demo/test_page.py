from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

import demo
from builders import photo_bytes, tiny_captioner
from demo import text
from demo.questions import ANSWERS
from page_calls import ask_component, caption
from visits import GRADIO_WARNINGS

pytestmark = GRADIO_WARNINGS
DEMO = Path(demo.__file__).parent
META = {"_type": "gradio.FileData"}


@pytest.fixture(scope="module")
def client(tiny_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(tiny_address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield client
    client.close()


@pytest.fixture
def photo_file(tmp_path: Path) -> Path:
    file = tmp_path / "photo.png"
    file.write_bytes(photo_bytes())
    return file


def test_caption_and_probe_are_the_only_public_endpoints(client: Client) -> None:
    endpoints = client.view_api(return_format="dict")
    assert isinstance(endpoints, dict)
    assert list(endpoints["named_endpoints"]) == ["/caption", "/probe"]
    assert endpoints["unnamed_endpoints"] == {}
    names = [parameter["parameter_name"] for parameter in endpoints["named_endpoints"]["/caption"]["parameters"]]
    assert names == ["photo", "beam_width"]


def test_the_api_captions_a_photo(client: Client, photo_file: Path) -> None:
    found = client.predict(photo=handle_file(photo_file), beam_width=3, api_name="/caption")
    assert list(found) == ["captions", "grid", "model", "guessing", "strangeness"]
    assert found["grid"] == [4, 4]
    assert found["model"] == "tiny"
    assert len(found["captions"]) == 3
    for said in found["captions"]:
        assert said["text"] == " ".join(word["word"] for word in said["words"]).replace(" '", "'")
        for word in said["words"]:
            assert 0 <= word["probability"] <= 1
            assert [len(row) for row in word["attention"]] == [4, 4, 4, 4]


def test_the_beam_width_may_be_left_out(client: Client, photo_file: Path) -> None:
    assert len(client.predict(photo=handle_file(photo_file), api_name="/caption")["captions"]) == 5


@pytest.mark.parametrize("width", [0, 1000, 2.5, "3", True, None])
def test_a_wrong_beam_width_is_one_sentence(client: Client, photo_file: Path, width: object) -> None:
    with pytest.raises(ValueError, match=r"^Expected a beam width from 1 to 100, a whole number\.$"):
        client.predict(photo=handle_file(photo_file), beam_width=width, api_name="/caption")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b"hello", "cannot be recognised"), (photo_bytes()[:80], "damaged|cannot be recognised")],
)
def test_a_bad_file_is_one_sentence(client: Client, tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "bad.png"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as refused:
        client.predict(photo=handle_file(file), beam_width=3, api_name="/caption")
    assert "/" not in str(refused.value).replace("and/or", "")


def test_a_missing_photo_is_one_sentence(client: Client) -> None:
    with pytest.raises(ValueError, match=text.NO_PHOTO):
        client.predict(photo=None, beam_width=3, api_name="/caption")


@pytest.mark.parametrize("photo", [None, "abc", 5, [], {}, {"path": 5}, {"path": None, "url": None}])
def test_something_else_in_the_photos_place_is_one_sentence(tiny_address: str, photo: object) -> None:
    assert text.NO_PHOTO in caption(tiny_address, [photo, 3])


def test_a_file_of_the_server_is_not_opened(tiny_address: str, photo_file: Path) -> None:
    said = caption(tiny_address, [{"path": str(photo_file)}, 3]) + caption(tiny_address, [{"path": "/etc/passwd"}, 3])
    assert said.count(text.PHOTO_GONE) == 2
    assert "complete" not in caption(tiny_address, [{"path": str(photo_file), "meta": META}, 3])


def test_a_photo_is_not_fetched_from_another_address(tiny_address: str) -> None:
    for photo in ({"path": "http://127.0.0.1:9/a.png", "meta": META}, {"url": "http://127.0.0.1:9/a.png"}):
        assert text.NO_OUTSIDE_ADDRESS in caption(tiny_address, [photo, 3])


def test_a_data_address_is_captioned(tiny_address: str) -> None:
    address = "data:image/png;base64," + base64.b64encode(photo_bytes()).decode()
    said = caption(tiny_address, [{"url": address, "meta": META}, 1])
    assert said.startswith("event: complete")
    assert len(json.loads(said.split("data: ")[1])[0]["captions"]) == 1


@pytest.mark.parametrize("index", [-1, 99, "0", None, True, 0.5])
def test_there_is_no_other_example_than_those_shown(tiny_address: str, index: object) -> None:
    answer = ask_component(tiny_address, "fetch_example", {"index": index})
    assert answer.json() == {"kind": "problem", "message": text.NO_SUCH_EXAMPLE}


@pytest.mark.parametrize("question", [None, "abc", 5, []])
def test_something_else_in_a_questions_place_is_one_sentence(tiny_address: str, question: object) -> None:
    for function in ("fetch_example", "answer"):
        assert ask_component(tiny_address, function, question).json()["kind"] == "problem"


def test_an_example_can_be_fetched_and_looked_at(tiny_address: str) -> None:
    fetched = ask_component(tiny_address, "fetch_example", {"index": 0}).json()
    assert httpx.get(f"{tiny_address}/gradio_api/file={fetched['path']}").status_code == 200


def test_a_question_that_meets_a_fault_is_one_sentence(tiny_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(answerer: object, captioner: object, question: object) -> None:
        raise RuntimeError("in /some/secret/place")

    monkeypatch.setitem(ANSWERS, "open", fail)
    answer = ask_component(tiny_address, "answer", {"kind": "open"})
    assert answer.json() == {"kind": "problem", "message": text.UNANSWERED}


def test_a_huge_request_is_refused(tiny_address: str) -> None:
    body = json.dumps({"data": ["a" * 5_000_000, 3]})
    answer = httpx.post(f"{tiny_address}/gradio_api/call/caption", content=body)
    assert answer.status_code == 413
    assert "too large" in answer.json()["detail"]


def test_the_page_comes_with_security_headers(tiny_address: str) -> None:
    headers = httpx.get(tiny_address).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_building_the_page_warns_of_nothing_and_leaves_no_file_behind(gradio_folder: Path) -> None:
    from demo.page import build_page

    before = {path for path in DEMO.rglob("*") if "__pycache__" not in path.parts}
    with warnings.catch_warnings():
        for category in (UserWarning, DeprecationWarning, FutureWarning):  # of these kinds is what Gradio moved away
            warnings.simplefilter("error", category)
        build_page(tiny_captioner)
    assert {path for path in DEMO.rglob("*") if "__pycache__" not in path.parts} == before
    assert not list(DEMO.rglob("*.pyi"))


def test_nothing_the_browser_gets_names_an_outside_address() -> None:
    for file in (DEMO / "static").iterdir():
        assert re.findall(r"//\w+", file.read_text(encoding="utf-8")) == [], file.name
