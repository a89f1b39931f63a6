"""Page, API, data: address and command line give the same photo, or the same sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import httpx
import pytest
from PIL import Image

from builders import description
from captioner.__main__ import main
from captioner.captioner import Captioner
from captioner.commands import caption as caption_command
from captioner.description import Description
from captioner.errors import PhotoError
from captioner.search_options import SearchOptions
from corpus.cases import Case, Pixels, all_cases
from demo.callbacks import MAX_DATA_ADDRESS, open_upload
from visits import GRADIO_WARNINGS, ScriptedCaptioner, serve

pytestmark = [*GRADIO_WARNINGS, pytest.mark.filterwarnings("ignore::UserWarning")]
CASES = [case for name, case in all_cases().items() if "megapixels" not in name]
SHARE = 12  # of so many cases one goes through the running page


class Recorder(ScriptedCaptioner):
    """Keeps the photos it is shown."""

    def __init__(self) -> None:
        self.photos: list[Image.Image] = []

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        """Always the same."""
        del prefix
        self.photos.append(photo)
        return description(options.widths if options else (1, 2))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def address(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        yield from serve(lambda: cast(Captioner, recorder))


def write(case: Case, folder: Path, number: int) -> Path:
    path = folder / f"{number}{case.ending}"
    path.write_bytes(case.make())
    return path


def data_address(content: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(content).decode()


def opened(folder: Path, upload: dict[str, str]) -> Image.Image | str:
    try:
        return open_upload(folder, upload)
    except PhotoError as problem:
        return str(problem)


def test_uploads_and_data_addresses(tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        path = write(case, tmp_path, number)
        assert case.objection(opened(tmp_path, {"path": str(path)})) is None, case.name
        address = data_address(path.read_bytes())
        path.unlink()
        if number % 3 == 0 and len(address) <= MAX_DATA_ADDRESS:
            assert case.objection(opened(tmp_path, {"url": address})) is None, case.name


def test_the_command_line(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(caption_command, "load_model", lambda _: recorder)
    recorder.photos.clear()
    paths = [write(case, tmp_path, number) for number, case in enumerate(CASES)]
    assert main(["caption", *map(str, paths), "--beam-width", "1", "--json"]) == 2
    said = capsys.readouterr()
    captioned = {json.loads(line)["photo"]: photo for line, photo in zip_lines(said.out, recorder.photos)}
    assert said.err.startswith("captioner: ")
    refusals = iter(said.err.removeprefix("captioner: ").splitlines())
    for path, case in zip(map(str, paths), CASES, strict=True):
        outcome = captioned[path] if path in captioned else next(refusals)
        assert case.objection(outcome) is None, case.name
    assert next(refusals, None) is None


def zip_lines(printed: str, photos: list[Image.Image]) -> Iterator[tuple[str, Image.Image]]:
    yield from zip(printed.splitlines(), photos, strict=True)


def test_the_running_page(address: str, recorder: Recorder, tmp_path: Path) -> None:
    unlike = {case.make(): case for case in CASES[::SHARE]}  # the same photo is captioned once
    with httpx.Client(base_url=f"{address}/gradio_api", timeout=60) as client:
        for number, case in enumerate(unlike.values()):
            path = write(case, tmp_path, number)
            content = path.read_bytes()
            if content and number % 4 == 0 and len(content) < 2_000_000:  # not both: the same photo is captioned once
                upload = {"url": data_address(content)}
            else:
                upload = {"path": client.post("/upload", files={"files": (path.name, content)}).json()[0]}
            assert case.objection(ask(client, recorder, upload)) is None, case.name
    assert {type(case.expected) for case in CASES[::SHARE]} >= {Pixels}


def ask(client: httpx.Client, recorder: Recorder, upload: dict[str, str]) -> Image.Image | str:
    """The photo that was captioned, or the sentence."""
    photo = {**upload, "meta": {"_type": "gradio.FileData"}}
    recorder.photos.clear()
    event = client.post("/call/caption", json={"data": [photo, 1]}).json()["event_id"]
    answer = client.get(f"/call/caption/{event}").text
    kind, data = answer.split("\n")[:2]
    content = json.loads(data.removeprefix("data: "))
    if kind == "event: complete":
        assert content[0]["captions"]
        return recorder.photos[0]
    return str(content["error"] if isinstance(content, dict) else content)
