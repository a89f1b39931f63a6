from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httpx
import pytest

from builders import tiny_captioner
from captioner.captioner import Captioner
from captioner.errors import CheckpointError
from captioner.self_test import SelfTest
from demo import server_text
from demo.health import Checkup
from demo.status import Report, ServerStatus, _kilobytes, _left_in_container
from visits import ScriptedCaptioner


class SickCaptioner(ScriptedCaptioner):
    """Scripted, but it sees black."""

    self_test = SelfTest(("black",), 0.0)


def status_of(find: Callable[[], Captioner], waiting: int = 0, uploads: Path = Path()) -> ServerStatus:
    """The status once the model's checkup is over."""
    checkup = Checkup(find)
    until = time.monotonic() + 60
    while checkup.view()["state"] == "loading":
        assert time.monotonic() < until
        time.sleep(0.01)
    return ServerStatus(checkup, lambda: waiting, 32, uploads)


def scripted() -> Captioner:
    return cast(Captioner, ScriptedCaptioner())


@pytest.fixture(autouse=True)
def enough_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine these tests run on has left."""
    monkeypatch.setattr("demo.status.MIN_FREE", 0)
    monkeypatch.setattr("demo.status.MIN_MEMORY", 0)


def check_unusable(found: tuple[int, Report], state: str, problem: str) -> None:
    status, report = found
    assert status == 503
    assert (report["status"], report["model"]["state"], report["problems"]) == ("unusable", state, [problem])


def test_a_ready_server_is_usable() -> None:
    status, report = status_of(scripted, waiting=3).report()
    assert (status, report["status"], report["problems"], report["notes"]) == (200, "usable", [], [])
    assert report["model"] == {"state": "ready", "name": "scripted", "attention": "good", "findings": []}
    assert report["queue"] == {"waiting": 3, "places": 32}
    assert report["disk_free_mb"] is not None


def test_a_model_that_loads_is_waited_for() -> None:
    ready = threading.Event()

    def find() -> Captioner:
        ready.wait(60)
        return scripted()

    check_unusable(ServerStatus(Checkup(find), lambda: 0, 32, Path()).report(), "loading", server_text.MODEL_LOADING)
    ready.set()


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (CheckpointError("/secret/place/model.safetensors is damaged."), server_text.MODEL_UNUSABLE),
        (RuntimeError("in /secret/place"), server_text.MODEL_FAULT),
    ],
)
def test_a_model_that_failed_is_said_without_a_path(trouble: Exception, sentence: str) -> None:
    def find() -> Captioner:
        raise trouble

    found = status_of(find).report()
    check_unusable(found, "failed", sentence)
    assert "/" not in str(found)


def test_poor_attention_and_a_full_queue_are_noted() -> None:
    status, report = status_of(lambda: cast(Captioner, SickCaptioner()), waiting=32).report()
    assert (status, report["problems"]) == (200, [])
    assert report["notes"] == [server_text.POOR_ATTENTION, server_text.QUEUE_FULL]
    assert (report["model"]["attention"], report["model"]["findings"]) == ("bad", ["black"])


def test_a_full_disk_and_used_up_memory_are_problems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("demo.status.MIN_FREE", 2**62)
    status = status_of(scripted, uploads=tmp_path / "not" / "made" / "yet")
    check_unusable(status.report(), "ready", server_text.DISK_FULL)
    monkeypatch.setattr("demo.status.MIN_FREE", 0)
    monkeypatch.setattr("demo.status.MIN_MEMORY", 2**62)
    monkeypatch.setattr("demo.status._memory", lambda: {"used": 10**9, "available": 2 * 10**6})
    check_unusable(status.report(), "ready", server_text.LITTLE_MEMORY)
    assert status.report()[1]["memory"] == {"used_mb": 1000, "available_mb": 2}
    monkeypatch.setattr(
        "demo.status._memory", lambda: {"used": None, "available": None}
    )  # a machine that does not tell
    assert status.report()[0] == 200


def test_memory_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemFree:  5 kB\nMemAvailable:     123 kB\nBroken:\n")
    assert _kilobytes(str(tmp_path / "meminfo"), "MemAvailable:") == 123 * 1024
    assert _kilobytes(str(tmp_path / "meminfo"), "Broken:") is None
    assert _kilobytes(str(tmp_path / "none"), "MemAvailable:") is None


def test_what_a_container_has_left(tmp_path: Path) -> None:
    assert _left_in_container(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\ninactive_file 300\n")
    assert _left_in_container(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max\n")
    assert _left_in_container(tmp_path) is None


def test_a_running_page_answers(tiny_address: str) -> None:
    until = time.monotonic() + 60
    while httpx.get(f"{tiny_address}/health").json()["model"]["state"] == "loading":
        assert time.monotonic() < until
        time.sleep(0.05)
    answer = httpx.get(f"{tiny_address}/health")
    assert answer.status_code == 200
    assert answer.json()["model"]["name"] == tiny_captioner().card.name
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.head(f"{tiny_address}/health").status_code == 200
