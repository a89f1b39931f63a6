"""Load on the service, to be repeated by anyone: `python tests/load/serving.py PHOTOS`; needs Ray, takes some minutes.

On one machine, a thread a core for each replica: how much 2 replicas carry against 1, taking turns on one cluster; what
is lost when one of 2 is killed in the middle, and when the checkpoint is changed in the middle. The last two must be 0.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from captioner.checkpoint import default_checkpoint
from captioner.errors import CaptionerError
from captioner.photo import open_photo
from captioner.search_options import SearchOptions
from captioner.serving.client import Backend, RemoteCaptioner
from captioner.serving.cluster import Cluster, require_ray
from captioner.serving.options import Door, ServingOptions

OPTIONS = SearchOptions(widths=(5,))
WORST = 0.99


@dataclass
class Load:
    """What became of the requests of one load: seconds each took, and what was said of those that failed."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    models: set[str] = field(default_factory=set)

    def record(self, wall: float) -> dict[str, float | int | list[str]]:
        """As plain JSON values."""
        ordered = sorted(self.seconds)
        return {
            "answered": len(ordered),
            "failed": len(self.failures),
            "photos_per_second": round(len(ordered) / wall, 2),
            "median_s": round(statistics.median(ordered), 2),
            "p99_s": round(ordered[int(WORST * (len(ordered) - 1))], 2),
            "models": sorted(self.models),
            "failures": sorted(set(self.failures)),
        }


def put_load(
    remote: RemoteCaptioner, photos: Sequence[Image.Image], clients: int, count: int, halfway: Callable[[], object]
) -> tuple[Load, float]:
    """Ask from so many clients, each as soon as it is answered; do something after a third of `count` requests, and go
    on until that is done and `count` are answered."""
    load, lock, begun = Load(), threading.Lock(), threading.Event()
    places = itertools.count()

    def ask(place: int) -> None:
        started = time.perf_counter()
        try:
            said = remote.describe(photos[place % len(photos)], OPTIONS)
        except CaptionerError as problem:
            with lock:
                load.failures.append(str(problem))
            return
        with lock:
            load.seconds.append(time.perf_counter() - started)
            load.models.add(said.model)

    def keep_asking(other: Future[object]) -> None:
        for place in places:
            if place >= count and other.done():
                return
            if place >= count // 3:
                begun.set()
            ask(place)

    started = time.perf_counter()
    with ThreadPoolExecutor(clients + 1) as pool:
        other = pool.submit(lambda: begun.wait() and halfway())
        for done in [pool.submit(keep_asking, other) for _ in range(clients)]:
            done.result()
        wall = time.perf_counter() - started
        other.result()
    return load, wall


def kill_one() -> None:
    """End the process of a replica, as when it runs out of memory."""
    from ray import serve

    name, process = serve.get_app_handle("saywhere").identity.remote().result()
    sys.stderr.write(f"killing the process {process} of replica {name}\n")
    os.kill(process, signal.SIGKILL)


def renamed(folder: Path) -> str:
    """The shipped checkpoint under another name."""
    from dataclasses import replace

    from captioner.checkpoint import load_checkpoint, save_checkpoint

    shipped = load_checkpoint(default_checkpoint())
    save_checkpoint(replace(shipped, card=replace(shipped.card, name="changed")), folder / "changed.safetensors")
    return str(folder / "changed.safetensors")


def main() -> int:
    """Measure and print; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--requests", type=int, default=60, help="of each load")
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2, help="turns of 1 and 2 replicas; 0: none")
    parser.add_argument("--port", type=int, default=8199)
    asked = parser.parse_args()
    require_ray()
    from captioner.serving.run import deploy, stop

    photos = [open_photo(path) for path in sorted(asked.photos.glob("*.jpg"))[:32]]
    door, backend = Door(port=asked.port), Backend(f"http://127.0.0.1:{asked.port}")
    folder = Path(tempfile.mkdtemp())
    shipped, changed = str(default_checkpoint().resolve()), renamed(folder)
    lost = 0

    def replicas(count: int, checkpoint: str) -> None:
        deploy(ServingOptions(checkpoint, count, count, asked.batch), door)

    def measure(name: str, halfway: Callable[[], object] = lambda: None) -> None:
        nonlocal lost
        load, wall = put_load(remote, photos, asked.clients, asked.requests, halfway)
        lost += len(load.failures)
        sys.stdout.write(json.dumps({"load": name, **load.record(wall)}) + "\n")
        sys.stdout.flush()

    with Cluster(cpus=3).joined():
        replicas(1, shipped)
        remote = RemoteCaptioner(backend)
        put_load(remote, photos, asked.clients, asked.clients, lambda: None)  # what is made on first use
        for _ in range(asked.rounds):
            replicas(1, shipped)
            measure("1 replica")
            replicas(2, shipped)
            measure("2 replicas")
        replicas(2, shipped)
        measure("2 replicas, one killed", kill_one)
        replicas(2, shipped)
        measure("2 replicas, checkpoint changed", lambda: replicas(2, changed))
        measure("after the change")
        stop()
    shutil.rmtree(folder)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
