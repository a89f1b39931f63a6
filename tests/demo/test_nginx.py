"""The page behind a real nginx: with the lines of .hosting/nginx.conf, and with those that people write instead."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

import demo
from builders import photo, photo_bytes
from captioner.captioner import Captioner
from demo import server_text, text
from demo.guard import GuardOptions
from page_calls import API
from visits import GRADIO_WARNINGS, ScriptedCaptioner, free_port, serve, visit

pytestmark = GRADIO_WARNINGS
LINES = (Path(demo.__file__).parents[1] / ".hosting" / "nginx.conf").read_text(encoding="utf-8")
WRITTEN = "http://127.0.0.1:7860"  # the page's address there
HELD = (33, 17)  # pixels of a photo that is captioned no sooner than it may be
PATIENCE = 60.0  # seconds


class PatientCaptioner(ScriptedCaptioner):
    """One that waits with a photo of HELD pixels."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def describe(self, photo: Image.Image, *more: object) -> object:  # type: ignore[override]
        if photo.size == HELD:
            self.go.wait(PATIENCE)
        return super().describe(photo, *more)  # type: ignore[arg-type]


def location(place: str, upstream: str, *lines: str) -> str:
    return f"location {place} {{ proxy_pass {upstream}; {' '.join(f'{line};' for line in lines)} }}"


def shown_at(place: str, upstream: str) -> str:
    """The recommended lines for a place of the page, without what names and listens."""
    server = LINES[LINES.index("location / {") : LINES.rindex("}")]
    slash = "" if place == "/" else "/"
    return server.replace("location / {", f"location {place} {{").replace(f"{WRITTEN};", f"{upstream}{slash};")


@pytest.fixture(scope="module")
def patient() -> PatientCaptioner:
    return PatientCaptioner()


@pytest.fixture(scope="module")
def page_address(gradio_folder: Path, patient: PatientCaptioner) -> Iterator[str]:
    yield from serve(lambda: cast(Captioner, patient), guard=GuardOptions(proxies=1))


@pytest.fixture(scope="module")
def rooted_address(gradio_folder: Path) -> Iterator[str]:
    yield from serve(lambda: cast(Captioner, ScriptedCaptioner()), guard=GuardOptions(proxies=1, root_path="/saywhere"))


