"""Serve SayWhere: `python app.py`, then open the address it prints."""

from __future__ import annotations

import argparse
import atexit
import ctypes
import gc
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, cast

from captioner.hub import HubAddress, Source, locate, source_argument

if TYPE_CHECKING:
    from captioner.captioner import Captioner

REMOTE_PHOTOS = 16  # that the page has captioned by another machine at the same time; here it is one
MALLOPT_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h

EPILOG = """\
Every option may also come from the environment: SAYWHERE_HOST, SAYWHERE_PORT, SAYWHERE_CHECKPOINT,
SAYWHERE_DEVICE, SAYWHERE_BACKEND; the command line wins.

examples:
  python app.py                                the page on http://127.0.0.1:7860, this computer only
  python app.py --host 0.0.0.0 --port 8000     for everyone on the network
  python app.py --checkpoint my.safetensors    a model of your own (python -m captioner train --help)
  python app.py --checkpoint hf://owner/name   a model on the Hugging Face Hub, fetched once
  python app.py --backend http://10.0.0.5:8000  captions from another machine (python -m captioner serve --help)
  SAYWHERE_PORT=8000 python app.py             the same as --port 8000
"""


@dataclass(frozen=True)
class ServerOptions:
    """What to serve and where."""

    host: str
    port: int
    checkpoint: Source | None  # a file or an address on the Hub; None: the one that comes with SayWhere
    device: str
    backend: str | None = None  # the address of a service that captions in the place of a model here


class UnusableAddressError(ValueError):
    """The page cannot be served at this host and port."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage lines."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (--help shows what is possible)\n")


def read_options(arguments: Sequence[str], environment: Mapping[str, str]) -> ServerOptions:
    """Options from the command line, then the environment, then the defaults; exits with code 2 when wrong."""
    parser = _Parser(
        prog="app.py",
        description="Serve SayWhere, a page that captions photos and shows where it looked for every word.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def default(name: str, otherwise: str) -> str:
        return environment.get(f"SAYWHERE_{name}") or otherwise

    parser.add_argument(
        "--host",
        default=default("HOST", "127.0.0.1"),
        help="address to listen on; 0.0.0.0 for all (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=_port, default=default("PORT", "7860"), help="1 to 65535 (default: 7860)")
    parser.add_argument(
        "--checkpoint",
        type=source_argument,
        default=default("CHECKPOINT", "") or None,
        help="model, a file or hf://owner/name[@revision] (default: assets/saywhere.safetensors)",
    )
    parser.add_argument("--device", default=default("DEVICE", "auto"), help="auto (default), cpu, cuda, ...")
    parser.add_argument(
        "--backend",
        default=default("BACKEND", "") or None,
        metavar="URL",
        help="a service that captions (python -m captioner serve), in the place of a model here",
    )
    found = parser.parse_args(arguments)
    if found.backend and found.checkpoint:
        parser.error("expected --checkpoint or --backend, got both: the service has its own checkpoint")
    return ServerOptions(found.host, found.port, found.checkpoint, found.device, found.backend)


def close_doors(options: ServerOptions, environment: MutableMapping[str, str]) -> None:
    """Before gradio is imported: nothing is reported, and nothing fetched but a checkpoint the operator named."""
    environment["GRADIO_ANALYTICS_ENABLED"] = "False"
    environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if not isinstance(options.checkpoint, HubAddress):
        environment["HF_HUB_OFFLINE"] = "1"


def check_address(host: str, port: int) -> None:
    """Find out before the model is loaded whether the page can be served there.

    Raises:
        UnusableAddressError: the port is taken or not allowed, or the host is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as problem:
        reason = problem.strerror or "not usable"
        raise UnusableAddressError(
            f"{host}:{port} cannot be used ({reason.lower()}): choose another --port or --host."
        ) from problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the model, serve the page until stopped; 0 when it ended well, 2 when it could not start."""
    options = read_options(sys.argv[1:] if arguments is None else arguments, os.environ)
    close_doors(options, os.environ)
    try:
        check_address(options.host, options.port)  # before torch is imported: the answer comes at once
    except UnusableAddressError as problem:
        return _stop(str(problem))
    _spare_memory()
    with _uncollected():
        from demo.page import build_page, launch_page

        # The page opens on a recorded example while torch and the model load.
        loaded: Future[Captioner] = Future()
        page = build_page(loaded.result, at_once=REMOTE_PHOTOS if options.backend else 1)
        try:
            address = launch_page(page, options.host, options.port)
        except OSError:
            return _stop(f"{options.host}:{options.port} was taken meanwhile: choose another --port.")
        sys.stdout.write(f"The page is open: {address} (the model is still loading)\n")
        sys.stdout.flush()
        unusable = _load(options, loaded)
    if unusable:
        page.close(verbose=False)
        return _stop(unusable)
    sys.stdout.write(f"SayWhere is ready: {address} (stop it with Ctrl+C)\n")
    sys.stdout.flush()
    page.block_thread()
    return 0


def _load(options: ServerOptions, loaded: Future[Captioner]) -> str:
    """Load the model for those who wait for it; a sentence when it cannot be loaded, else nothing."""
    from captioner.errors import CaptionerError
    from demo.callbacks import warm_up

    try:
        captioner = _find_captioner(options)
    except CaptionerError as problem:
        loaded.set_exception(problem)
        return str(problem)
    warm_up(captioner)
    if not captioner.self_test.healthy:
        sys.stderr.write(f"Attention health: poor. {captioner.self_test.reason}\n")
    _settle_memory()
    loaded.set_result(captioner)
    return ""


def _find_captioner(options: ServerOptions) -> Captioner:
    """A model of this process, or one that is asked over HTTP.

    Raises:
        CaptionerError: it cannot be loaded, or nobody answers there.
    """
    if options.backend is not None:
        from captioner.serving.client import Backend, RemoteCaptioner

        return cast("Captioner", RemoteCaptioner(Backend(options.backend)))  # what it cannot do, it says in a sentence
    from captioner.captioner import Captioner
    from captioner.checkpoint import default_checkpoint

    if isinstance(options.checkpoint, HubAddress):
        sys.stdout.write(f"Fetching {options.checkpoint} from the Hugging Face Hub ...\n")
        sys.stdout.flush()
    return Captioner.load(locate(options.checkpoint or default_checkpoint()), options.device)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collections: they take a fifth of the time of importing PyTorch, which leaves hardly any garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _spare_memory() -> None:
    """Let all threads share one pool of memory: each photo is captioned in another thread, and in a pool of its own for
    each of them what the last one needed lies idle. Threads seldom meet there, Python runs one at a time."""
    choose = _of_glibc("mallopt")
    if choose is not None:
        choose(MALLOPT_ARENA_MAX, 1)


def _settle_memory() -> None:
    """Give back what only loading needed, and spare what stays from garbage collections: looking through it takes a
    third of a second, in the middle of somebody's caption."""
    gc.collect()
    gc.freeze()
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)
    atexit.register(gc.unfreeze)  # what lives to the end is cleared up as ever


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where another library takes its place."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {value!r}")
    return int(value)


def _stop(sentence: str) -> int:
    sys.stderr.write(f"app.py: {sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
