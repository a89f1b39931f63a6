"""What goes wrong around the page, done for real: a full disk, a killed process, a jumping clock, a visitor who goes.

A model file that is changed while it is used: `tests/captioner/test_checkpoint.py`; a GPU without memory:
`tests/demo/test_scheduler.py`.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.errors import CaptionerError, SearchError
from captioner.search_options import SearchOptions
from captioner.serving import client
from captioner.serving.client import Backend, Patience, RemoteCaptioner
from captioner.serving.describing import Describer
from demo import server_text, text
from demo.allowance import Rate
from demo.batches import PhotoTask
from demo.callbacks import view_photo
from demo.expiry import HOUR, Expiry
from demo.guard.rates import RateLimiter
from demo.room import Lesson
from demo.room_rules import NoRoomError
from demo.rooms import Rooms
from demo.scheduler import ModelTask, Scheduler
from demo.tickets import GoneError
from demo.upload_folder import LOCK, PREFIX
from page_calls import API, ask_component, caption, upload
from stand_in_service import SILENCE, StandIn, stand_in
from visits import GRADIO_WARNINGS, free_port

pytestmark = GRADIO_WARNINGS
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds after which a test has failed
QUICK = Patience(attempts=4, first=0.001, longest=0.002, timeout=20, total=20)
ON_A_SMALL_DISK = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"']
DAY = 86_400.0


def wait_until(true: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


@pytest.fixture
def service(captioner: Captioner) -> Iterator[StandIn]:
    with stand_in(Describer(captioner)) as server:
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> list[str]:
    """What a command begins with that is to find 2 MB of room in the folder "disk", and nobody else."""
    (tmp_path / "disk").mkdir()
    command = [*ON_A_SMALL_DISK, str(tmp_path / "disk")]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here: unshare -Urm is not allowed")
    return command


# The server, in a process of its own. Every line it is sent is a number of bytes that uploads leave free from then on.
SERVER = """
import sys, threading
sys.path.insert(0, sys.argv.pop(1))
import app
from demo import status
from demo.guard import guard

def listen():
    for line in sys.stdin:
        guard.MIN_FREE = status.MIN_FREE = int(line)
        print("done", flush=True)

status.MIN_MEMORY = 0
threading.Thread(target=listen, daemon=True).start()
sys.exit(app.main())
"""


class Page:
    """A page that is served by a process of its own, whose photos lie in `place`."""

    def __init__(self, service: StandIn, place: Path, port: int, before: list[str]) -> None:
        command = [*before, sys.executable, "-c", SERVER, str(ROOT), "--port", str(port), "--backend", service.url]
        kept = {name: value for name, value in os.environ.items() if name != "GRADIO_TEMP_DIR"}
        self.address = f"http://127.0.0.1:{port}"
        self.errors = place.with_name("errors")
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                env={**kept, "TMPDIR": str(place), "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.place = Path(f"/proc/{self.process.pid}/root{place}") if before else place
        assert self.process.stdout is not None
        while "is ready" not in (line := self.process.stdout.readline()):
            assert line, self.errors.read_text()

    def leave_free(self, size: int) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{size}\n")
        self.process.stdin.flush()
        while self.process.stdout.readline() != "done\n":
            assert self.process.poll() is None

    def health(self) -> tuple[int, list[str]]:
        answer = httpx.get(f"{self.address}/health", timeout=60)
        return answer.status_code, answer.json()["problems"]

    def send(self, *contents: bytes) -> httpx.Response:
        files = [("files", ("photo.png", content)) for content in contents]
        return httpx.post(f"{self.address}{API}/upload", files=files, timeout=60)

    def files(self) -> list[Path]:
        """All photos, whole or not."""
        return [file for file in self.place.rglob("*") if file.is_file() and file.name not in (LOCK, "filler")]

    def free(self) -> int:
        room = os.statvfs(self.place)
        return room.f_bavail * room.f_frsize

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def page_of(service: StandIn, place: Path, port: int, before: list[str]) -> Iterator[Page]:
    page = Page(service, place, port, before)
    try:
        yield page
    finally:
        page.kill()


def described(page: Page, content: bytes) -> str:
    """What the page's API says of a photo that is uploaded."""
    (path,) = upload(page.address, content)
    return caption(page.address, [{"path": path}, 3])


