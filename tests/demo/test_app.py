from __future__ import annotations

import gc
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import app
from builders import tiny_checkpoint
from captioner.checkpoint import save_checkpoint
from captioner.hub import HubAddress
from demo.guard import GuardOptions
from demo.server_options import ServerOptions, read_options


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield int(taken.getsockname()[1])


@pytest.fixture
def free_port(busy_port: int) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_defaults_serve_this_computer_only() -> None:
    options = read_options([], {})
    assert (options.host, options.port, options.device) == ("127.0.0.1", 7860, "auto")
    assert options.checkpoint is None


def test_the_environment_sets_what_the_command_line_leaves_open() -> None:
    environment = {
        "SAYWHERE_HOST": "0.0.0.0",
        "SAYWHERE_PORT": "8001",
        "SAYWHERE_CHECKPOINT": "mine.safetensors",
        "SAYWHERE_DEVICE": "cuda",
    }
    expected = ServerOptions("0.0.0.0", 9000, Path("mine.safetensors"), "cuda")
    assert read_options(["--port", "9000"], environment) == expected
    assert read_options([], {"SAYWHERE_PORT": ""}).port == 7860


def test_the_guard_takes_its_options_from_both_too() -> None:
    assert read_options([], {}).guard == GuardOptions(visitors=30, proxies=0, origins=())
    assert read_options([], {"SPACE_ID": "owner/name"}).guard.proxies == 1
    environment = {
        "SAYWHERE_VISITORS": "60",
        "SAYWHERE_PROXIES": "2",
        "SAYWHERE_ORIGINS": "https://a.example, http://b:80",
    }
    expected = GuardOptions(60, 2, ("https://a.example", "http://b:80"))
    assert read_options([], environment).guard == expected
    assert read_options(["--visitors", "0", "--proxies=1", "--origins", ""], environment).guard == GuardOptions(0, 1)


@pytest.mark.parametrize("wrong", ["--visitors=-1", "--visitors=many", "--proxies=1.5", "--proxies=²", "--origins=a.b"])
def test_a_guard_that_cannot_be_is_one_sentence(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_options([wrong], {})
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "expected a" in said
    assert said.count("\n") == 1


def test_photos_go_to_a_folder_of_their_own() -> None:
    environment: dict[str, str] = {}
    app.close_doors(read_options([], environment), environment)
    folder = Path(environment["GRADIO_TEMP_DIR"])
    assert folder.stat().st_mode & 0o077 == 0  # nobody else's
    shutil.rmtree(folder)
    chosen = {"GRADIO_TEMP_DIR": "chosen"}
    app.close_doors(read_options([], chosen), chosen)
    assert chosen["GRADIO_TEMP_DIR"] == "chosen"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "abc", "80.5", "²"])
