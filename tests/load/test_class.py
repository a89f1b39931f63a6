"""A small class for a moment: the load test itself, and that the page stands it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from builders import tiny_captioner
from load.report import Report
from load.school_class import run_class
from visits import GRADIO_WARNINGS, serve

pytestmark = GRADIO_WARNINGS


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    captioner = tiny_captioner()
    for address in serve(lambda: captioner):
        yield address, tmp_path


def test_a_small_class_is_served_and_nobody_reaches_anothers_photo(page: tuple[str, Path]) -> None:
    address, uploads = page
    report = run_class(address, visitors=4, seconds=15, pid=os.getpid(), uploads=uploads)
    assert report.sound, "\n".join(report.lines())
    assert len(report.first) == 4
    assert report.done["attempts to reach a photo"] > 0
    assert report.memory


def test_another_computer_is_never_asked() -> None:
    with pytest.raises(ValueError, match="of this computer"):
        run_class("http://example.org", 1, 1)


def test_memory_that_grows_is_told() -> None:
    report = Report(memory=[(float(second), 1_000_000 * second) for second in range(180)])
    assert report.growth == pytest.approx(60_000_000)
    assert Report(memory=report.memory[:60]).growth is None