def test_a_full_disk_is_said_and_nothing_is_left_on_it(service: StandIn, tmp_path: Path, small_disk: list[str]) -> None:
    large = np.random.default_rng(0).bytes(3_000_000)
    with page_of(service, tmp_path / "disk", free_port(), small_disk) as page:
        refused = page.send(photo_bytes())
        assert (refused.status_code, refused.text) == (507, server_text.DISK_FULL)
        assert page.health() == (503, [server_text.DISK_FULL])
        page.leave_free(0)
        assert page.health() == (200, [])
        before = page.free()
        for contents in ((large,), (photo_bytes(), large)):  # the disk fills up while they come
            refused = page.send(*contents)
            assert (refused.status_code, refused.text) == (507, server_text.DISK_FULL)
            assert page.files() == []
            wait_until(lambda: page.free() == before)  # nothing is held open either
        with (page.place / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, page.free())
        for content in (photo_bytes(), b"\x89PNG", large):  # not a byte is left
            refused = page.send(content)
            assert (refused.status_code, refused.text) == (507, server_text.DISK_FULL)
        told = ask_component(page.address, "fetch_example", {"index": 0}).json()
        assert (told["kind"], told["message"]) == ("problem", text.NOT_KEPT)
        assert page.files() == []
        (page.place / "filler").unlink()
        assert "event: complete" in described(page, photo_bytes())
        assert "Traceback" not in page.errors.read_text()


WRITE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from captioner.whole_file import write_whole
from captioner.errors import RecordError

record = Path(sys.argv[2], "record.json")
write_whole(record, "old")
try:
    write_whole(record, bytes(3_000_000))
except RecordError as problem:
    print(problem)
print(record.read_text(), [file.name for file in record.parent.iterdir()])
write_whole(record, "new")
print(record.read_text())
"""


def test_a_file_that_finds_no_room_leaves_the_old_one_whole(tmp_path: Path, small_disk: list[str]) -> None:
    command = [*small_disk, sys.executable, "-c", WRITE, str(ROOT), str(tmp_path / "disk")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    problem, *rest = done.stdout.splitlines()
    assert "record.json could not be written: choose a folder that exists and can be written" in problem
    assert rest == ["old ['record.json']", "new"]


# A service that is asked for what it knows of the model (its second argument) and then never answers.
DEAF_SERVICE = """
import sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(sys.argv[2].encode())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        print("asked", flush=True)
        time.sleep(600)

    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("serving", flush=True)
