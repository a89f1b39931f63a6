"""The output of a command: what its encoding lacks, and a reader who has gone away."""

from __future__ import annotations

import io
import os
import sys


def settle_streams() -> None:
    r"""Let standard output and errors take any text: what their encoding lacks is written as \uNNNN."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # else there is none, or a test's
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Send what is still unwritten nowhere; else Python complains of it when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            os.dup2(nowhere, stream.fileno())
