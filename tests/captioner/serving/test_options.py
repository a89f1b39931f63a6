from __future__ import annotations

from typing import Any

import pytest

from captioner.errors import ServingError
from captioner.serving.options import Door, ServingOptions, read_replicas


@pytest.mark.parametrize(("text", "found"), [("1", (1, 1)), ("12", (12, 12)), ("1-4", (1, 4))])
def test_replicas_as_people_write_them(text: str, found: tuple[int, int]) -> None:
    assert read_replicas(text) == found


@pytest.mark.parametrize("text", ["", "-", "1-", "-4", "a", "1-4-8", "1.5", "²"])
def test_replicas_that_are_none(text: str) -> None:
    with pytest.raises(ServingError, match="expected replicas such as 2 or 1-4"):
        read_replicas(text)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"least": 0}, "got 0-1"),
        ({"least": 3, "most": 2}, "got 3-2"),
        ({"batch": 0}, "batch of 1"),
        ({"batch": 4096}, "batch of 1"),
        ({"wait": 2.0}, "0 to 1 s"),
        ({"cpus": 0.0}, "cores above 0"),
        ({"cpus": float("nan")}, "cores above 0"),
        ({"gpus": 1.5}, "share of a GPU"),
        ({"surge": 101}, "surge of 0 to 100"),
        ({"queue": 0}, "queue of 1"),
    ],
)
def test_a_service_that_cannot_be(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ServingError, match=said):
        ServingOptions("a.safetensors", **change)


def test_a_share_of_a_gpu_never_falls_back_to_the_cpu() -> None:
    assert ServingOptions("a", gpus=0.25).device == "cuda"
    assert ServingOptions("a").device == "cpu"
    assert [ServingOptions("a", cpus=cpus).threads for cpus in (0.5, 1.0, 3.7)] == [1, 1, 3]


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(ServingError, match="expected a port from 1 to 65535"):
        Door(port=port)
