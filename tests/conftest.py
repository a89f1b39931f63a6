"""Each worker of the suite has one core to itself."""

from __future__ import annotations

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """One thread for each worker, and for the processes it starts: threads that share a core wait for each other, which
    takes several times as long as their work."""
    del config
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported
