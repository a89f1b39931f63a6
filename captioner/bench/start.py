"""From `python app.py` to a page that answers and a model that captions: seconds and memory, beside what is left when
everything of SayWhere is taken away.

The reference is a program that serves an empty Gradio page and then imports PyTorch: no start can be shorter, and no
serving process smaller.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.bench.harness import Comparison, Comparisons
from captioner.bench.memory import STATUS
from captioner.bench.model_share import ModelShare, model_share
from captioner.bench.served import Memory, Served, data_address
from captioner.errors import DataError

READY = "SayWhere is ready"  # what app.py writes when the model is there
CAPTIONS = 20  # asked for before the memory is looked at the last time
SETTLING = 6.0  # seconds after them, in which the page gives back what they took
MOMENTS = ("page answers", "model ready", f"after {CAPTIONS} captions")
BARE = """
import sys, time
import gradio
with gradio.Blocks() as page:
    pass
page.launch(server_port=int(sys.argv[1]), quiet=True, prevent_thread_lock=True, ssr_mode=False)
import torch
print("bare is ready")
time.sleep(600)
"""


@dataclass(frozen=True)
class Visit:
    """One start of one program.

    Attributes:
        page, ready: seconds until the page answered, and until the program said that it is ready.
        memory: at the first so many of `MOMENTS`.
    """

    page: float
    ready: float
    memory: tuple[Memory, ...]


@dataclass(frozen=True)
class MemoryBeside:
    """Memory at one moment, in every round.

    Attributes:
        name: of the moment.
        ours, reference: equally many, 1 or more.
    """

    name: str
    ours: tuple[Memory, ...]
    reference: tuple[Memory, ...]

    def __post_init__(self) -> None:
        if not self.ours or len(self.ours) != len(self.reference):
            raise DataError(f"expected equally many rounds, got {len(self.ours)} and {len(self.reference)}")

    @property
    def ratio(self) -> float:
        """Resident memory in the reference's, the median of the rounds."""
        pairs = zip(self.ours, self.reference, strict=True)
        return statistics.median(own.resident / other.resident for own, other in pairs)

    def record(self) -> dict[str, Any]:
        """As plain JSON values, sizes in bytes."""
        ours, reference = ([asdict(one) for one in side] for side in (self.ours, self.reference))
        return {"name": self.name, "ratio": self.ratio, "ours": ours, "reference": reference}

    def line(self) -> str:
        """To be read."""
        resident, peak, private = (_megabytes(self.ours, part) for part in ("resident", "peak", "private"))
        told = f"{resident:.0f} MB / {_megabytes(self.reference, 'resident'):.0f} MB"
        more = f"(peak {peak:.0f}, private {private:.0f})"
        return f"{f'memory, {self.name}':55s} {self.ratio:5.2f} x as much  {told}  {more}"


@dataclass(frozen=True)
class Starts:
    """What was found.

    Attributes:
        times: page and model, each beside its reference, and the model's own share beside PyTorch's import.
        memory: at each of `MOMENTS`.
        shares: of the model, one a round.
    """

    times: Comparisons
    memory: tuple[MemoryBeside, ...]
    shares: tuple[ModelShare, ...]
    same: bool = True

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "times": self.times.record(),
            "memory": [moment.record() for moment in self.memory],
            "model_shares": [asdict(share) for share in self.shares],
        }

    def lines(self) -> list[str]:
        """To be read."""
        load, caption, again = (
            statistics.median(getattr(share, part) for share in self.shares) for part in ("load", "caption", "again")
        )
        share = f"  of the model's share: load {load:.2f} s, first caption {caption:.2f} s (the second {again:.2f} s)"
        return [*self.times.lines(), share, *(moment.line() for moment in self.memory)]


def starts(
    rounds: int, device: str, photo: Image.Image, checkpoint: Path, tell: Callable[[str], None] = lambda name: None
) -> Starts:
    """Start both in turn, after one round of each that only warms the disk's cache.

    Args:
        rounds: 2 or more.
        photo: RGB, what the running page is asked about.
        tell: gets the name of what is measured next.

    Raises:
        DataError: this is no Linux, or a program could not be started.
    """
    if not STATUS.exists():
        raise DataError("the memory of a process can be measured on Linux only: choose --entries speed")
    address = data_address(photo)
    ours, bare, shares = [], [], []
    for number in range(rounds + 1):
        tell(f"start, round {number} of {rounds}")
        ours.append(visit_app(checkpoint, device, address, CAPTIONS if number else 1))
        bare.append(visit_bare())
        shares.append(model_share(checkpoint, device))
    return compare_starts(tuple(ours[1:]), tuple(bare[1:]), tuple(shares[1:]))


def visit_app(checkpoint: Path, device: str, photo: str, captions: int) -> Visit:
    """One start of `app.py`, and captions of a photo given as a data: address."""
    options = ["--port", "{port}", "--checkpoint", str(checkpoint), "--device", device]
    with Served(["app.py", *options]) as page:
        answered, first = page.answers(), page.memory()
        ready, second = page.says(READY), page.memory()
        for _ in range(captions):
            page.caption(photo)
        time.sleep(SETTLING)
        return Visit(answered, ready, (first, second, page.memory()))


def visit_bare() -> Visit:
    """One start of the reference."""
    with Served(["-c", BARE, "{port}"]) as page:
        answered, first = page.answers(), page.memory()
        return Visit(answered, page.says("bare is ready"), (first, page.memory()))


def compare_starts(ours: tuple[Visit, ...], bare: tuple[Visit, ...], shares: tuple[ModelShare, ...]) -> Starts:
    """Put the rounds of both side by side."""
    times = Comparisons(
        (
            Comparison(
                "page answers, beside an empty Gradio page",
                tuple(visit.page for visit in ours),
                tuple(visit.page for visit in bare),
            ),
            Comparison(
                "model ready, beside the same with PyTorch imported",
                tuple(visit.ready for visit in ours),
                tuple(visit.ready for visit in bare),
            ),
            Comparison(
                "model loaded and warm, beside importing PyTorch",
                tuple(share.own for share in shares),
                tuple(share.torch for share in shares),
            ),
        )
    )
    memory = tuple(
        MemoryBeside(
            name,
            tuple(visit.memory[place] for visit in ours),
            tuple(visit.memory[min(place, 1)] for visit in bare),  # the reference captions nothing
        )
        for place, name in enumerate(MOMENTS)
    )
    return Starts(times, memory, shares)


def _megabytes(memory: tuple[Memory, ...], part: str) -> float:
    return float(statistics.median(getattr(one, part) for one in memory)) / 1e6