server.serve_forever()
"""


@contextmanager
def deaf_service(captioner: Captioner, port: int) -> Iterator[subprocess.Popen[str]]:
    info = json.dumps(Describer(captioner).info.to_record())
    command = [sys.executable, "-c", DEAF_SERVICE, str(port), info]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        yield process
        process.kill()


@pytest.mark.parametrize("back", [False, True])
def test_a_service_that_is_killed_while_it_answers(captioner: Captioner, tmp_path: Path, back: bool) -> None:
    (tmp_path / "one.png").write_bytes(photo_bytes(photo(seed=1)))
    (tmp_path / "two.png").write_bytes(photo_bytes(photo(seed=2)))
    port = free_port()
    patience = Patience(attempts=1000, first=0.01, longest=0.02, timeout=60, total=PATIENCE) if back else QUICK
    with ThreadPoolExecutor() as pool:
        with deaf_service(captioner, port) as process:
            remote = cast(Captioner, RemoteCaptioner(Backend(f"http://127.0.0.1:{port}"), patience))
            scheduler = Scheduler(lambda: remote)
            asked = pool.submit(view_photo, scheduler, tmp_path, {"path": str(tmp_path / "one.png")})
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            process.send_signal(signal.SIGKILL)
            process.wait()
            told = None if back else asked.result(PATIENCE)
        with stand_in(Describer(captioner), port=port):
            told = told or asked.result(PATIENCE)  # a service that comes back in time answers what was cut off
            following = view_photo(scheduler, tmp_path, {"path": str(tmp_path / "two.png")})
    assert following is not None
    assert following["kind"] == "result"
    assert told["kind"] == ("result" if back else "problem")
    assert back or client.NO_ANSWER in str(told)


def test_who_leaves_while_the_service_is_silent_keeps_nobody_waiting(captioner: Captioner, service: StandIn) -> None:
    remote = cast(Captioner, RemoteCaptioner(Backend(service.url), Patience()))
    scheduler = Scheduler(lambda: remote)
    service.script = [SILENCE]
    ticket = scheduler.ask(task(1), session="first")
    assert service.waited.wait(PATIENCE)
    scheduler.leave("first")
    with pytest.raises(GoneError):
        ticket.result()
    assert scheduler.ask(task(2)).result(PATIENCE) == "a photo"  # though the first request still hangs
    assert not service.closing.is_set()


def task(seed: int) -> PhotoTask:
    return PhotoTask(f"{seed}", "plain", SearchOptions(widths=(1,)), (), lambda: photo(seed=seed), lambda *_: "a photo")


def test_a_page_that_is_killed_leaves_no_photo_for_ever_and_comes_back(service: StandIn, tmp_path: Path) -> None:
    place, port = tmp_path / "temporary", free_port()
    place.mkdir()
    foreign = place / f"{PREFIX}not-ours"
    foreign.mkdir()
    with ThreadPoolExecutor() as pool:
        with page_of(service, place, port, []) as page:
            service.script = [SILENCE]
            (path,) = upload(page.address, photo_bytes())
            asked = pool.submit(caption, page.address, [{"path": path}, 3])
            assert service.waited.wait(PATIENCE)
            page.kill()
            with pytest.raises(httpx.HTTPError):
                asked.result(PATIENCE)
            assert Path(path).exists()
        with page_of(service, place, port, []) as page:
            assert not Path(path).exists()
            assert foreign.exists()  # nobody knows whose it is
            folders = [folder for folder in place.glob(f"{PREFIX}*") if folder != foreign]
            assert len(folders) == 1
            assert "event: complete" in described(page, photo_bytes())
            upload_folder_of_the_living_stays(place)
            assert folders[0].exists()


def upload_folder_of_the_living_stays(place: Path) -> None:
    """Another page is started beside the first."""
    script = "import sys; sys.path.insert(0, sys.argv[1]); from demo.upload_folder import make_folder; make_folder()"
    subprocess.run([sys.executable, "-c", script, str(ROOT)], env={**os.environ, "TMPDIR": str(place)}, check=True)


@pytest.fixture(params=[DAY, -DAY], ids=["forward", "back"])
def jump(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Sets the machine's clock, as this process and Gradio read it."""
    import gradio.route_utils
    import gradio.state_holder

    true_time, shift = time.time, float(request.param)

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=shift)

    def set_clock() -> None:
        monkeypatch.setattr(time, "time", lambda: true_time() + shift)
        monkeypatch.setattr(gradio.route_utils, "datetime", Jumped)
        monkeypatch.setattr(gradio.state_holder.datetime, "datetime", Jumped)

    return set_clock


