"""How the captioner is served by a cluster."""

from __future__ import annotations

import math
from dataclasses import dataclass

from captioner.errors import ServingError

WAITING_BATCHES = 3  # a replica has questions for so many batches: one runs, one is ready, one is being opened


@dataclass(frozen=True)
class ServingOptions:
    """A service.

    Attributes:
        checkpoint: a file that every machine of the cluster has, or hf://owner/name[@revision].
        least, most: replicas, 1 or more; between them the number follows the length of the queue.
        batch: photos that a replica runs together at most, 1 or more.
        wait: seconds that a photo waits for others before a batch runs without them, 0 to 1.
        cpus: cores of a replica, above 0; so many threads compute, one at least.
        gpus: share of a GPU that a replica has, 0 to 1; 0 computes on the CPU.
        surge: extra replicas during a change of checkpoint, in percent of all, 0 to 100; 0 stops one before the next
            starts, and needs no room beside it.
        queue: photos that may wait for a replica at every door of the cluster; the next is told to come again.

    Raises:
        ServingError: a value lies outside its range.
    """

    checkpoint: str
    least: int = 1
    most: int = 1
    batch: int = 16
    wait: float = 0.01
    cpus: float = 1.0
    gpus: float = 0.0
    surge: int = 0
    queue: int = 1024

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= 10_000:
            raise ServingError(f"expected replicas such as 2 or 1-4, got {self.least}-{self.most}")
        if not 1 <= self.batch <= 1024 or not 0 <= self.wait <= 1:
            raise ServingError(
                f"expected a batch of 1 to 1024 photos that waits 0 to 1 s, got {self.batch} and {self.wait}"
            )
        if not (math.isfinite(self.cpus) and self.cpus > 0 and 0 <= self.gpus <= 1):
            raise ServingError(f"expected cores above 0 and a share of a GPU of 0 to 1, got {self.cpus}, {self.gpus}")
        if not 0 <= self.surge <= 100 or self.queue < 1:
            raise ServingError(f"expected a surge of 0 to 100 percent and a queue of 1 or more, got {self}")

    @property
    def threads(self) -> int:
        """That compute in a replica."""
        return max(1, int(self.cpus))

    @property
    def device(self) -> str:
        """Where a replica computes: a share of a GPU that is not there is an error, not a slow service."""
        return "cuda" if self.gpus else "cpu"

    @property
    def ongoing(self) -> int:
        """Questions a replica has at a time."""
        return WAITING_BATCHES * self.batch


@dataclass(frozen=True)
class Door:
    """Where a service listens: host and port (1 to 65535) of the HTTP proxy that every machine has.

    Raises:
        ServingError: the port is none.
    """

    host: str = "127.0.0.1"
    port: int = 8000

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ServingError(f"expected a port from 1 to 65535, got {self.port}")


def read_replicas(text: str) -> tuple[int, int]:
    """ "2" or "1-4" as the least and the most.

    Raises:
        ServingError: it is something else.
    """
    least, dash, most = text.partition("-")
    numbers = (least, most if dash else least)
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise ServingError(f"expected replicas such as 2 or 1-4, got {text!r}")
    return int(numbers[0]), int(numbers[1])
