"""What a host of the page reads: the front matter, the requirements, the files it must take."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard
from packaging.requirements import Requirement
from packaging.version import Version

import app
from captioner.checkpoint import default_checkpoint
from demo.server_options import read_options
from visits import free_port

ROOT = Path(__file__).parents[1]
HOSTING = ROOT / ".hosting"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
ZERO_GPU_TORCH = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")
ZERO_GPU_TORCHVISION = ("0.23.0", "0.24.1", "0.25.0", "0.26.0")
HUB_NEEDS_LFS = 10_000_000  # bytes; a larger file is refused when it is pushed by plain git


@pytest.fixture(scope="module")
def card() -> Any:  # its data are attributes that no type tells of
    return SpaceCard.load(ROOT / "README.md")


def requirements(path: Path) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {found.name: found for found in map(Requirement, filter(None, lines))}


@pytest.fixture(scope="module")
def required() -> dict[str, Requirement]:
    return requirements(ROOT / "requirements.txt")


def test_the_front_matter_is_as_a_space_wants_it(card: Any) -> None:
    data = card.data
    assert data.sdk == "gradio"
    assert (ROOT / data.app_file).samefile(app.__file__)
    assert {data.colorFrom, data.colorTo} <= COLOURS
    assert len(data.emoji) == 1
    assert len(data.short_description) <= 60
    assert data.suggested_hardware == "cpu-basic"
    assert card.text.lstrip().startswith("# SayWhere")


def test_the_space_gets_the_gradio_that_the_tests_ran_with(card: Any, required: dict[str, Requirement]) -> None:
    """The rule: exactly the release the front matter names satisfies requirements.txt, and it is no newer than the one
    installed here; one that is older by more than its last number was never tried."""
    named, here = Version(card.data.sdk_version), Version(importlib.metadata.version("gradio"))
    assert named in required["gradio"].specifier
    assert (named.release[:2], named <= here) == (here.release[:2], True)


def test_zero_gpu_finds_a_torch_and_the_page_runs_on_its_pythons(card: Any, required: dict[str, Requirement]) -> None:
    """ZeroGPU installs the newest of its own that the requirements allow, and refuses a page that allows none."""
    assert all(required["torch"].specifier.contains(version) for version in ZERO_GPU_TORCH)
    assert all(required["torchvision"].specifier.contains(version) for version in ZERO_GPU_TORCHVISION)
    assert card.data.python_version in ("3.10", "3.12")
    assert "spaces" not in required, "it is there already; another one would take its place"


def test_the_lowest_versions_that_are_tested_are_the_lowest_that_are_allowed(required: dict[str, Requirement]) -> None:
    tried = requirements(ROOT / ".ci" / "lowest.txt")
    assert set(required) <= set(tried)
    for name, requirement in required.items():
        (lowest,) = (Version(bound.version) for bound in requirement.specifier if bound.operator == ">=")
        assert lowest in tried[name].specifier, name


def test_what_is_needed_from_debian_is_nothing() -> None:
    assert not (ROOT / "packages.txt").exists()


def test_checkpoints_alone_are_too_large_for_plain_git() -> None:
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in kept.split("\0") if name]
    large = [file for file in files if file.is_file() and file.stat().st_size > HUB_NEEDS_LFS]
    assert large == [default_checkpoint().with_name("next.safetensors"), default_checkpoint()]
    said = (HOSTING / "README.md").read_text(encoding="utf-8")
    assert all(f"assets/{file.name}" in said for file in large)


def test_the_container_holds_the_page_and_runs_it_as_nobody() -> None:
    lines = (HOSTING / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"(?m)^COPY (\S+)", lines)
    ignored = (HOSTING / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(copied) == sorted(line[1:] for line in ignored if line.startswith("!"))
    assert all((ROOT / name).exists() for name in copied)
    assert re.findall(r"(?m)^USER (\S+)", lines) == ["65534:65534"]
    assert re.search(r"(?m)^FROM python:3\.12\.\d+-slim-\w+$", lines)
    settings = dict(re.findall(r"(\w+)=(\S+)", lines[lines.index("ENV ") : lines.index("USER ")]))
    written = {settings[name] for name in ("HOME", "GRADIO_TEMP_DIR", "MPLCONFIGDIR", "HF_HOME")}
    assert all(Path(folder).is_relative_to("/tmp") for folder in written)
    options = read_options([], settings)
    assert (options.host, options.port) == ("0.0.0.0", 7860)


def test_every_file_can_be_read_by_the_oldest_python() -> None:
    for file in (ROOT / "app.py", *(ROOT / "captioner").rglob("*.py"), *(ROOT / "demo").rglob("*.py")):
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))  # ZeroGPU's older one


def test_a_space_needs_no_option() -> None:
    assert read_options([], {"SPACE_ID": "me/saywhere"}).host == "0.0.0.0"
    assert read_options([], {"SPACE_ID": "me/saywhere", "SAYWHERE_HOST": "127.0.0.1"}).host == "127.0.0.1"
    assert read_options(["--host", "::1"], {"SPACE_ID": "me/saywhere"}).host == "::1"
    gradio = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": "7000"}
    assert (read_options([], gradio).host, read_options([], gradio).port) == (
        "0.0.0.0",
        7000,
    )
    assert read_options([], {**gradio, "SAYWHERE_PORT": "8000"}).port == 8000
    assert read_options([], {}).host == "127.0.0.1"


@pytest.mark.parametrize(
    ("said", "device", "lent"),
    [("true", "auto", True), ("1", "auto", True), ("", "auto", False), ("false", "auto", False), ("1", "cpu", False)],
)
def test_zero_gpu_lends_its_gpu_unless_another_device_is_named(said: str, device: str, lent: bool) -> None:
    options = read_options(["--device", device], {"SPACES_ZERO_GPU": said, "SPACE_ID": "me/saywhere"})
    assert options.lent is lent


def test_on_zero_gpu_the_model_is_there_before_the_page(tmp_path: Path) -> None:
    """A `spaces` that knows no more than to say when it was asked, and a checkpoint that is none: no page is opened."""
    (tmp_path / "spaces.py").write_text("raise SystemExit('spaces was imported')\n")
    command = "import app, sys; sys.exit(app.main(['--port', '{}', '--checkpoint', 'none']))"
    done = subprocess.run(
        [sys.executable, "-c", command.format(free_port())],
        cwd=ROOT,
        env={"SPACES_ZERO_GPU": "1", "PYTHONPATH": str(tmp_path), "PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "spaces was imported" in done.stderr
    assert "The page is open" not in done.stdout
