"""The guard's options on the command line and in the environment."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from demo.guard.guard import GuardOptions
from demo.guard.origins import read_origin
from demo.guard.root_path import read_root_path


def add_arguments(
    parser: argparse.ArgumentParser, default: Callable[[str, str], str], *, on_spaces: bool, root_path: str
) -> None:
    """Add --visitors, --proxies, --origins and --root-path.

    Args:
        parser: of the whole command line.
        default: (name in the environment, otherwise) -> value.
        root_path: Gradio's own setting.
        on_spaces: whether the page runs on Hugging Face Spaces, behind their proxy.
    """
    parser.add_argument(
        "--visitors",
        type=_count,
        default=default("VISITORS", "30"),
        help="visitors who may share one network address, as a class does; who asks more often than so many people "
        "would is told to wait; 0: nobody is (default: 30)",
    )
    parser.add_argument(
        "--proxies",
        type=_count,
        default=default("PROXIES", "1" if on_spaces else "0"),
        help="proxies of yours in front of the page, whose X-Forwarded headers are believed (default: 0; 1 on Spaces)",
    )
    parser.add_argument(
        "--origins",
        type=_origins,
        default=default("ORIGINS", ""),
        help="other sites that may ask this page, by commas, such as https://school.example (default: none)",
    )
    parser.add_argument(
        "--root-path",
        type=_root_path,
        default=default("ROOT_PATH", root_path),
        metavar="PATH",
        help="where a proxy shows the page, /saywhere for https://school.example/saywhere/ (default: at its root)",
    )


def read_arguments(found: argparse.Namespace) -> GuardOptions:
    """The options out of a parsed command line."""
    return GuardOptions(found.visitors, found.proxies, found.origins, root_path=found.root_path)


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 6:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {value!r}")
    return int(value)


def _root_path(value: str) -> str:
    try:
        return read_root_path(value)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem


def _origins(value: str) -> tuple[str, ...]:
    try:
        return tuple(read_origin(origin.strip()) for origin in value.split(",") if origin.strip())
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
