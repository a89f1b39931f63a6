"""How much memory converting a full-size checkpoint takes, in a process of its own.

The file holds what the tutorial's train.py saves: both networks, and Adam's two numbers for each weight of the decoder,
which the conversion has no use for and never reads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from captioner.bench.models import random_decoder, random_encoder, word_map
from captioner.bench.options import ModelSizes
from captioner.errors import DataError

STATUS = Path("/proc/self/status")
FORMATS = {"zip": True, "legacy": False}  # of torch.save, since 1.6 and before


@dataclass(frozen=True)
class MemoryUse:
    """What a conversion took, all in bytes.

    Attributes:
        name: in the table.
        file: size of the checkpoint converted.
        before: the process's highest memory once everything was imported.
        peak: its highest memory at the end.
    """

    name: str
    file: int
    before: int
    peak: int

    def __post_init__(self) -> None:
        if self.file < 1 or not 0 < self.before <= self.peak:
            raise DataError(f"expected a file and a peak not below {self.before} bytes, got {self.file}, {self.peak}")

    @property
    def ratio(self) -> float:
        """Memory the conversion took, in sizes of the file."""
        return (self.peak - self.before) / self.file

    def record(self) -> dict[str, Any]:
        """As plain JSON values, sizes in bytes."""
        return {"name": self.name, "ratio": self.ratio, "file": self.file, "before": self.before, "peak": self.peak}

    def line(self) -> str:
        """To be read."""
        told = f"(peak {self.peak / 1e6:.0f} MB, {self.before / 1e6:.0f} MB of them before)"
        return f"{self.name:55s} {self.ratio:5.2f} x the file of {self.file / 1e6:.0f} MB {told}"


@dataclass(frozen=True)
class ConversionMemory:
    """Of both formats."""

    uses: tuple[MemoryUse, ...]
    same: bool = True

    def record(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [use.record() for use in self.uses]

    def lines(self) -> list[str]:
        """To be read."""
        return [use.line() for use in self.uses]


def conversion_memory(sizes: ModelSizes) -> ConversionMemory:
    """Convert a checkpoint of random weights in both of PyTorch's formats.

    Raises:
        DataError: this is no Linux, or a conversion failed.
    """
    if not STATUS.exists():
        raise DataError("the memory of a process can be measured on Linux only: choose --entries speed")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "WORDMAP.json").write_text(json.dumps(word_map(sizes.words)), encoding="utf-8")
        state = _trained(sizes)
        uses = []
        for kind, zipped in FORMATS.items():
            path = folder / f"{kind}.pth.tar"
            torch.save(state, path, _use_new_zipfile_serialization=zipped)
            uses.append(_convert(kind, path))
            path.unlink()
    return ConversionMemory(tuple(uses))


def _trained(sizes: ModelSizes) -> dict[str, Any]:
    """What is saved: the networks and the decoder's optimizer after a step."""
    torch.manual_seed(sizes.seed)
    encoder, decoder = random_encoder(sizes), random_decoder(sizes)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=4e-4)
    for parameter in decoder.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    halves: dict[str, nn.Module] = {"encoder": encoder, "decoder": decoder}
    states = {name: module.state_dict() for name, module in halves.items()}
    return {**states, "encoder_optimizer": None, "decoder_optimizer": optimizer, "epoch": 1}


def _convert(kind: str, path: Path) -> MemoryUse:
    command = [sys.executable, "-m", "captioner.bench.memory", str(path)]
    run = subprocess.run(  # noqa: S603 (this module, on a file it wrote)
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )
    if run.returncode:
        raise DataError(f"expected the conversion to succeed, got: {run.stderr.strip()[-300:]}")
    before, peak = json.loads(run.stdout)
    return MemoryUse(f"conversion memory, {kind} format", path.stat().st_size, before, peak)


def measure(checkpoint: Path) -> tuple[int, int]:
    """Convert, and give this process's highest memory before and after, in bytes."""
    import torchvision.models.resnet  # noqa: F401 (what the conversion imports is no memory of its own)

    from captioner.checkpoint import save_checkpoint
    from captioner.tutorial.convert import convert_tutorial

    before = peak_memory()
    converted = convert_tutorial(checkpoint, checkpoint.parent / "WORDMAP.json", "random", "nothing")
    save_checkpoint(converted, checkpoint.with_suffix(".safetensors"))
    return before, peak_memory()


def peak_memory() -> int:
    """The highest memory of this process so far, in bytes (what `getrusage` says includes the parent's)."""
    line = next(line for line in STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))))
