"""What one photo costs a replica, stage by stage: `python tests/load/stages.py PHOTOS`.

Processor milliseconds of one thread (not seconds on the wall, which other work on the machine would change), medians
over rounds of one batch. "rest of the search" is what stays on the processor when a GPU does the steps.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.description import Description
from captioner.photo import open_photo, prepare_photo
from captioner.search_options import SearchOptions

Given = TypeVar("Given")
Result = TypeVar("Result")
SEARCHES = {"width 5": SearchOptions(widths=(5,)), "widths 1 to 10": SearchOptions()}


class Stages:
    """Milliseconds by the name of a stage, one entry per round."""

    def __init__(self, photos: int) -> None:
        self.spent: dict[str, list[float]] = {}
        self._photos = photos

    def time(self, name: str, work: Callable[[Given], Result], given: Given) -> Result:
        started = time.thread_time()
        result = work(given)
        self.add(name, time.thread_time() - started)
        return result

    def add(self, name: str, seconds: float) -> None:
        self.spent.setdefault(name, []).append(1000 * seconds / self._photos)

    def medians(self) -> dict[str, float]:
        return {name: round(statistics.median(times), 2) for name, times in self.spent.items()}


def count_rows(captioner: Captioner, spent: dict[str, float]) -> Any:
    """The step of a captioner, counting its rows and the time it takes."""
    step = captioner.decoder.step

    def counted(token_ids: torch.Tensor, *rest: Any) -> Any:
        started = time.thread_time()
        result = step(token_ids, *rest)
        spent["seconds"] += time.thread_time() - started
        spent["rows"] += token_ids.numel()
        spent["steps"] += 1
        return result

    return counted


def write_records(told: tuple[Description, ...]) -> list[bytes]:
    """As a replica sends them."""
    return [json.dumps(one.to_record(), ensure_ascii=False).encode() for one in told]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    captioner = Captioner.load(default_checkpoint(), "cpu")
    files = [path.read_bytes() for path in sorted(asked.photos.glob("*.jpg")) if path.stat().st_size > 1000]
    files, settings = files[: asked.batch], captioner.photo_settings
    stages, spent = Stages(len(files)), {"seconds": 0.0, "rows": 0.0, "steps": 0.0}
    captioner.decoder.step = count_rows(captioner, spent)  # type: ignore[method-assign]
    sizes: dict[str, float] = {"photo": statistics.mean(map(len, files))}
    counted: dict[str, dict[str, float]] = {}
    for _ in range(asked.rounds):
        photos = stages.time("open", lambda given: [open_photo(file) for file in given], files)
        pixels = stages.time("prepare", lambda given: [prepare_photo(photo, settings) for photo in given], photos)
        grid = stages.time("encode", lambda given: captioner.encode_pixels(torch.stack(given)), pixels)
        for name, options in SEARCHES.items():
            spent.update(seconds=0.0, rows=0.0, steps=0.0)
            started = time.thread_time()
            told = captioner.search(grid, options)
            whole = time.thread_time() - started
            stages.add(f"{name}: decoder steps", spent["seconds"])
            stages.add(f"{name}: rest of the search", whole - spent["seconds"])
            records = stages.time(f"{name}: record", write_records, told)
            sizes[f"{name}: record"] = statistics.mean(map(len, records))
            counted[name] = {"rows": spent["rows"] / len(files), "steps of the batch": spent["steps"]}
    weights = sum(parameter.numel() for parameter in captioner.decoder.parameters())
    report = {
        "photos": len(files),
        "milliseconds": stages.medians(),
        "bytes": {name: round(size) for name, size in sizes.items()},
        "search": counted,
        "decoder weights": weights,
    }
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
