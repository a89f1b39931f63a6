"""A running page's addresses: which of Gradio's answer, which files can be read, and to whom."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from builders import photo_bytes, tiny_captioner
from demo import text
from demo.guard.routes import find_door
from page_calls import API, ask_component, caption, read, upload
from visits import GRADIO_WARNINGS

pytestmark = GRADIO_WARNINGS
PLACE = re.compile(r"\{\w+(:\w+)?\}")
OPEN = {
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/assets/{path:path}"),
    ("GET", "/config"),
    ("GET", "/config/"),
    ("GET", "/favicon.ico"),
    ("GET", "/health"),
    ("HEAD", "/health"),
    ("GET", "/robots.txt"),
    ("GET", "/static/{path:path}"),
    ("GET", "/theme.css"),
    ("GET", f"{API}/call/{{api_name}}/{{event_id}}"),
    ("GET", f"{API}/call/v2/{{api_name}}/{{event_id}}"),
    ("GET", f"{API}/file={{path_or_url:path}}"),
    ("HEAD", f"{API}/file={{path_or_url:path}}"),
    ("GET", f"{API}/info"),
    ("GET", f"{API}/openapi.json"),
    ("GET", f"{API}/queue/data"),
    ("GET", f"{API}/startup-events"),
    ("GET", f"{API}/upload_progress"),
    ("POST", f"{API}/call/{{api_name}}"),
    ("POST", f"{API}/call/{{api_name}}/"),
    ("POST", f"{API}/call/v2/{{api_name}}"),
    ("POST", f"{API}/call/v2/{{api_name}}/"),
    ("POST", f"{API}/cancel"),
    ("POST", f"{API}/component_server"),
    ("POST", f"{API}/component_server/"),
    ("POST", f"{API}/queue/join"),
    ("POST", f"{API}/upload"),
}


def addresses(routes: list[Any]) -> Iterator[tuple[str, str]]:
    """Method and path of every route, those of routers within too."""
    for route in routes:
        within = getattr(route, "original_router", None) or getattr(route, "app", None)
        nested = getattr(within, "routes", None)
        if nested:
            yield from addresses(nested)
        elif getattr(route, "path", None):
            yield from ((method, route.path) for method in getattr(route, "methods", None) or ("GET",))


@pytest.fixture(scope="module")
def gradio_addresses(gradio_folder: Path) -> set[tuple[str, str]]:
    from gradio.routes import App

    from demo.page import build_page

    return set(addresses(App.create_app(build_page(tiny_captioner)).routes))


def test_only_what_the_page_and_its_api_need_is_open(gradio_addresses: set[tuple[str, str]]) -> None:
    filled = {address: PLACE.sub("caption", address[1]) for address in gradio_addresses}
    found = {
        (method, path)
        for (method, path), whole in filled.items()
        if find_door(method, whole.replace("/caption/caption", "/caption/0a"))
    }
    assert len(gradio_addresses) > 60
    assert found == OPEN - {("GET", "/health"), ("HEAD", "/health")}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{API}/run/caption"),
        ("POST", f"{API}/api/caption"),
        ("POST", f"{API}/run/predict"),
        ("POST", f"{API}/call/lambda"),
        ("POST", f"{API}/call/pick"),
        ("POST", f"{API}/call/v2/look"),
        ("POST", f"{API}/stream/abc"),
        ("POST", f"{API}/reset"),
        ("POST", f"{API}/process_recording"),
        ("POST", f"{API}/vibe-edit"),
        ("POST", f"{API}/mcp/"),
        ("GET", f"{API}/mcp/schema"),
        ("GET", f"{API}/proxy=http://127.0.0.1/"),
        ("GET", f"{API}/file/etc/passwd"),
        ("GET", f"{API}/heartbeat/abc"),
        ("GET", f"{API}/deep_link"),
        ("GET", f"{API}/queue/status"),
        ("GET", f"{API}/app_id"),
        ("GET", f"{API}/token"),
        ("GET", f"{API}/user"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("GET", "/manifest.json"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/logout"),
        ("POST", "/login"),
        ("POST", "/health"),
        ("PUT", "/"),
        ("DELETE", f"{API}/upload"),
        ("TRACE", "/"),
        ("OPTIONS", "/"),
    ],
)
def test_other_addresses_are_not_there(tiny_address: str, method: str, path: str) -> None:
    answer = httpx.request(method, tiny_address + path)
    assert answer.status_code == 404
    assert answer.json() == {"detail": "There is nothing at this address."}


def test_what_is_open_tells_no_place_on_the_server(tiny_address: str, gradio_folder: Path) -> None:
    for path in ("/", "/config", f"{API}/info", f"{API}/openapi.json", "/health", "/theme.css"):
        answer = httpx.get(tiny_address + path)
        assert answer.status_code == 200, path
        for place in (Path.cwd(), Path.home() / ".", gradio_folder, sys.prefix):
            assert f"{place}/" not in answer.text, path


def test_a_photo_is_read_by_who_was_told_its_address(tiny_address: str) -> None:
    (path,) = upload(tiny_address, photo_bytes())
    answer = read(tiny_address, path)
    assert answer.content == photo_bytes()
    assert answer.headers["content-type"] == "image/png"
    assert read(tiny_address, path, Range="bytes=0-9").content == photo_bytes()[:10]


def test_no_other_file_is_read(tiny_address: str, gradio_folder: Path) -> None:
    (path,) = upload(tiny_address, photo_bytes())
    (gradio_folder / "stray.txt").write_text("stray")
    own = Path(path).parent
    here = Path(text.__file__)
    for guess in (
        "/etc/passwd",
        "/proc/self/environ",
        str(here),
        str(here.parents[1] / "assets" / "saywhere.safetensors"),
        str(here.parents[1] / "assets" / "examples" / "astronaut.jpg"),
        str(gradio_folder),
        f"{gradio_folder}/stray.txt",
        str(own),
        f"{own}/",
        f"{own}/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        f"{own}/%2e%2e/%2e%2e/stray.txt",
        f"{own}/..%2f..%2fstray.txt",
        f"{own}/photo.png/%2e%2e/photo.png",
        f"{own}/Photo.png",
        f"{gradio_folder}/{'0' * 64}/photo.png",
        "http://127.0.0.1:9/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "",
    ):
        answer = read(tiny_address, guess)
        assert answer.status_code == 404, guess
        assert answer.json() == {"detail": "There is nothing at this address."}


def test_an_address_holds_a_secret_besides_the_photo(tiny_address: str) -> None:
    """So nobody works it out at home, not even with the photo."""
    (path,) = upload(tiny_address, photo_bytes())
    assert Path(path).parent.name != hashlib.sha256(photo_bytes()).hexdigest()


def test_a_page_that_was_uploaded_runs_nowhere(tiny_address: str) -> None:
    for name in ("page.html", "drawing.svg"):
        (path,) = upload(tiny_address, b"<script>alert(1)</script>", name=name)
        answer = read(tiny_address, path)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")


def test_too_many_and_too_large_uploads_leave_nothing_behind(tiny_address: str, gradio_folder: Path) -> None:
    before = set(gradio_folder.rglob("*"))
    many = httpx.post(f"{tiny_address}{API}/upload", files=[("files", ("a.png", b"1"))] * 5)
    assert (many.status_code, many.text) == (413, "There are too many files in one upload: send one photo at a time.")

    def endless() -> Iterator[bytes]:
        yield b'--line\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(40):
            yield bytes(2**20)

    headers = {"content-type": "multipart/form-data; boundary=line"}
    try:
        large = httpx.post(f"{tiny_address}{API}/upload", content=endless(), headers=headers, timeout=60)
        assert large.status_code == 413
    except httpx.WriteError:  # the server hung up before all of it was sent
        pass
    assert set(gradio_folder.rglob("*")) == before


def test_another_site_asks_in_vain(tiny_address: str) -> None:
    headers = {"Origin": "https://evil.example"}
    for path in ("upload", "component_server", "call/caption", "queue/join", "cancel"):
        assert httpx.post(f"{tiny_address}{API}/{path}", headers=headers, json={}).status_code == 403
    own = httpx.post(f"{tiny_address}{API}/call/caption", headers={"Origin": tiny_address}, json={"data": [None, 3]})
    assert own.status_code == 200


def test_a_forged_host_does_not_move_the_page(tiny_address: str) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6"}
    assert "evil.example" not in httpx.get(f"{tiny_address}/config", headers=forged).text


def bomb() -> bytes:
    """A small file of 30,000 x 30,000 pixels."""
    buffer = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"hello", photo_bytes()[:80], bomb()], ids=["empty", "text", "cut", "bomb"])
def test_a_data_address_is_held_to_the_limits_of_a_file(tiny_address: str, content: bytes) -> None:
    (path,) = upload(tiny_address, content)
    address = "data:image/png;base64," + base64.b64encode(content).decode()
    said = caption(tiny_address, [{"url": address}, 3])
    assert said.startswith("event: error")
    assert said == caption(tiny_address, [{"path": path}, 3]).replace(" 'photo.png'", "")


@contextmanager
def watched_writes(folder: Path) -> Iterator[list[str]]:
    """Every file in a folder that is opened to be written, by whichever thread."""
    written: list[str] = []
    watching = [True]

    def hear(event: str, details: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(details[0], str | os.PathLike):
            path, flags = os.fspath(details[0]), details[2]
            if str(path).startswith(str(folder)) and flags & (os.O_WRONLY | os.O_RDWR):
                written.append(str(path))

    sys.addaudithook(hear)  # stays for good; it only listens here
    try:
        yield written
    finally:
        watching.clear()


def whole_names(paths: list[str], folder: Path) -> list[str]:
    """Of these paths the ones that a visitor could be downloading."""
    within = [path for path in paths if Path(path) != folder and Path(path).parent != folder]
    return [path for path in within if not Path(path).name.startswith(".")]


def test_no_file_that_somebody_downloads_is_ever_opened_for_writing(tiny_address: str, gradio_folder: Path) -> None:
    address = "data:image/png;base64," + base64.b64encode(photo_bytes()).decode()
    with watched_writes(gradio_folder) as written:
        for _ in range(2):
            (path,) = upload(tiny_address, photo_bytes())
            caption(tiny_address, [{"path": path}, 3])
            caption(tiny_address, [{"url": address}, 3])
            ask_component(tiny_address, "fetch_example", {"index": 1})
    assert written
    assert whole_names(written, gradio_folder) == []


def test_the_watch_on_writes_sees_a_file_that_is_rewritten(gradio_folder: Path) -> None:
    from gradio.processing_utils import save_pil_to_cache

    with watched_writes(gradio_folder) as written:
        path = save_pil_to_cache(Image.new("RGB", (8, 8)), str(gradio_folder), format="png")
    assert whole_names(written, gradio_folder) == [path]


def test_visitors_who_pick_the_same_example_at_once_all_get_it_whole(tiny_address: str, gradio_folder: Path) -> None:
    from demo.examples import list_examples

    photo = list_examples()[2].path.read_bytes()
    (first,) = {ask_component(tiny_address, "fetch_example", {"index": 2}).json()["path"]}
    start = threading.Barrier(12)

    def visit(number: int) -> bool:
        start.wait()
        if number % 4 == 0:  # some upload the very same file, under the same name
            (path,) = upload(tiny_address, photo, name=Path(first).name)
        else:
            path = ask_component(tiny_address, "fetch_example", {"index": 2}).json()["path"]
        return path == first and read(tiny_address, path).content == photo

    for _ in range(3):
        Path(first).unlink()  # as after two hours
        with ThreadPoolExecutor(12) as visitors:
            assert list(visitors.map(visit, range(12))) == [True] * 12


@pytest.mark.parametrize("session", ["0" * 16, ""])
def test_who_listens_to_a_session_that_is_not_there_is_told_so_and_nothing_breaks(
    tiny_address: str, caplog: pytest.LogCaptureFixture, session: str
) -> None:
    told = httpx.get(f"{tiny_address}{API}/queue/data", params={"session_hash": session})
    assert told.status_code == 200
    assert '"session_not_found":true' in told.text.replace(" ", "")
    assert "Exception in ASGI application" not in caplog.text
