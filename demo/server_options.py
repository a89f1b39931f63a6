"""What the server is asked on the command line and by the environment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from captioner.hub import Source, source_argument
from demo.guard import GuardOptions
from demo.guard.arguments import add_arguments, read_arguments
from demo.own_address import read_host

EPILOG = """\
Every option may also come from the environment: SAYWHERE_HOST, SAYWHERE_PORT, SAYWHERE_CHECKPOINT,
SAYWHERE_DEVICE, SAYWHERE_BACKEND, SAYWHERE_VISITORS, SAYWHERE_PROXIES, SAYWHERE_ORIGINS, SAYWHERE_ROOT_PATH; the
command line wins. Where neither says, a Hugging Face Space is served on all addresses, and GRADIO_SERVER_NAME,
GRADIO_SERVER_PORT and GRADIO_ROOT_PATH hold.

examples:
  python app.py                                the page on http://127.0.0.1:7860, this computer only
  python app.py --host 0.0.0.0 --port 8000     for everyone on the network
  python app.py --checkpoint my.safetensors    a model of your own (python -m captioner train --help)
  python app.py --checkpoint hf://owner/name   a model on the Hugging Face Hub, fetched once
  python app.py --proxies 1                    behind one proxy of yours, such as nginx with https
  python app.py --proxies 1 --root-path /saywhere  the same, at https://school.example/saywhere/
  python app.py --backend http://10.0.0.5:8000  captions from another machine (python -m captioner serve --help)
  SAYWHERE_PORT=8000 python app.py             the same as --port 8000

http://HOST:PORT/health answers 200 while photos are captioned, else 503 and what is wrong.
"""


@dataclass(frozen=True)
class ServerOptions:
    """What to serve and where."""

    host: str
    port: int
    checkpoint: Source | None  # a file or an address on the Hub; None: the one that comes with SayWhere
    device: str
    lent: bool = False  # the GPU is ZeroGPU's (`demo.zero_gpu`)
    guard: GuardOptions = field(default_factory=GuardOptions)
    backend: str | None = None  # the address of a service that captions in the place of a model here


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

    host = environment.get("GRADIO_SERVER_NAME") or ("0.0.0.0" if environment.get("SPACE_ID") else "127.0.0.1")  # noqa: S104 (a Space is for everyone)
    port = environment.get("GRADIO_SERVER_PORT") or "7860"
    parser.add_argument(
        "--host",
        type=_host,
        default=default("HOST", host),
        help="address to listen on; 0.0.0.0 for all, :: for all of IPv6 (default: 127.0.0.1)",
    )
    parser.add_argument("--port", type=_port, default=default("PORT", port), help="1 to 65535 (default: 7860)")
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
    root_path = environment.get("GRADIO_ROOT_PATH") or ""
    add_arguments(parser, default, on_spaces=bool(environment.get("SPACE_ID")), root_path=root_path)
    found = parser.parse_args(arguments)
    if found.backend and found.checkpoint:
        parser.error("expected --checkpoint or --backend, got both: the service has its own checkpoint")
    lent = found.device == "auto" and environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
    return ServerOptions(
        found.host,
        found.port,
        found.checkpoint,
        found.device,
        lent and not found.backend,
        read_arguments(found),
        found.backend,
    )


def _host(value: str) -> str:
    try:
        return read_host(value)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {value!r}")
    return int(value)