@pytest.fixture(scope="module")
def nginx(page_address: str, rooted_address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """nginx in front of the page, once for every kind of lines: kind -> address."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        reason = "no nginx: apt-get install nginx-light"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("nginx")
    kinds = {
        "root": ("", shown_at("/", page_address)),
        "path": ("/saywhere", shown_at("/saywhere/", rooted_address)),
        "path unsaid": ("/saywhere", shown_at("/saywhere/", page_address)),
        "path kept": (
            "/saywhere",
            shown_at("/saywhere", rooted_address).replace(f"{rooted_address}/;", f"{rooted_address};"),
        ),
        "bare": ("", location("/", page_address)),
        "portless": ("", location("/", page_address, "proxy_set_header Host $host", "client_max_body_size 32m")),
    }
    ports = {kind: free_port() for kind in kinds}
    temporary = " ".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    servers = "\n".join(f"server {{ listen 127.0.0.1:{ports[kind]}; {lines} }}" for kind, (_, lines) in kinds.items())
    settings = f"pid {folder}/pid; error_log {folder}/errors; daemon off; master_process off; events {{}}\n"
    (folder / "conf").write_text(f"{settings}http {{ access_log off; {temporary}\n{servers} }}\n", encoding="utf-8")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "errors")])
    deadline = time.monotonic() + PATIENCE
    while socket.socket().connect_ex(("127.0.0.1", ports["portless"])) and process.poll() is None:
        assert time.monotonic() < deadline
    assert process.poll() is None, (folder / "errors").read_text(encoding="utf-8")
    yield {kind: f"http://127.0.0.1:{ports[kind]}{path}" for kind, (path, _) in kinds.items()}
    process.terminate()
    process.wait(PATIENCE)


def large_photo() -> bytes:
    """2.3 megabytes, of which none can be compressed away."""
    content = photo_bytes(photo(900, 900))
    return content + os.urandom(2_300_000 - len(content))


def origin_of(address: str) -> dict[str, str]:
    return {"origin": address.removesuffix("/saywhere")}


@pytest.mark.parametrize("kind", ["root", "path", "path unsaid", "path kept"])
def test_a_large_photo_is_uploaded_captioned_and_read_again(nginx: dict[str, str], kind: str) -> None:
    address = nginx[kind]
    with httpx.Client(headers=origin_of(address), timeout=PATIENCE, trust_env=False) as client:
        page = client.get(f"{address}/")
        assert page.status_code == 200
        assert client.get(f"{address}/health").json()["status"] == "usable"
        content = large_photo()
        (path,) = client.post(f"{address}{API}/upload", files=[("files", ("photo.png", content))]).json()
        event = client.post(f"{address}{API}/call/caption", json={"data": [{"path": path}, 3]}).json()["event_id"]
        assert "a red dog" in client.get(f"{address}{API}/call/caption/{event}").text
        assert client.get(f"{address}{API}/file={path}").content == content


def test_what_a_stream_says_is_not_kept_back(nginx: dict[str, str], patient: PatientCaptioner) -> None:
    """The place in the line is read while the photo is still being captioned, even where nginx buffers."""
    for kind in ("root", "bare"):
        patient.go.clear()
        address = nginx[kind]
        content = photo_bytes(photo(*HELD, seed=len(kind)))
        with httpx.Client(timeout=PATIENCE, trust_env=False) as client:
            (path,) = client.post(f"{address}{API}/upload", files=[("files", ("photo.png", content))]).json()
            asked = {"data": [{"path": path, "visitor": kind}], "session_hash": kind}
            client.post(f"{address}{API}/call/look", json=asked)
            with client.stream("GET", f"{address}{API}/queue/data", params={"session_hash": kind}) as stream:
                lines = stream.iter_lines()
                assert any("process_starts" in line for line in lines)
                patient.go.set()
                assert any("process_completed" in line for line in lines)


def test_there_is_no_web_socket_to_pass_on() -> None:
    assert "upgrade" not in LINES.lower()


@pytest.mark.parametrize("kind", ["path", "path unsaid", "path kept"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_visitor_sees_a_caption_under_a_path(browser: Browser, nginx: dict[str, str], kind: str, slash: str) -> None:
    for page, _ in visit(browser, nginx[kind] + slash, 1280, 900):
        page.locator("#sw-photo-input input[type=file]").first.set_input_files(
            {"name": "large.png", "mimeType": "image/png", "buffer": large_photo()}
        )
        expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()
        assert page.evaluate("window.gradio_config.root") == nginx[kind]


def open_page(browser: Browser, address: str) -> tuple[BrowserContext, Page]:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(address)
    page.locator(".sw-viewer[data-kind]").wait_for()
    return context, page


def test_a_photo_that_nginx_refuses_is_said_to_be_so(browser: Browser, nginx: dict[str, str]) -> None:
    """Without a line of its own, nginx lets one megabyte through. A question may be larger, too."""
    context, page = open_page(browser, nginx["bare"])
    try:
        page.locator("#sw-photo-input input[type=file]").first.set_input_files(
            {"name": "large.png", "mimeType": "image/png", "buffer": large_photo()}
        )
        expect(page.get_by_text(text.VIEWER["proxy_limit"])).to_be_visible()
        expect(page.get_by_text("30 MB")).to_have_count(0)
    finally:
        context.close()


def test_a_browser_that_knows_its_own_site_needs_no_host(browser: Browser, nginx: dict[str, str]) -> None:
    """Over https and on this computer it says so itself; no script can."""
    for kind in ("bare", "portless"):
        for page, _ in visit(browser, nginx[kind], 1280, 900):
            page.locator("#sw-photo-input input[type=file]").first.set_input_files(
                {"name": "small.png", "mimeType": "image/png", "buffer": photo_bytes(photo())}
            )
            expect(page.locator('.sw-viewer[data-kind="result"]')).to_be_visible()


def test_a_host_without_its_port_is_refused_and_logged_once(
    nginx: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    address = nginx["portless"]
    with caplog.at_level(logging.WARNING), httpx.Client(headers=origin_of(address), trust_env=False) as client:
        for _ in range(3):
            refused = client.post(f"{address}{API}/upload", files=[("files", ("photo.png", large_photo()))])
            assert (refused.status_code, refused.text) == (403, server_text.OTHER_SITE)
    (said,) = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert address in said
    assert "asked for 127.0.0.1." in said
    assert "proxy_set_header Host $http_host;" in said
    assert f"--origins {address}" in said


def test_the_page_says_that_it_is_taken_for_another_site(browser: Browser, nginx: dict[str, str]) -> None:
    """As soon as it is open, where a browser does not say itself whose request it is."""
    context = browser.new_context(locale="ko-KR")
    page = context.new_page()

    def plainly(route: object) -> None:
        request = route.request  # type: ignore[attr-defined]
        told = {name: value for name, value in request.all_headers().items() if name != "sec-fetch-site"}
        answer = httpx.request(
            request.method, request.url, headers=told, content=request.post_data_buffer, trust_env=False
        )
        route.fulfill(status=answer.status_code, body=answer.content, content_type=answer.headers["content-type"])  # type: ignore[attr-defined]

    try:
        page.route(re.compile("component_server"), plainly)
        page.goto(nginx["portless"])
        expect(page.locator(".sw-foreign")).to_have_text(text.read_languages()["ko"]["foreign"])
        expect(page.locator(".sw-foreign")).to_have_count(1)
    finally:
        context.close()
