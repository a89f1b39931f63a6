"""A service from its start to its end: deployed, changed while it runs, stopped without losing anything."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from captioner.errors import ServingError
from captioner.serving.cluster import Cluster, hush, require_ray
from captioner.serving.options import Door, ServingOptions

TIMEOUT = 300.0  # seconds of a request, its time in queues counted


def serve_captioner(options: ServingOptions, door: Door, cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Deploy the captioner.

    On a cluster that was joined, the service goes on when this returns, and one that runs there is changed in place:
    replicas with the old options answer what they were asked, then make room. A cluster started here is served from
    until SIGINT or SIGTERM, then drained.

    Args:
        tell: gets one sentence for people whenever there is something to say.

    Raises:
        ServingError: Ray is missing, there is no such cluster, or no replica could be started.
        CheckpointError: the checkpoint cannot be used; what is running goes on untouched.
    """
    require_ray()
    check_checkpoint(options, tell)
    with cluster.joined():
        deploy(options, door)
        tell(f"SayWhere serves {options.checkpoint}: http://{door.host}:{door.port}")
        if cluster.address is None:
            with _until_stopped() as stopped:
                stopped.wait()
            tell("Stopping: photos that were sent are still captioned.")
            stop()


def deploy(options: ServingOptions, door: Door) -> None:
    """Start the service in the cluster that was joined, or change the one that runs there; returns when it is ready.

    Raises:
        ServingError: no replica could be started.
    """
    from ray import serve
    from ray.serve.schema import LoggingConfig

    from captioner.serving.deployment import NAME, application

    hush()
    quiet = LoggingConfig(log_level="WARNING", enable_access_log=False)
    serve.start(
        proxy_location="EveryNode",
        http_options={"host": door.host, "port": door.port, "request_timeout_s": TIMEOUT},
        logging_config=quiet,
    )
    try:
        serve.run(application(options), name=NAME, route_prefix="/", logging_config=quiet)
    except RuntimeError as problem:
        raise ServingError(
            "no replica could be started: look at the logs of Ray (/tmp/ray/session_latest/logs/serve), "
            "and whether every machine has the checkpoint"
        ) from problem


def stop() -> None:
    """End the service; replicas answer what they have been asked first."""
    from ray import serve

    serve.shutdown()


def check_checkpoint(options: ServingOptions, tell: Callable[[str], None]) -> None:
    """Load the model once before a cluster is asked to, and say so when its self test is poor.

    Raises:
        CheckpointError: it cannot be loaded.
    """
    from captioner.captioner import Captioner
    from captioner.hub import locate, read_source

    test = Captioner.load(locate(read_source(options.checkpoint)), "cpu").self_test
    if not test.healthy:
        tell(f"Attention health: poor. {test.reason}")


@contextmanager
def _until_stopped() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set."""
    stopped = threading.Event()
    before = {number: signal.signal(number, lambda *_: stopped.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