def test_who_waits_keeps_the_place_when_the_clock_jumps(captioner: Captioner, jump: Callable[[], None]) -> None:
    scheduler, free, begun = Scheduler(lambda: captioner), threading.Event(), threading.Event()

    def keep_busy(_: Captioner) -> bool:
        begun.set()
        return free.wait(PATIENCE)

    busy = scheduler.ask(ModelTask(keep_busy))
    assert begun.wait(PATIENCE)
    places: list[int] = []

    def hear(ahead: int) -> None:
        places.append(ahead)
        if len(places) == 1:
            jump()
            free.set()

    assert scheduler.ask(task(1)).result(PATIENCE, hear) == "a photo"
    assert busy.result() is True
    assert places[0] == 1
    assert scheduler.seconds_left() == 1  # nothing was measured as a day


def test_rooms_and_rates_go_by_another_clock(jump: Callable[[], None]) -> None:
    rooms = Rooms()
    lesson = Lesson(cast(Any, {}), ("a",), np.full((1, 2, 2), 0.25, np.float32))
    teacher = rooms.open(lesson, 0, "a visitor")
    pupil = rooms.join(rooms.look(teacher).code, "another")
    for _ in range(1000):  # as many wrong codes as this visitor has
        with pytest.raises(CaptionerError) as refused:
            rooms.join("ZZZZZZ", "guesser")
        if not isinstance(refused.value, NoRoomError):
            break
    rates = RateLimiter(1, {"caption": Rate(burst=1, seconds=60.0)})
    assert rates.take("a", "caption") == 0
    jump()
    assert rooms.look(teacher).present == 1
    assert rooms.look(pupil).code
    with pytest.raises(CaptionerError, match=re.escape(text.TOO_MANY_CODES)):
        rooms.join("ZZZZZZ", "guesser")
    assert 50 <= rates.take("a", "caption") <= 60


def test_a_photo_stays_for_an_hour_whatever_the_clock_says(
    tiny_address: str, gradio_folder: Path, jump: Callable[[], None]
) -> None:
    from gradio.context import Context
    from gradio.route_utils import delete_files_created_by_app

    from demo.page import build_page

    (path,) = upload(tiny_address, photo_bytes(photo(seed=77)))
    page = build_page(tiny_captioner)
    page.upload_file_set.add(path)  # as its own uploads are
    now = 0.0
    expiry = Expiry(gradio_folder, clock=lambda: now)
    expiry.sweep()
    jump()
    delete_files_created_by_app(page, page.delete_cache[1])
    now = HOUR - 1
    expiry.sweep()
    assert Path(path).exists()
    assert "event: complete" in caption(tiny_address, [{"path": path}, 1])
    upload(tiny_address, photo_bytes(photo(seed=77)))  # once more: its hour begins anew
    now = HOUR + 1
    expiry.sweep()
    assert Path(path).exists()
    now = 2 * HOUR + 1
    expiry.sweep()
    assert not Path(path).parent.exists()
    assert Context.root_block is None


def test_only_what_looks_like_an_upload_ever_expires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = [tmp_path / "tmpl", tmp_path / "notes.txt", tmp_path / ("0" * 63) / "photo.png"]
    gone = [tmp_path / "tmp1a2b3c", tmp_path / ("0" * 64) / "photo.png"]
    kept[0].mkdir()
    for file in (*kept[1:], *gone):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"1")
    for shared in (True, False):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path) if shared else "/elsewhere")
        moments = iter((0.0, HOUR))
        expiry = Expiry(tmp_path, clock=moments.__next__)
        expiry.sweep()
        expiry.sweep()
        assert gone[0].exists() == shared  # a folder of many programs: it may be another's
    assert not any(file.exists() for file in gone)
    assert all(file.exists() for file in kept)
    Expiry(tmp_path / "none").sweep()


def test_nothing_reads_the_machines_clock() -> None:
    wall = re.compile(r"\btime\.time\(|datetime\.now|\.utcnow\(|\btime\.(localtime|gmtime|strftime)\(")
    sources = [ROOT / "app.py", *(ROOT / "demo").rglob("*.py"), *(ROOT / "captioner").rglob("*.py")]
    assert len(sources) > 100
    assert [str(file) for file in sources if wall.search(file.read_text(encoding="utf-8"))] == []


