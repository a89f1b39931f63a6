from __future__ import annotations

from pathlib import Path

import pytest

from builders import photo
from captioner.__main__ import main
from captioner.serving import cluster


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)


@pytest.mark.parametrize("arguments", [["serve"], ["caption", "{folder}", "--ray", "out"]])
def test_without_ray_it_is_one_sentence(
    arguments: list[str], without_ray: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo().save(tmp_path / "photo.png")
    assert main([argument.format(folder=tmp_path) for argument in arguments]) == 2
    said = capsys.readouterr().err
    assert "pip install -r captioner/serving/requirements.txt" in said
    assert said.count("\n") == 1


def test_s3_needs_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caption", "s3://bucket/photos"]) == 2
    assert "add --ray OUT" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--json"], ["--batch", "a.jsonl"], ["--begin", "a"], ["--save", "b"]])
def test_rows_hold_captions_and_nothing_else(
    flag: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo().save(tmp_path / "a.png")
    assert main(["caption", str(tmp_path), "--ray", str(tmp_path / "out"), *flag]) == 2
    assert "expected --ray without" in capsys.readouterr().err
