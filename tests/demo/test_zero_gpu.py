"""A lent GPU, played by a forked process that gets and gives pickles, as `spaces` does it at ZeroGPU's."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import types
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from builders import photo, photo_bytes, tiny_captioner, tiny_checkpoint
from captioner.captioner import Captioner
from captioner.checkpoint import save_checkpoint
from captioner.description import Description
from captioner.errors import CheckpointError, SearchError
from captioner.search_options import PRESETS, SearchOptions
from demo import text
from demo.callbacks import caption_json, view_photo
from demo.scheduler import Scheduler
from demo.zero_gpu import SECONDS, Describe, LentCaptioner
from visits import serve, visit

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
PATIENCE = 60  # seconds until a forked process counts as hanging


class QuotaError(Exception):
    """What `spaces` raises: one of Gradio's errors, of which this program knows nothing but that it is one."""


def at_once(task: Describe) -> Describe:
    return task


def used_up(_: Describe) -> Describe:
    def refuse(*_: object) -> Description:
        raise QuotaError("You have exceeded your ZeroGPU quota (5s requested vs. 0s left).")

    return refuse


def forked(task: Describe) -> Describe:
    """Runs a task in a forked process and says so on its threads' behalf."""
    fork = multiprocessing.get_context("fork")

    def work(end: Connection) -> None:
        end.send((task(*end.recv()), os.getpid()))

    def run(*arguments: Any) -> Description:
        mine, its = fork.Pipe()
        process = fork.Process(target=work, args=(its,), daemon=True)
        process.start()
        its.close()
        mine.send(arguments)
        try:
            assert mine.poll(PATIENCE), "the forked process hangs"
            description, worker = mine.recv()
        finally:
            process.kill()
            process.join()
        assert worker == process.pid != os.getpid()
        assert isinstance(description, Description)
        return description

    return run


def lent(lend: Callable[[Describe], Describe], seed: int = 1) -> LentCaptioner:
    """Seed 0 on the processor; another seed tells which of both has spoken."""
    return LentCaptioner(tiny_checkpoint(0), tiny_captioner(seed), lend)


def said(description: Description) -> list[tuple[str, ...]]:
    return [caption.words for caption in description.captions]


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    (tmp_path / "photo.png").write_bytes(photo_bytes())
    return tmp_path


def test_the_gpu_describes_the_photo_in_a_process_of_its_own() -> None:
    captioner = lent(forked)
    captioner.describe(photo())  # the processor has worked before: its threads are not forked with it
    described, without_gpu = captioner.look(photo(), SearchOptions())
    expected = tiny_captioner(1).describe(photo(), SearchOptions())
    assert not without_gpu
    assert said(described) == said(expected) != said(tiny_captioner(0).describe(photo()))
    for got, true in zip(described.captions, expected.captions, strict=True):
        np.testing.assert_allclose(got.attention, true.attention, atol=1e-5)
    for width, tree in expected.trees.items():
        for branch, twin in zip(described.trees[width], tree, strict=True):
            assert (branch.step, branch.parent, branch.word, branch.fate) == (
                twin.step,
                twin.parent,
                twin.word,
                twin.fate,
            )
            assert branch.total == pytest.approx(twin.total, abs=1e-4)


def test_options_and_prefix_reach_the_gpu() -> None:
    described, _ = lent(forked).look(photo(), SearchOptions(widths=(2,)), ["the", "dog"])
    assert list(described.ranking) == [2]
    assert all(words[:2] == ("the", "dog") for words in said(described))


def test_when_its_time_is_used_up_the_processor_answers(caplog: pytest.LogCaptureFixture) -> None:
    described, without_gpu = lent(used_up).look(photo(), SearchOptions())
    assert without_gpu
    assert said(described) == said(tiny_captioner(0).describe(photo()))
    assert "exceeded your ZeroGPU quota" in caplog.text


