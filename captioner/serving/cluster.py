"""The cluster that captions: started here for as long as it is needed, or one that runs already."""

from __future__ import annotations

import logging
import math
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

from captioner.errors import ServingError

# Before Ray is imported, here and in what it starts: above all, nothing is reported to anybody.
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
ATTEMPTS = 3  # to start a cluster; a busy machine is too slow for the first
CHATTY = ("ray", "ray.data", "ray.serve")  # loggers whose warnings are for those who write Ray programs


@dataclass(frozen=True)
class Cluster:
    """Which one.

    Attributes:
        address: of a cluster that runs, "auto" for the one of this machine; None starts one here, for this machine
            alone.
        cpus: cores that the one started here hands out, those of the machine at least: a share of work, not a limit.
        gpus: likewise GPUs; None: those there are.
    """

    address: str | None = None
    cpus: float = 1.0
    gpus: int | None = None

    @contextmanager
    def joined(self) -> Iterator[None]:
        """While in it, Ray can be used; one that was started here ends with it.

        Raises:
            ServingError: Ray is not installed, or there is no such cluster.
        """
        require_ray()
        if self.address is None:  # its ports listen on every interface: who does not know the secret gets no answer
            os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
        import ray

        for attempt in range(ATTEMPTS):
            try:
                self._start()
                break
            except ConnectionError as problem:
                raise ServingError(
                    f"there is no cluster at {self.address}: start one with ray start --head, or leave the address out"
                ) from problem
            except Exception as problem:  # Ray has no kind of its own for a node that is not there within 30 s
                ray.shutdown()
                if attempt == ATTEMPTS - 1:
                    raise ServingError(f"the cluster did not start, see /tmp/ray for why: {problem}") from problem
        try:
            yield
        finally:
            ray.shutdown()

    def _start(self) -> None:
        import ray

        quiet = {"log_to_driver": False, "logging_level": "error"}
        if self.address is not None:
            ray.init(self.address, **quiet)
        else:
            here = max(os.cpu_count() or 1, math.ceil(self.cpus))
            ray.init("local", num_cpus=here, num_gpus=self.gpus, include_dashboard=False, **quiet)


def require_ray() -> None:
    """Make sure that Ray is there, and that it reports nothing.

    Raises:
        ServingError: it is not installed.
    """
    if find_spec("ray") is None:
        raise ServingError(
            "serving needs the package ray: install it with pip install -r captioner/serving/requirements.txt"
        )
    os.environ.update(SETTINGS)


def hush() -> None:
    """Let Ray's loggers tell errors only; called after the import of what sets them up."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
