"""Serve SayWhere: `python app.py`, then open the address it prints."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
from collections.abc import MutableMapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from captioner.console import settle_streams
from captioner.hub import HubAddress, locate
from demo.ending import end_page, ended_by_signals
from demo.own_address import UnusableAddressError, find_address, without_proxies
from demo.process_memory import settle_memory, spare_memory, uncollected
from demo.server_options import ServerOptions, read_options
from demo.upload_folder import make_folder

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def close_doors(options: ServerOptions, environment: MutableMapping[str, str]) -> Path | None:
    """Before gradio is imported: nothing is reported, and nothing fetched but a checkpoint the operator named.

    Uploaded photos go to a new folder that only this user may read, and that is deleted in the end, or, where this
    process is killed, by the next; Gradio's own is one for all programs and users of a machine.

    Returns:
        That folder; None where the operator chose another.
    """
    folder = None
    if not environment.get("GRADIO_TEMP_DIR"):
        folder = Path(make_folder())
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        environment["GRADIO_TEMP_DIR"] = str(folder)
    environment.pop("GRADIO_SERVER_NAME", None)  # read by then; Gradio tries every port there, even of another kind
    environment.setdefault("MPLBACKEND", "agg")  # else Gradio looks for a screen while the first visitor waits
    environment["GRADIO_ANALYTICS_ENABLED"] = "False"
    environment["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if not isinstance(options.checkpoint, HubAddress):
        environment["HF_HUB_OFFLINE"] = "1"
    return folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the model and serve the page until stopped.

    Returns:
        0 when it ended well, 2 when it could not start.

    Raises:
        SystemExit: with 0, after a signal that asks for the end.
    """
    settle_streams()
    options = read_options(sys.argv[1:] if arguments is None else arguments, os.environ)
    folder = close_doors(options, os.environ)
    with ended_by_signals(folder):
        return _serve(options)


def _serve(options: ServerOptions) -> int:
    try:
        host = find_address(options.host, options.port)  # before torch is imported: the answer comes at once
    except UnusableAddressError as problem:
        return _stop(str(problem))
    spare_memory()
    with uncollected():
        with without_proxies(os.environ):
            from demo.page import build_page

        # The page opens on a recorded example while torch and the model load. ZeroGPU takes only what is there before.
        loaded: Future[Captioner] = Future()
        unusable = _load(options, loaded) if options.lent else ""
        if unusable:
            return _stop(unusable)
        page = build_page(loaded.result)
    try:
        return _open(page, host, options, loaded)
    finally:
        end_page(page)


def _open(page: Any, host: str, options: ServerOptions, loaded: Future[Captioner]) -> int:
    """Serve a page until it is stopped, with a model that may have to be loaded yet."""
    from demo.page import launch_page

    with uncollected():
        try:
            address = launch_page(page, host, options.port, options.guard)
        except OSError:
            return _stop(f"{options.host}:{options.port} was taken meanwhile: choose another --port.")
        if not options.lent:
            sys.stdout.write(f"The page is open: {address} (the model is still loading)\n")
            sys.stdout.flush()
            unusable = _load(options, loaded)
            if unusable:
                return _stop(unusable)
    sys.stdout.write(f"SayWhere is ready: {address} (stop it with Ctrl+C)\n")
    sys.stdout.flush()
    health = loaded.result().self_test  # after the first photos may come: nobody waits for it
    if not health.healthy:
        sys.stderr.write(f"Attention health: poor. {health.reason}\n")
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
    settle_memory()
    loaded.set_result(captioner)
    return ""


def _find_captioner(options: ServerOptions) -> Captioner:
    """A model of this process, one on a lent GPU, or one that is asked over HTTP.

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
    path = locate(options.checkpoint or default_checkpoint())
    if options.lent:
        from demo.zero_gpu import LentCaptioner

        return LentCaptioner.borrow(path)
    return Captioner.load(path, options.device)


def _stop(sentence: str) -> int:
    sys.stderr.write(f"app.py: {sentence}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