def test_a_wrong_word_asks_for_no_gpu() -> None:
    asked: list[object] = []

    def lend(_: Describe) -> Describe:
        def note(*arguments: object) -> Description:
            asked.append(arguments)
            raise QuotaError

        return note

    with pytest.raises(SearchError, match="'zebra' is not a word"):
        lent(lend).look(photo(), SearchOptions(), ["zebra"])
    assert asked == []


def model(captioner: Captioner) -> Captioner:
    return captioner


def seen_by(captioner: Captioner, uploads: Path, upload: dict[str, str]) -> dict[str, Any]:
    return dict(view_photo(Scheduler(partial(model, captioner)), uploads, upload))


def test_only_a_new_photo_on_the_page_asks_for_the_gpu(uploads: Path) -> None:
    upload = {"path": str(uploads / "photo.png")}
    for lend, without_gpu in ((at_once, False), (used_up, True)):
        view = seen_by(lent(lend), uploads, upload)
        assert view["kind"] == "result"
        assert view["without_gpu"] is without_gpu
    assert seen_by(tiny_captioner(), uploads, upload)["without_gpu"] is False
    asked = lent(at_once)  # the GPU has seed 1
    told, expected = (
        caption_json(Scheduler(partial(model, one)), uploads, upload, 1) for one in (asked, tiny_captioner(0))
    )
    assert told == expected


def test_descriptions_and_options_are_pickled_whole() -> None:
    description = tiny_captioner().describe(photo())
    again = pickle.loads(pickle.dumps(description))
    assert again.to_json(3) == description.to_json(3)
    assert {width: tuple(tree) for width, tree in again.trees.items()} == {
        width: tuple(tree) for width, tree in description.trees.items()
    }
    for options in PRESETS.values():
        assert pickle.loads(pickle.dumps(options)) == options


@pytest.fixture
def fake_spaces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A `spaces` module that notes the seconds requested."""
    requested: list[int] = []

    def gpu(*, duration: int) -> Callable[[Describe], Describe]:
        requested.append(duration)
        return at_once

    module = types.ModuleType("spaces")
    module.GPU = gpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spaces", module)
    return requested


def test_a_few_seconds_of_it_are_requested(
    fake_spaces: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []
    load = Captioner.load

    def without_gpu(path: Path | str, device: str = "auto", record: bool = True) -> Captioner:
        devices.append(device)
        assert not record  # the process that would replay is gone after its first photo
        return load(path, "cpu")

    monkeypatch.setattr(Captioner, "load", without_gpu)
    save_checkpoint(tiny_checkpoint(), tmp_path / "tiny.safetensors")
    captioner = LentCaptioner.borrow(tmp_path / "tiny.safetensors")
    assert (fake_spaces, devices, captioner.device.type) == ([SECONDS], ["cuda"], "cpu")
    assert SECONDS <= 10  # of about 120 a day
    assert captioner.look(Image.new("RGB", (64, 64)), SearchOptions())[1] is False


def test_without_the_package_the_page_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spaces", None)  # importing it fails
    with pytest.raises(CheckpointError, match="pip install spaces"):
        LentCaptioner.borrow(tmp_path / "tiny.safetensors")


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")
@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")
@pytest.mark.parametrize("lend", [at_once, used_up])
def test_a_visitor_is_told_when_there_was_no_gpu(
    lend: Callable[[Describe], Describe], browser: Browser, gradio_folder: Path
) -> None:
    captioner = lent(lend)
    for address in serve(lambda: captioner):
        for page, _ in visit(browser, address, 1280, 900):
            page.locator("#sw-photo-input input[type=file]").set_input_files(
                {"name": "a.png", "mimeType": "image/png", "buffer": photo_bytes()}
            )
            expect(page.locator(".sw-viewer")).to_have_attribute("data-kind", "result", timeout=30_000)
            note = page.locator(".sw-without-gpu")
            if lend is used_up:
                expect(note).to_have_text(text.VIEWER["without_gpu"])
            else:
                expect(note).to_have_count(0)
