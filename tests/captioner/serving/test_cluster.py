"""The service and the collections on a real cluster of this machine, with a model of random weights.

They take minutes on a busy machine, so they are run when asked for, where Ray is installed:

    SAYWHERE_RAY_TESTS=1 pytest -n 0 -p no:unraisableexception tests/captioner/serving/test_cluster.py
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from builders import photo, photo_bytes, tiny_captioner, tiny_checkpoint
from captioner.checkpoint import save_checkpoint
from captioner.collection.options import CollectionOptions
from captioner.errors import CheckpointError, RecordError
from captioner.search_options import SearchOptions
from captioner.serving.client import Backend, Patience, RemoteCaptioner
from captioner.serving.cluster import Cluster, require_ray
from captioner.serving.options import Door, ServingOptions

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None,
        reason="no Ray: pip install -r captioner/serving/requirements.txt",
    ),
    pytest.mark.skipif(
        not os.environ.get("SAYWHERE_RAY_TESTS"),
        reason="a real cluster takes minutes: SAYWHERE_RAY_TESTS=1 pytest -n 0 -p no:unraisableexception "
        "tests/captioner/serving/test_cluster.py",
    ),
    pytest.mark.filterwarnings("default"),  # Ray's own are not ours to mend
]
WIDTHS = SearchOptions(widths=(2,))
PATIENT = Patience(attempts=30, first=0.1, longest=1.0)


def saved(folder: Path, name: str) -> str:
    checkpoint = tiny_checkpoint()
    save_checkpoint(replace(checkpoint, card=replace(checkpoint.card, name=name)), folder / f"{name}.safetensors")
    return str(folder / f"{name}.safetensors")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(tmp_path_factory.mktemp("model"), "tiny")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with Cluster(cpus=4).joined():
        yield


@pytest.fixture(scope="module")
def door(cluster: None, checkpoint: str) -> Iterator[Door]:
    from captioner.serving.run import deploy, stop

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found = Door(port=int(probe.getsockname()[1]))
    deploy(ServingOptions(checkpoint, 2, 2, batch=4), found)
    yield found
    stop()


def url(door: Door) -> str:
    return f"http://{door.host}:{door.port}"


def refused(address: str, body: bytes | None = None) -> tuple[int, bytes]:
    with pytest.raises(urllib.error.HTTPError) as problem:
        urllib.request.urlopen(address, body, timeout=60)
    with problem.value as answer:
        return answer.code, answer.read()


def test_a_photo_comes_back_described(door: Door) -> None:
    remote = RemoteCaptioner(Backend(url(door)), PATIENT)
    ours, theirs = tiny_captioner().describe(photo(), WIDTHS), remote.describe(photo(), WIDTHS)
    assert [caption.words for caption in theirs.captions] == [caption.words for caption in ours.captions]


def test_what_cannot_be_done_is_a_sentence_and_a_status(door: Door) -> None:
    status, said = refused(f"{url(door)}/describe", b"no photo")
    assert (status, b"cannot be recognised" in said) == (422, True)
    status, said = refused(f"{url(door)}/describe?begin=%5B%22zebra%22%5D", photo_bytes())
    assert (status, b"zebra" in said) == (400, True)
    assert refused(f"{url(door)}/secret")[0] == 404
    assert refused(f"{url(door)}/describe")[0] == 404  # GET
    with urllib.request.urlopen(f"{url(door)}/health", timeout=60) as answer:
        assert answer.status == 200


def test_requests_at_the_same_time_run_as_one_batch(door: Door) -> None:
    from ray import serve

    remote = RemoteCaptioner(Backend(url(door)), PATIENT)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda seed: remote.describe(photo(seed=seed), WIDTHS), range(32)))
    handle = serve.get_app_handle("saywhere")
    assert max(handle.largest_batch.remote().result() for _ in range(8)) > 1


def test_a_replica_that_is_killed_and_a_checkpoint_that_is_changed_lose_no_request(door: Door, tmp_path: Path) -> None:
    from ray import serve

    from captioner.serving.run import deploy

    remote = RemoteCaptioner(Backend(url(door)), PATIENT)
    models: list[str] = []
    over = threading.Event()

    def keep_asking(seed: int) -> None:
        while not over.is_set():
            models.append(remote.describe(photo(seed=seed), WIDTHS).model)

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(keep_asking, seed) for seed in range(4)]
        try:
            _, process = serve.get_app_handle("saywhere").identity.remote().result()
            os.kill(process, signal.SIGKILL)
            deploy(ServingOptions(saved(tmp_path, "next"), 2, 2, batch=4), door)
        finally:
            over.set()
        for done in asking:
            done.result(timeout=120)
    assert set(models) == {"tiny", "next"}
    assert remote.describe(photo(), WIDTHS).model == "next"


def test_a_collection_becomes_parquet(cluster: None, checkpoint: str, tmp_path: Path) -> None:
    import pyarrow.parquet

    from captioner.serving import dataset

    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(5):
        photo(seed=seed).save(photos / f"{seed}.png")
    (photos / "broken.jpg").write_bytes(b"no photo")
    out = tmp_path / "out"
    serving = ServingOptions(checkpoint, batch=2)
    options = CollectionOptions(WIDTHS, 2, maps=True)
    opened = dataset.opened_photos([photos], tiny_checkpoint().photo_settings, options)
    dataset.write_captions(opened, str(out), options, serving)
    tally = dataset.count_rows(str(out))
    assert (tally.captioned, tally.refused) == (5, 1)
    rows = {Path(row["photo"]).name: row for row in pyarrow.parquet.read_table(out).to_pylist()}
    assert "cannot be recognised" in rows.pop("broken.jpg")["error"]
    alone = tiny_captioner()
    for seed in range(5):
        row = rows[f"{seed}.png"]
        best = alone.describe(photo(seed=seed), WIDTHS).at_width(2)[0]
        assert (row["caption"], row["error"], row["model"]) == (best.text, None, "tiny")
        assert len(row["attention"]) == len(best.words)
    with pytest.raises(RecordError, match="is not empty"):
        dataset.check_empty(str(out))


def test_a_checkpoint_that_cannot_be_used_is_refused_before_a_cluster_is_asked(tmp_path: Path) -> None:
    from captioner.serving.run import check_checkpoint

    (tmp_path / "bad.safetensors").write_bytes(b"hello")
    with pytest.raises(CheckpointError):
        check_checkpoint(ServingOptions(str(tmp_path / "bad.safetensors")), lambda _: None)


def test_nothing_is_reported() -> None:
    code = "from captioner.serving.cluster import require_ray; require_ray()\n"
    code += "from ray._private.usage.usage_lib import usage_stats_enabled; print(usage_stats_enabled())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
    require_ray()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
