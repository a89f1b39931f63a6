from __future__ import annotations

import base64
import io
import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from PIL import Image

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import PhotoError, SearchError
from captioner.search_options import SearchOptions
from corpus.tiffs import raw_with_preview
from demo import text
from demo.callbacks import (
    MAX_DATA_ADDRESS,
    caption_json,
    open_upload,
    read_beam_width,
    read_data_address,
    read_visitor,
    view_photo,
    warm_up,
)
from demo.scheduler import ModelTask, Scheduler
from demo.view_types import ProblemView, ResultView


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture
def scheduler(captioner: Captioner) -> Scheduler:
    return Scheduler(lambda: captioner)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "good.png").write_bytes(photo_bytes())
    (folder / "broken.png").write_bytes(photo_bytes()[:60])
    return folder


def test_an_uploaded_photo_becomes_a_result_with_every_width(scheduler: Scheduler, uploads: Path) -> None:
    view = view_photo(scheduler, uploads, {"path": str(uploads / "good.png")})
    assert view is not None
    assert view["kind"] == "result"
    assert sorted(map(int, view["ranking"])) == list(range(1, 11))
    assert view["grid"] == [4, 4]
    assert view["trained_on"] == "nothing at all: its weights are random"


def test_warming_up_captions_once(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    describe = captioner.describe

    def counted(photo: Image.Image) -> Description:
        seen.append(photo.size)
        return describe(photo)

    monkeypatch.setattr(captioner, "describe", counted)
    warm_up(captioner)
    assert seen == [(64, 64)]


@pytest.mark.parametrize("upload", [None, "abc", 5, [], {}, {"path": None}])
def test_something_else_in_the_photos_place_is_one_sentence(
    scheduler: Scheduler, uploads: Path, upload: object
) -> None:
    assert view_photo(scheduler, uploads, upload) == {"kind": "problem", "message": text.NO_PHOTO}


def test_a_fault_nobody_foresaw_is_one_sentence_and_its_traceback_stays_on_the_server(
    captioner: Captioner,
    scheduler: Scheduler,
    uploads: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(grid: FeatureGrid, options: SearchOptions, prefix: Sequence[str]) -> tuple[Description, ...]:
        raise RuntimeError("in /some/secret/place")

    monkeypatch.setattr(captioner, "search", fail)
    view = view_photo(scheduler, uploads, {"path": str(uploads / "good.png")})
    assert view == {"kind": "problem", "message": text.UNEXPECTED, "again": True}
    assert "secret" in caplog.text


def test_a_broken_photo_becomes_a_sentence_without_a_path(scheduler: Scheduler, uploads: Path) -> None:
    view = view_photo(scheduler, uploads, {"path": str(uploads / "broken.png")})
    assert view is not None
    assert view["kind"] == "problem"
    assert "broken.png" in view["message"]
    assert str(uploads) not in view["message"]


def test_the_api_gives_the_json_of_one_width(scheduler: Scheduler, uploads: Path) -> None:
    found = caption_json(scheduler, uploads, {"path": str(uploads / "good.png")}, 2)
    assert set(found) == {"captions", "grid", "model", "guessing", "strangeness"}
    assert found["grid"] == [4, 4]
    assert found["model"] == "tiny"
    assert len(found["captions"]) == 2
    scores = [one["score"] for one in found["captions"]]
    assert scores == sorted(scores, reverse=True)
    word = found["captions"][0]["words"][0]
    assert set(word) == {"word", "probability", "gate", "attention"}
    assert sum(map(sum, word["attention"])) == pytest.approx(1.0, abs=1e-3)


def test_a_raw_file_is_said_to_have_lent_its_preview(scheduler: Scheduler, uploads: Path) -> None:
    (uploads / "raw.dng").write_bytes(raw_with_preview())
    raw, good = ({"path": str(uploads / name)} for name in ("raw.dng", "good.png"))
    assert caption_json(scheduler, uploads, raw, 2)["preview"] is True
    views = [cast(ResultView, view_photo(scheduler, uploads, upload)) for upload in (raw, good)]
    assert [view["preview"] for view in views] == [True, False]


def test_the_api_refuses_a_missing_photo(scheduler: Scheduler, uploads: Path) -> None:
    with pytest.raises(PhotoError, match="Give a photo"):
        caption_json(scheduler, uploads, None, 3)
    with pytest.raises(PhotoError, match="Give a photo"):
        caption_json(scheduler, uploads, {"path": None, "url": None}, 3)


@pytest.mark.parametrize("value", [0, -1, 101, 1000, 2.5, math.nan, math.inf, "3", None, True, [3]])
def test_a_beam_width_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(SearchError, match="from 1 to 100, a whole number"):
        read_beam_width(value)


@pytest.mark.parametrize(("value", "width"), [(1, 1), (100, 100), (3.0, 3)])
def test_whole_numbers_are_beam_widths(value: object, width: int) -> None:
    assert read_beam_width(value) == width


def test_only_files_in_the_upload_folder_are_opened(uploads: Path) -> None:
    outside = uploads.parent / "private.png"
    outside.write_bytes(photo_bytes())
    (uploads / "link.png").symlink_to(outside)
    for path in (
        outside,
        uploads / ".." / "private.png",
        uploads / "link.png",
        uploads,
        uploads / "none.png",
        "\0",
        "a" * 9999,
    ):
        with pytest.raises(PhotoError) as refused:
            open_upload(uploads, {"path": str(path)})
        assert str(refused.value) == text.PHOTO_GONE


def test_a_data_address_is_opened_like_a_file(uploads: Path) -> None:
    address = "data:image/png;base64," + base64.b64encode(photo_bytes(photo(40, 30))).decode()
    assert open_upload(uploads, {"path": None, "url": address}).size == (40, 30)


@pytest.mark.parametrize(
    "address",
    [
        "data:image/png,plain",
        "data:image/png;base64,@@@",
        "data:image/png;base64",
        "data:image/png;base64," + "A" * MAX_DATA_ADDRESS,
    ],
)
def test_a_data_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(PhotoError, match=r"data: address"):
        read_data_address(address)


def test_a_data_address_may_hold_a_file_that_is_no_photo(uploads: Path) -> None:
    address = "data:image/png;base64," + base64.b64encode(io.BytesIO(b"hello").getvalue()).decode()
    with pytest.raises(PhotoError, match="cannot be recognised"):
        open_upload(uploads, {"path": None, "url": address})


def test_other_addresses_are_not_fetched(uploads: Path) -> None:
    with pytest.raises(PhotoError, match="not fetched"):
        open_upload(uploads, {"path": None, "url": "http://127.0.0.1/photo.png"})


def test_visitors_with_the_same_photo_share_the_work_and_nothing_of_their_own(
    scheduler: Scheduler, uploads: Path
) -> None:
    (uploads / "same.png").write_bytes(photo_bytes())
    names = ("good.png", "same.png")
    first, second = (cast(ResultView, view_photo(scheduler, uploads, {"path": str(uploads / name)})) for name in names)
    assert first["kind"] == second["kind"] == "result"
    assert first["maps"] == second["maps"]
    assert [view["source"] for view in (first, second)] == [{"path": str(uploads / name)} for name in names]


def test_a_shared_photo_that_is_broken_is_told_by_each_ones_own_name(scheduler: Scheduler, uploads: Path) -> None:
    (uploads / "mine.png").write_bytes((uploads / "broken.png").read_bytes())
    free = threading.Event()
    scheduler.ask(ModelTask(lambda captioner: free.wait(60)))
    with ThreadPoolExecutor(2) as pool:
        files = [{"path": str(uploads / name)} for name in ("broken.png", "mine.png")]
        tickets = [pool.submit(view_photo, scheduler, uploads, file) for file in files]
        free.set()
        said = [cast(ProblemView, ticket.result()) for ticket in tickets]
    assert "broken.png" in said[0]["message"]
    assert "mine.png" in said[1]["message"]


def test_a_full_line_is_told_with_its_seconds(captioner: Captioner, uploads: Path) -> None:
    view = view_photo(Scheduler(lambda: captioner, capacity=0), uploads, {"path": str(uploads / "good.png")})
    assert view == {"kind": "full", "message": text.try_again_in(1), "seconds": 1}


@pytest.mark.parametrize(("visitor", "read"), [("abc", "abc"), ("", None), ("a" * 65, None), (5, None), (["a"], None)])
def test_a_visitors_name_that_is_none_is_ignored(visitor: object, read: str | None) -> None:
    assert read_visitor({"visitor": visitor}) == read
