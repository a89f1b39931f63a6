"""Experiments as the page and the API ask for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.encoder import FeatureGrid
from captioner.errors import CaptionerError
from demo import text
from demo.boxes import BOXES_FILE
from demo.callbacks import content_of, find_upload, open_upload
from demo.grids import GridCache
from demo.probing import Subject, probe_json, probe_view
from demo.questions import Answerer
from visits import GRADIO_WARNINGS

WORDS = ["a", "dog", "in", "water"]
SQUARE = [[0.2, 0.2], [0.7, 0.2], [0.7, 0.7], [0.2, 0.7]]
QUESTIONS: dict[str, dict[str, Any]] = {
    "map": {"test": "map", "words": WORDS, "step": 1},
    "seen": {"test": "seen", "words": WORDS},
    "second": {"test": "second", "words": WORDS, "step": 3},
    "shuffled": {"test": "shuffled", "words": WORDS},
    "gaze": {"test": "gaze", "words": WORDS, "step": 1, "weights": np.eye(4).tolist(), "beam_width": 2},
    "erase": {"test": "erase", "words": WORDS, "outline": SQUARE, "beam_width": 2},
}
ANSWER_KEYS = {
    "map": {"word", "log_prob", "uniform", "shuffled", "deletion", "loss", "verdict"},
    "seen": {"words", "log_probs", "blind", "gains"},
    "second": {"attention", "attribution", "agreement", "verdict", "correlation"},
    "shuffled": {"words", "maps"},
    "gaze": {"captions", "grid", "model", "guessing", "strangeness"},
    "erase": {"captions", "grid", "model", "guessing", "strangeness", "outlook"},
}


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture(scope="module")
def subject(captioner: Captioner) -> Subject:
    picture = photo()
    return Subject(captioner, lambda: picture, captioner.encode([picture]))


@pytest.mark.parametrize("test", QUESTIONS)
def test_every_experiment_answers_in_plain_json(subject: Subject, test: str) -> None:
    answer = probe_json(subject, QUESTIONS[test])
    assert answer["kind"] == test
    assert set(answer) == {"kind", *ANSWER_KEYS[test]}
    json.dumps(answer, allow_nan=False)


def test_without_words_the_best_caption_is_tested(subject: Subject) -> None:
    best = subject.captioner.search(subject.grid)[0].at_width(5)[0]
    assert probe_json(subject, {"test": "seen"})["words"] == list(best.words)


def test_a_gaze_holds_for_its_word_and_words_before_it_stay(subject: Subject) -> None:
    answer = probe_json(subject, QUESTIONS["gaze"])
    for said in answer["captions"]:
        assert said["words"][0]["word"] == "a"
        np.testing.assert_allclose(said["words"][1]["attention"], np.eye(4) / 4, atol=1e-6)
    everywhere = {key: value for key, value in QUESTIONS["gaze"].items() if key != "step"}
    for said in probe_json(subject, everywhere)["captions"]:
        for word in said["words"]:
            np.testing.assert_allclose(word["attention"], np.eye(4) / 4, atol=1e-6)


def test_the_page_gets_a_whole_result_where_the_photo_is_told_again(subject: Subject) -> None:
    for test in ("gaze", "erase"):
        answer = probe_view(subject, {**QUESTIONS[test], "preset": "tutorial"})
        assert answer["result"]["kind"] == "result"
        assert answer["result"]["preset"] == "tutorial"
        assert sorted(map(int, answer["result"]["ranking"])) == list(range(1, 11))
    assert answer["outlook"]["words"] == tuple(WORDS)


def test_boxes_are_checked_on_an_example_and_refused_elsewhere(captioner: Captioner, subject: Subject) -> None:
    cat = Image.open(BOXES_FILE.with_name("cat.jpg")).convert("RGB")
    example = Subject(captioner, lambda: cat, captioner.encode([cat]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.probing.boxes_of", lambda _: {"dog": [[0.0, 0.0, 1.0, 1.0]]})
        answer = probe_json(example, {"test": "boxes", "words": WORDS})
    assert [(word["word"], word["step"], word["mass"]) for word in answer["words"]] == [("dog", 1, pytest.approx(1))]
    with pytest.raises(CaptionerError, match="Nobody has drawn boxes"):
        probe_json(subject, {"test": "boxes", "words": WORDS})


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ({}, "Expected a test out of map, seen, second, boxes, shuffled, gaze, erase."),
        ({"test": ["map"]}, "Expected a test out of"),
        ({"test": "map", "words": WORDS, "step": 4}, "expected a word from 1 to 4 of the caption, got 5"),
        ({"test": "map", "words": WORDS, "step": -1}, text.NO_STEP),
        ({"test": "map", "words": WORDS, "step": "1"}, text.NO_STEP),
        ({"test": "map", "words": "a dog"}, text.UNKNOWN_QUESTION),
        ({"test": "seen", "words": ["zebra"]}, "'zebra' is not a word"),
        ({"test": "seen", "words": []}, "at least one word"),
        ({"test": "gaze"}, text.NO_GAZE),
        ({"test": "gaze", "weights": [[1, 2], [3, 4]]}, text.NO_GAZE),
        ({"test": "gaze", "weights": [["a"]]}, text.NO_GAZE),
        ({"test": "gaze", "weights": np.zeros((4, 4)).tolist()}, "expected a place to look at, got none"),
        ({"test": "gaze", "weights": np.eye(4).tolist(), "words": WORDS, "step": 9}, "there is no word 10"),
        ({"test": "gaze", "weights": np.eye(4).tolist(), "beam_width": 0}, "a beam width from 1 to 100"),
        ({"test": "erase", "outline": "everything"}, text.NO_OUTLINE),
        ({"test": "erase", "outline": [[0.1, 0.1]]}, "3 to 2000 points, got 1"),
        ({"test": "erase", "outline": [[0, 0], [1, 0], [1, 1], [0, 1]]}, "nearly the whole photo"),
        ({"test": "erase", "outline": SQUARE, "fill": "blur"}, "a fill of inpaint or flat"),
    ],
)
def test_wrong_use_is_one_clear_sentence(subject: Subject, question: dict[str, Any], sentence: str) -> None:
    with pytest.raises(CaptionerError) as refused:
        probe_json(subject, question)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_photo_is_encoded_once_however_many_experiments(
    captioner: Captioner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.png").write_bytes(photo_bytes())
    encoded: list[tuple[int, int]] = []
    encode = captioner.encode
    answerer = Answerer(lambda: captioner, tmp_path)
    assert captioner.self_test  # which encodes photos of its own

    def counted(photos: Sequence[Image.Image]) -> FeatureGrid:
        encoded.append(photos[0].size)
        return encode(photos)

    monkeypatch.setattr(captioner, "encode", counted)
    for test in ("map", "seen", "second", "shuffled"):
        answer = answerer.answer({"kind": "probe", "photo": {"path": str(tmp_path / "one.png")}, **QUESTIONS[test]})
        assert answer["kind"] == test
    assert encoded == [(96, 64)]
    (tmp_path / "one.png").write_bytes(photo_bytes(photo(seed=5)))  # another photo under the same name
    answerer.answer({"kind": "probe", "photo": {"path": str(tmp_path / "one.png")}, **QUESTIONS["seen"]})
    assert encoded == [(96, 64)] * 2


def find(cache: GridCache, captioner: Captioner, uploads: Path, path: str) -> FeatureGrid:
    content = content_of(find_upload(uploads, {"path": path}))
    return cache.find(captioner, content, lambda: open_upload(uploads, {"path": path}))


def test_only_the_last_photos_are_kept_and_no_file_outside_the_uploads_is_opened(
    captioner: Captioner, tmp_path: Path
) -> None:
    cache = GridCache(kept=2)
    for seed, name in enumerate(("a", "b", "c")):
        (tmp_path / name).write_bytes(photo_bytes(photo(seed=seed)))
        find(cache, captioner, tmp_path, str(tmp_path / name))
    assert len(cache._grids) == 2
    for path in ("/etc/passwd", str(tmp_path / "gone"), "\0"):
        with pytest.raises(CaptionerError, match="no longer on the server"):
            find(cache, captioner, tmp_path, path)


@pytest.fixture(scope="module")
def client(tiny_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(tiny_address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
    yield client
    client.close()


class TestApi:
    pytestmark = GRADIO_WARNINGS

    @pytest.fixture
    def photo_file(self, tmp_path: Path) -> Path:
        (tmp_path / "photo.png").write_bytes(photo_bytes())
        return tmp_path / "photo.png"

    @pytest.mark.parametrize("test", QUESTIONS)
    def test_every_experiment_is_in_the_api(self, client: Client, photo_file: Path, test: str) -> None:
        answer = client.predict(photo=handle_file(photo_file), question=QUESTIONS[test], api_name="/probe")
        assert set(answer) == {"kind", *ANSWER_KEYS[test]}

    @pytest.mark.parametrize(
        "question", [{"test": "nonsense"}, {"test": "map", "words": WORDS, "step": 99}, "map", None]
    )
    def test_wrong_use_is_one_sentence(self, client: Client, photo_file: Path, question: object) -> None:
        with pytest.raises(ValueError, match=r"^(Expected a test|expected a word from 1|The page asked).*[a-z.]$"):
            client.predict(photo=handle_file(photo_file), question=question, api_name="/probe")