class Held:
    """A captioner that waits in the middle of its work until it is let go, and counts what it does after that."""

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self.where = ""
        self.begun, self.go = threading.Event(), threading.Event()
        self.after: list[str] = []
        step = captioner.decoder.step
        stages = list(captioner.encoder.stages)
        for place, stage in enumerate(stages):
            stage.register_forward_pre_hook(lambda *_, place=place: self.pass_by("encoding", place))

        def slow_step(*given: Any) -> Any:
            self.pass_by("search", self.steps)
            self.steps += 1
            return step(*given)

        self.steps = 0
        captioner.decoder.step = slow_step  # type: ignore[method-assign, assignment]

    def hold(self, where: str) -> None:
        self.begun.clear()
        self.go.clear()
        self.after.clear()
        self.steps, self.where = 0, where

    def pass_by(self, kind: str, place: int) -> None:
        if self.go.is_set():
            self.after.append(f"{kind} {place}")
        elif (kind, place) == (self.where, 1):
            self.begun.set()
            self.go.wait(PATIENCE)


@pytest.fixture(scope="module")
def held() -> Held:
    return Held(tiny_captioner())


@pytest.fixture(scope="module")
def watched(held: Held, gradio_folder: Path) -> Iterator[tuple[str, Scheduler]]:
    from demo.page import build_page, launch_page

    page = build_page(lambda: held.captioner)
    yield launch_page(page, "127.0.0.1", free_port()).rstrip("/"), page.scheduler
    page.close(verbose=False)


def ask(address: str, door: str, path: str) -> http.client.HTTPConnection:
    """A connection on which an answer is waited for."""
    connection = http.client.HTTPConnection(str(urlsplit(address).netloc), timeout=60)
    if door == "api":
        body = {"data": [{"path": path}, 3]}
        event = httpx.post(f"{address}{API}/call/caption", json=body).json()["event_id"]
        connection.request("GET", f"{API}/call/caption/{event}")
        return connection
    components = httpx.get(f"{address}/config").json()["components"]
    block = next(found["id"] for found in components if "answer" in (found["props"].get("server_fns") or ()))
    question = {"kind": "continue", "photo": {"path": path}, "words": ["a"]}
    asked = {"data": question, "component_id": block, "fn_name": "answer", "session_hash": "test"}
    connection.request("POST", f"{API}/component_server", json.dumps(asked), {"content-type": "application/json"})
    return connection


@pytest.mark.parametrize("where", ["encoding", "search"])
@pytest.mark.parametrize("door", ["api", "question"])
def test_not_one_more_step_is_taken_for_who_has_gone(
    watched: tuple[str, Scheduler], held: Held, door: str, where: str
) -> None:
    address, scheduler = watched
    seed = 200 + ["api", "question"].index(door) + 10 * ["encoding", "search"].index(where)
    (path,) = upload(address, photo_bytes(photo(seed=seed)))
    wait_until(lambda: httpx.get(f"{address}/health").json()["model"]["state"] != "loading")
    held.hold(where)
    connection = ask(address, door, path)
    assert held.begun.wait(PATIENCE)
    connection.close()
    wait_until(lambda: not any(job.tickets for job in scheduler._running))
    held.go.set()
    wait_until(lambda: not scheduler._running)
    assert held.after == []
    assert "event: complete" in caption(address, [{"path": path}, 3])  # the next, with the very same photo
    assert held.after != []


def test_a_word_that_cannot_be_said_stops_nothing(captioner: Captioner) -> None:
    """What the visitor did wrong is none of these faults: it is told, and the next is served."""
    scheduler = Scheduler(lambda: captioner)
    wrong = PhotoTask("w", "plain", SearchOptions(widths=(1,)), ("zebra",), photo, lambda *_: "never")
    with pytest.raises(SearchError):
        scheduler.ask(wrong).result(PATIENCE)
    assert scheduler.ask(task(3)).result(PATIENCE) == "a photo"
