"""A photo is encoded once, however much is asked of it after its first caption."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.encoder import FeatureGrid
from demo.callbacks import view_photo
from demo.questions import Answerer
from demo.scheduler import Scheduler

SQUARE = (64, 64)  # that the tiny captioner looks at in a photo's place


class CountingCaptioner(Captioner):
    """Keeps the size of every photo it encodes."""

    encoded: list[tuple[int, int]]

    def encode(self, photos: Sequence[Image.Image]) -> FeatureGrid:
        self.encoded += [photo.size for photo in photos]
        return super().encode(photos)


@pytest.fixture
def captioner() -> CountingCaptioner:
    captioner = tiny_captioner()
    assert captioner.self_test  # which encodes photos of its own
    captioner.__class__ = CountingCaptioner
    assert isinstance(captioner, CountingCaptioner)
    captioner.encoded = []
    return captioner


@pytest.fixture
def upload(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "one.png").write_bytes(photo_bytes())
    return {"path": str(tmp_path / "one.png")}


def test_after_a_first_caption_no_edit_encodes_the_photo_again(
    captioner: CountingCaptioner, tmp_path: Path, upload: dict[str, str]
) -> None:
    answerer = Answerer(lambda: captioner, tmp_path)
    first = view_photo(answerer.scheduler, tmp_path, upload)
    assert first["kind"] == "result"
    assert captioner.encoded == [SQUARE]
    forced = answerer.answer({"kind": "continue", "photo": upload, "words": ["two", "red"]})
    assert all(caption["text"].startswith("two red") for caption in forced["captions"])
    looked = {"kind": "probe", "photo": upload, "test": "gaze", "weights": np.eye(4).tolist()}
    assert answerer.answer(looked)["kind"] == "gaze"
    assert answerer.answer({"kind": "describe", "photo": upload})["kind"] == "result"
    assert captioner.encoded == [SQUARE]


def test_a_cached_grid_gives_what_the_photo_gives(
    captioner: CountingCaptioner, tmp_path: Path, upload: dict[str, str]
) -> None:
    question = {"kind": "continue", "photo": upload, "words": ["a", "dog"]}
    cached = Answerer(lambda: captioner, tmp_path)
    before, again = cached.answer(question), cached.answer(question)
    assert before == again == Answerer(lambda: captioner, tmp_path).answer(question)
    assert cached.answer({**question, "words": ["a"]}) == Answerer(lambda: captioner, tmp_path).answer(
        {**question, "words": ["a"]}
    )
    assert len(captioner.encoded) == 3


def test_another_photo_under_the_same_name_is_another_photo(
    captioner: CountingCaptioner, tmp_path: Path, upload: dict[str, str]
) -> None:
    answerer = Answerer(lambda: captioner, tmp_path)
    question = {"kind": "describe", "photo": upload}
    one = answerer.answer(question)
    (tmp_path / "one.png").write_bytes(photo_bytes(photo(48, 48, seed=5)))
    assert answerer.answer(question)["maps"] != one["maps"]
    assert captioner.encoded == [SQUARE, SQUARE]


def test_a_data_address_is_known_by_what_it_holds(captioner: CountingCaptioner, tmp_path: Path) -> None:
    answerer = Answerer(lambda: captioner, tmp_path)
    for seed in (0, 1, 0, 1):
        address = "data:image/png;base64," + base64.b64encode(photo_bytes(photo(seed=seed))).decode("ascii")
        assert answerer.answer({"kind": "describe", "photo": {"url": address}})["kind"] == "result"
    assert len(captioner.encoded) == 2


def test_a_photo_that_was_deleted_is_not_described_out_of_the_cache(
    captioner: CountingCaptioner, tmp_path: Path, upload: dict[str, str]
) -> None:
    answerer = Answerer(lambda: captioner, tmp_path)
    question = {"kind": "continue", "photo": upload, "words": ["a"]}
    assert answerer.answer(question)["kind"] == "result"
    Path(upload["path"]).unlink()
    assert answerer.answer(question)["kind"] == "problem"


def test_a_known_file_is_refused_where_it_does_not_lie_in_the_uploads(
    captioner: CountingCaptioner, tmp_path: Path, upload: dict[str, str]
) -> None:
    scheduler = Scheduler(lambda: captioner)
    view_photo(scheduler, tmp_path, upload)
    (tmp_path / "others").mkdir()
    answerer = Answerer(lambda: captioner, tmp_path / "others", scheduler)
    for kind in ("continue", "describe"):
        assert answerer.answer({"kind": kind, "photo": upload, "words": ["a"]})["kind"] == "problem"
