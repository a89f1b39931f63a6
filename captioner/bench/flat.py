"""Whether a photo costs the same, in time and memory, however many there are: runs in processes of their own.

So that 10,000 photos end within minutes, the model is a small random one on 64 x 64 pixels, and 64 photos lie under
many names. What the collection itself does is the same for any model.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from captioner.bench.memory import STATUS, peak_memory
from captioner.errors import DataError

COUNTS = (100, 1_000, 10_000, 1_000, 100)  # the smaller ones again afterwards: a machine may grow faster or slower
DISTINCT = 64
WARM = 128  # photos before anything is measured
SIDE = 64  # of the pixels the small model sees
WORDS = 10


@dataclass(frozen=True)
class FlatRun:
    """One run.

    Attributes:
        photos: captioned, 1 or more.
        seconds: above 0.
        growth: bytes that the process's highest memory rose meanwhile.
    """

    photos: int
    seconds: float
    growth: int

    def __post_init__(self) -> None:
        if self.photos < 1 or self.seconds <= 0 or self.growth < 0:
            raise DataError(f"expected photos, a time and no negative growth, got {self}")


@dataclass(frozen=True)
class Flat:
    """All runs, in the order in which they were made."""

    runs: tuple[FlatRun, ...]

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values; seconds and bytes."""
        return [
            {"photos": run.photos, "seconds": run.seconds, "per_photo": run.seconds / run.photos, "growth": run.growth}
            for run in self.runs
        ]

    def lines(self) -> list[str]:
        """To be read."""
        return [
            f"{f'collection of {run.photos:,} photos, small random model':55s} "
            f"{1e3 * run.seconds / run.photos:8.2f} ms a photo, memory {run.growth / 1e6:+.0f} MB"
            for run in self.runs
        ]


def flat_cost(counts: tuple[int, ...] = COUNTS) -> Flat:
    """Caption so many generated photos, one run after the other.

    Raises:
        DataError: this is no Linux, or a run failed.
    """
    if not STATUS.exists():
        raise DataError("the memory of a process can be measured on Linux only: choose --entries speed")
    return Flat(tuple(_run(count) for count in counts))


def _run(count: int) -> FlatRun:
    command = [sys.executable, "-m", "captioner.bench.flat", str(count)]
    run = subprocess.run(  # noqa: S603 (this module)
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    if run.returncode:
        raise DataError(f"expected a collection to be captioned, got: {run.stderr.strip()[-300:]}")
    return FlatRun(count, *json.loads(run.stdout))


def measure(count: int) -> tuple[float, int]:
    """Caption `count` photos in this process; the seconds it took and how its highest memory rose, in bytes."""
    from captioner.bench.collection import make_photos
    from captioner.bench.growth import GrowthSizes, endless_captioner
    from captioner.collection.options import CollectionOptions
    from captioner.collection.run import caption_collection
    from captioner.photo import PhotoSettings
    from captioner.search_options import SearchOptions

    captioner = endless_captioner(1_000, GrowthSizes(decoder=64), torch.device("cpu"))
    captioner.photo_settings = PhotoSettings(size=SIDE, detail=None)
    options = CollectionOptions(SearchOptions((2,), max_steps=WORDS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = many_names(make_photos(folder, DISTINCT), folder / "names", max(count, WARM))
        caption_collection(captioner, photos[:WARM], folder / "warm.jsonl", options)
        before, started = peak_memory(), time.perf_counter()
        caption_collection(captioner, photos[:count], folder / "out.jsonl", options)
        seconds = time.perf_counter() - started
        return seconds, peak_memory() - before


def many_names(photos: list[Path], folder: Path, count: int) -> list[Path]:
    """`count` names in a new folder for a few photos, which lie on the disk once."""
    folder.mkdir()
    names = [folder / f"{number:06d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        name.hardlink_to(photos[number % len(photos)])
    return names


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
