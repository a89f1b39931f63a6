"""The page's own address: IPv4, IPv6 and names; and that it is asked without the proxies of the environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import app
from builders import tiny_checkpoint
from captioner.checkpoint import save_checkpoint
from demo.own_address import UnusableAddressError, find_address, page_address, read_host, without_proxies
from demo.server_options import read_options
from visits import free_port

NO_SUCH_KIND = "socks://127.0.0.1:1080/"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    return path


@contextmanager
def running(arguments: list[str], **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The real app in an environment, and the first line it says; ended by a signal."""
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    process = subprocess.Popen(
        [sys.executable, app.__file__, *arguments],
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline()
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that passes nothing on, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(4096).partition(b"\r\n")[0])
                    connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize(
    ("said", "host", "address"),
    [
        ("127.0.0.1", "127.0.0.1", "http://127.0.0.1:7860/"),
        ("0.0.0.0", "0.0.0.0", "http://localhost:7860/"),
        ("::1", "::1", "http://[::1]:7860/"),
        ("[::1]", "::1", "http://[::1]:7860/"),
        ("0:0:0:0:0:0:0:1", "::1", "http://[::1]:7860/"),
        ("::", "::", "http://[::1]:7860/"),
        ("[::]", "::", "http://[::1]:7860/"),
        ("FE80::1", "fe80::1", "http://[fe80::1]:7860/"),
        ("::ffff:127.0.0.1", "127.0.0.1", "http://127.0.0.1:7860/"),
        ("localhost", "localhost", "http://localhost:7860/"),
        ("school-pc", "school-pc", "http://school-pc:7860/"),
    ],
)
def test_a_host_in_every_form_has_one_address(said: str, host: str, address: str) -> None:
    assert read_options(["--host", said], {}).host == host
    assert read_options([], {"GRADIO_SERVER_NAME": said}).host == host
    assert page_address(read_host(said), 7860) == address


def test_an_address_with_a_network_card_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        read_options(["--host", "fe80::1%eth0"], {})
    assert stopped.value.code == 2
    assert "expected an address without a network card, got 'fe80::1%eth0'" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["a..b", "x" * 70, "192.0.2.1", "2001:db8::1"])
def test_a_host_that_is_not_this_machine_is_unusable(host: str) -> None:
    with pytest.raises(UnusableAddressError, match=r"cannot be used .*: choose another --port or --host"):
        find_address(host, free_port())


def test_a_taken_ipv6_port_is_noticed() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnusableAddressError, match=rf"^\[::1\]:{port} cannot be used \(address already in use\)"):
            find_address("::1", port)


def test_a_name_is_served_at_the_address_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose localhost names an IPv6 address that it does not have."""
    found = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert find_address("localhost", 0) == "127.0.0.1"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found[1:])
    assert find_address("localhost", 0) == "localhost"


@pytest.mark.parametrize(
    "environment",
    [
        {"http_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"},
        {"all_proxy": NO_SUCH_KIND, "NO_PROXY": "10.0.0.0/8,::1/128,[::1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1080", "no_proxy": "example.org"},
        {"SSL_CERT_FILE": "/none", "no_proxy": ""},
    ],
)
def test_no_client_made_meanwhile_has_a_proxy(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if "proxy" in name.lower()]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    with without_proxies(os.environ), httpx.Client() as client:
        assert client._mounts == {}
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("host", "address", "environment"),
    [
        ("127.0.0.1", "127.0.0.1", {"http_proxy": "http://127.0.0.1:9", "NO_PROXY": "::1/128"}),
        ("::", "[::1]", {"ALL_PROXY": "socks5://127.0.0.1:1080", "GRADIO_SERVER_NAME": "::1"}),
        ("::1", "[::1]", {"all_proxy": NO_SUCH_KIND, "SSL_CERT_FILE": "/none"}),
    ],
)
def test_the_page_opens_whatever_proxy_is_named(
    host: str, address: str, environment: dict[str, str], checkpoint: Path
) -> None:
    port = free_port()
    arguments = ["--host", host, "--port", str(port), "--checkpoint", str(checkpoint)]
    with running(arguments, **environment) as (process, said):
        assert f"http://{address}:{port}/ " in said, process.stderr and process.stderr.read()
        assert httpx.get(f"http://{address}:{port}/", trust_env=False, timeout=60).status_code == 200


def test_a_proxy_is_asked_for_the_hub_alone(proxy: tuple[str, list[bytes]], tmp_path: Path) -> None:
    address, asked = proxy
    port = free_port()
    environment = {"http_proxy": address, "HF_ENDPOINT": "http://hub.example", "HF_HOME": str(tmp_path)}
    arguments = ["--port", str(port), "--checkpoint", "hf://owner/name"]
    with running(arguments, **environment, HF_HUB_OFFLINE="0") as (process, said):
        assert f"The page is open: http://127.0.0.1:{port}/ " in said
        assert process.wait(120) == 2
    assert {line.split()[1].partition(b"?")[0] for line in asked} == {b"http://hub.example/api/models/owner/name"}


@pytest.mark.parametrize("kind", [NO_SUCH_KIND, "socks5://127.0.0.1:1080"])
def test_a_proxy_that_the_hub_cannot_use_is_one_sentence(kind: str, tmp_path: Path) -> None:
    command = "from captioner.hub import *; fetch_checkpoint(HubAddress('owner', 'name'))"
    environment = {**os.environ, "all_proxy": kind, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", command],
        env=environment,
        cwd=Path(app.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CheckpointError: hf://owner/name was never fetched and the proxy that the environment names" in done.stderr