@pytest.mark.parametrize("from_environment", [False, True])
def test_a_port_that_is_none_is_one_sentence_and_exit_code_2(
    port: str, from_environment: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, environment = ([], {"SAYWHERE_PORT": port}) if from_environment else ([f"--port={port}"], {})
    with pytest.raises(SystemExit) as stopped:
        read_options(arguments, environment)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"expected a port from 1 to 65535, got '{port}'" in said
    assert said.count("\n") == 1


def test_help_teaches_by_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_options(["--help"], {})
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for word in ("--host", "--port", "--checkpoint", "--device", "SAYWHERE_PORT=8000 python app.py"):
        assert word in said


def check_stopped(code: int, capsys: pytest.CaptureFixture[str], *words: str) -> None:
    said = capsys.readouterr()
    assert code == 2
    assert "ready" not in said.out
    assert said.err.startswith("app.py: ")
    assert said.err.count("\n") == 1
    for word in words:
        assert word in said.err


def test_a_missing_checkpoint_is_one_sentence(
    free_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = app.main(["--port", str(free_port), "--checkpoint", str(tmp_path / "none.safetensors")])
    check_stopped(code, capsys, "none.safetensors")


def test_garbage_is_collected_again_when_the_start_has_failed(free_port: int, tmp_path: Path) -> None:
    assert gc.isenabled()
    assert app.main(["--port", str(free_port), "--checkpoint", str(tmp_path / "none.safetensors")]) == 2
    assert gc.isenabled()


def test_a_file_that_is_no_checkpoint_is_one_sentence(
    free_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"hello")
    code = app.main(["--port", str(free_port), "--checkpoint", str(tmp_path / "bad.safetensors")])
    check_stopped(code, capsys, "bad.safetensors")


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_one_sentence(
    device: str, free_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tiny_checkpoint(), tmp_path / "tiny.safetensors")
    code = app.main(["--port", str(free_port), "--device", device, "--checkpoint", str(tmp_path / "tiny.safetensors")])
    check_stopped(code, capsys, device)


def test_a_busy_port_is_one_sentence_before_anything_is_loaded(
    busy_port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = app.main(["--port", str(busy_port), "--checkpoint", str(tmp_path / "none.safetensors")])
    check_stopped(code, capsys, f"127.0.0.1:{busy_port} cannot be used", "--port")


def test_a_host_that_is_not_this_machine_is_one_sentence(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.main(["--port", str(free_port), "--host", "192.0.2.1"])  # an address reserved for documentation
    check_stopped(code, capsys, "192.0.2.1", "--host")


def test_from_a_shell_nothing_but_the_sentence_is_seen(busy_port: int) -> None:
    command = [sys.executable, app.__file__, "--port", str(busy_port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("app.py: 127.0.0.1")
    assert done.stderr.count("\n") == 1


def test_a_checkpoint_may_lie_on_the_hub() -> None:
    expected = HubAddress("owner", "name", "v1")
    assert read_options(["--checkpoint", "hf://owner/name@v1"], {}).checkpoint == expected
    assert read_options([], {"SAYWHERE_CHECKPOINT": "hf://owner/name@v1"}).checkpoint == expected


def test_nothing_is_fetched_but_a_checkpoint_the_operator_named() -> None:
    for arguments, offline in ((["--checkpoint", "hf://owner/name"], None), ([], "1"), (["--checkpoint", "a"], "1")):
        environment = {"GRADIO_TEMP_DIR": "chosen"}
        app.close_doors(read_options(arguments, environment), environment)
        assert environment.get("HF_HUB_OFFLINE") == offline
        assert environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    kept = {"HF_HUB_OFFLINE": "1", "GRADIO_TEMP_DIR": "chosen"}
    app.close_doors(read_options(["--checkpoint", "hf://owner/name"], kept), kept)
    assert kept["HF_HUB_OFFLINE"] == "1"


def test_an_address_nobody_answers_at_is_one_sentence(free_port: int, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}
    command = [sys.executable, app.__file__, "--port", str(free_port), "--checkpoint", "hf://owner/name"]
    done = subprocess.run(command, env={**kept, **away}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Fetching hf://owner/name from the Hugging Face Hub ..." in done.stdout
    assert "hf://owner/name was never fetched and the Hub cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


def test_captions_may_come_from_another_machine() -> None:
    assert read_options(["--backend", "http://10.0.0.5:8000"], {}).backend == "http://10.0.0.5:8000"
    assert read_options([], {"SAYWHERE_BACKEND": "http://a:1"}).backend == "http://a:1"
    assert read_options([], {}).backend is None


def test_a_backend_has_its_own_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_options(["--backend", "http://a", "--checkpoint", "mine.safetensors"], {})
    assert stopped.value.code == 2
    assert "expected --checkpoint or --backend, got both" in capsys.readouterr().err


def test_a_backend_that_cannot_be_one_is_one_sentence(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.main(["--port", str(free_port), "--backend", "file:///etc/passwd"])
    check_stopped(code, capsys, "expected a backend such as http://127.0.0.1:8000, got 'file:///etc/passwd'")
