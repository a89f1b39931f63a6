"""What a bench found, as a table to read and as JSON, with the machine it was found on."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from captioner.bench.harness import Comparison
from captioner.bench.memory import MemoryUse

FORMAT = "saywhere-bench-1"
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Machine:
    """Where it was measured.

    Attributes:
        processor: its name.
        vectors: the widest vectors PyTorch uses there, such as "AVX512".
        cores: this process may use.
        threads: of PyTorch.
        torch: its version.
        device: the name of the GPU, or "cpu".
    """

    processor: str
    vectors: str
    cores: int
    threads: int
    torch: str
    device: str


@dataclass(frozen=True)
class Report:
    """Everything measured."""

    machine: Machine
    comparisons: tuple[Comparison, ...]
    memory: tuple[MemoryUse, ...]

    @property
    def same(self) -> bool:
        """Whether no pair that should give the same answer gave two."""
        return all(comparison.same is not False for comparison in self.comparisons)

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "format": FORMAT,
            "machine": asdict(self.machine),
            "comparisons": [comparison.record() for comparison in self.comparisons],
            "memory": [use.record() for use in self.memory],
        }

    def table(self) -> str:
        """To be read; what is in brackets are the quartiles of the rounds."""
        on = self.machine
        lines = [f"{on.processor} ({on.vectors}), {on.threads} threads, torch {on.torch}, {on.device}"]
        lines += [_speed_line(comparison) for comparison in self.comparisons]
        return "\n".join(lines + [_memory_line(use) for use in self.memory])


def _speed_line(comparison: Comparison) -> str:
    low, middle, high = comparison.quartiles
    said = {True: "same words", False: "OTHER WORDS", None: "another search"}[comparison.same]
    ours, reference = statistics.median(comparison.ours), statistics.median(comparison.reference)
    ratio = f"{middle:5.2f} x as fast ({low:.2f} to {high:.2f})"
    return f"{comparison.name:55s} {ratio}  {ours:6.3f} s / {reference:6.3f} s  {said}"


def _memory_line(use: MemoryUse) -> str:
    told = f"(peak {use.peak / 1e6:.0f} MB, {use.before / 1e6:.0f} MB of them before)"
    return f"{use.name:55s} {use.ratio:5.2f} x the file of {use.file / 1e6:.0f} MB {told}"


def describe_machine(device: torch.device) -> Machine:
    """The machine this runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        processor=_processor(),
        vectors=torch.backends.cpu.get_cpu_capability(),
        cores=cores,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
    )


def _processor() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
