"""The model's own share of a start, in a process of its own that imports PyTorch first: `python -m` this."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from captioner.errors import DataError


@dataclass(frozen=True)
class ModelShare:
    """Seconds of one process, in order.

    Attributes:
        torch: importing PyTorch, which no caption can do without.
        load: importing the captioner, reading and verifying the checkpoint, laying its weights out.
        caption: the first caption of a grey photo, at every beam width.
        again: the second, as every later visitor waits for it.
    """

    torch: float
    load: float
    caption: float
    again: float

    def __post_init__(self) -> None:
        if min(self.torch, self.load, self.caption, self.again) <= 0:
            raise DataError(f"expected times above 0 s, got {asdict(self)}")

    @property
    def own(self) -> float:
        """From PyTorch to a model that has warmed up."""
        return self.load + self.caption


def model_share(checkpoint: Path, device: str) -> ModelShare:
    """Have it measured.

    Raises:
        DataError: the model cannot be loaded there.
    """
    command = [sys.executable, "-m", "captioner.bench.model_share", str(checkpoint), device]
    run = subprocess.run(  # noqa: S603 (this module)
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["nothing"])[-1]
        raise DataError(f"expected a model that loads, got: {last}")
    return ModelShare(**json.loads(run.stdout))


def measure(checkpoint: Path, device: str) -> ModelShare:
    """In this process, into which nothing else has brought PyTorch."""
    laps = [time.perf_counter()]
    import torch  # noqa: F401 (what is timed)

    laps.append(time.perf_counter())
    from PIL import Image

    from captioner.captioner import Captioner

    captioner = Captioner.load(checkpoint, device)
    grey = Image.new("RGB", (64, 64), "grey")
    laps.append(time.perf_counter())
    for _ in range(2):
        captioner.describe(grey)
        laps.append(time.perf_counter())
    return ModelShare(*(after - before for before, after in itertools.pairwise(laps)))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(measure(Path(sys.argv[1]), sys.argv[2]))))
