"""Who may import whom: app -> demo -> captioner, and nothing heavier than needed on the way."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE_LIBRARIES = ("gradio", "matplotlib")
CAPTIONER_FILES = sorted((ROOT / "captioner").rglob("*.py"))
DEMO_FILES = sorted((ROOT / "demo").rglob("*.py"))
SHIPPED_FILES = [*CAPTIONER_FILES, *DEMO_FILES, *ROOT.glob("*.py")]
UNPICKLER = ROOT / "captioner" / "tutorial" / "pickles.py"


def loaded_by(statement: str) -> set[str]:
    """Names of all modules, packages first, that a fresh Python holds after a statement."""
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def imported_names(path: Path) -> Iterator[str]:
    """Every module a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path, package: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for name in imported_names(path))


def unsafe_loads(source: str) -> list[str]:
    """Calls in a source text that would run what is pickled in a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            called = ast.unparse(node.func)
            settings = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called == "torch.load" and settings.get("weights_only") != "True":
                found.append(called)
            if called in ("np.load", "numpy.load") and settings.get("allow_pickle", "False") != "False":
                found.append(called)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            found += [name for name in names if name.split(".")[0] in ("pickle", "dill", "joblib", "cloudpickle")]
            if isinstance(node, ast.ImportFrom) and node.module == "torch":
                found += [name for name in names if name == "load"]  # only `torch.load` can be checked above
    return found


def test_the_files_are_there() -> None:
    assert ROOT / "captioner" / "captioner.py" in CAPTIONER_FILES
    assert ROOT / "demo" / "page.py" in DEMO_FILES


@pytest.fixture(scope="module")
def loaded_by_captioner() -> set[str]:
    return loaded_by("import captioner; assert captioner.Captioner and captioner.open_photo")


def test_the_captioner_needs_no_page(loaded_by_captioner: set[str]) -> None:
    assert "torch" in loaded_by_captioner
    assert not loaded_by_captioner & {*PAGE_LIBRARIES, "demo", "captioner.training", "captioner.commands"}


def test_importing_the_captioner_is_light(loaded_by_captioner: set[str]) -> None:
    """What only some models, training or the page need is imported when it is needed."""
    assert not loaded_by_captioner & {"timm", "torchvision", "accelerate", "pycocoevalcap", "skimage", "pillow_heif"}


def test_the_shipped_model_needs_no_compilers() -> None:
    """torchvision and timm bring them: seconds of the start, and 200 MB."""
    loaded = loaded_by(
        "from captioner import Captioner; from captioner.checkpoint import default_checkpoint; "
        "Captioner.load(default_checkpoint())"
    )
    assert "torch" in loaded
    assert not loaded & {"torchvision", "timm", "torch._dynamo", "torch._inductor"}


def test_the_overlay_needs_no_network() -> None:
    loaded = loaded_by("import captioner.overlay, captioner.sheet")
    assert "numpy" in loaded
    assert not loaded & {"torch", "gradio", "timm", "matplotlib.pyplot"}


def test_the_page_opens_without_torch() -> None:
    """It shows a recorded example while torch and the model are still on their way."""
    loaded = loaded_by("import app, demo.page")
    assert "gradio" in loaded
    assert not loaded & {"torch", "torchvision", "timm"}


def test_two_files_know_gradio() -> None:
    assert [path.name for path in DEMO_FILES if imports(path, "gradio")] == ["api.py", "page.py"]


@pytest.mark.parametrize("path", CAPTIONER_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_captioner_knows_nothing_of_the_page(path: Path) -> None:
    assert not imports(path, "demo")
    assert not imports(path, "gradio")


@pytest.mark.parametrize("path", DEMO_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_page_never_trains(path: Path) -> None:
    assert not imports(path, "captioner.training")
    assert not imports(path, "app")


@pytest.mark.parametrize("path", SHIPPED_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_runs_what_is_pickled(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if path == UNPICKLER:  # its class overrides what looks names up; see tests/captioner/tutorial/test_pickles.py
        assert unsafe_loads(source) == ["pickle"]
        assert "def find_class" in source
        assert "pickle.load" not in source
    else:
        assert unsafe_loads(source) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("torch.load('f', weights_only=True)", []),
        ("torch.load('f')", ["torch.load"]),
        ("torch.load('f', weights_only=False)", ["torch.load"]),
        ("x = [torch.load('f', 'cpu', weights_only=safe)]", ["torch.load"]),
        ("from torch import load", ["load"]),
        ("import pickle", ["pickle"]),
        ("def f():\n    from pickle import loads", ["pickle"]),
        ("np.load('f')", []),
        ("np.load('f', allow_pickle=True)", ["np.load"]),
        ("json.load(file)", []),
    ],
)
def test_the_search_for_pickles_finds_them(source: str, found: list[str]) -> None:
    assert unsafe_loads(source) == found
