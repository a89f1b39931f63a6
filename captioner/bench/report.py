"""What a bench found, as a table to read and as JSON, with the machine it was found on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

FORMAT = "saywhere-bench-2"
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


class Section(Protocol):
    """What one entry found."""

    @property
    def same(self) -> bool:
        """Whether no two ways to the same answer gave two."""
        ...

    def record(self) -> Any:
        """As plain JSON values."""
        ...

    def lines(self) -> list[str]:
        """To be read."""
        ...


@dataclass(frozen=True)
class Report:
    """Everything measured: a section for each entry, in the order of `ENTRIES`."""

    machine: Machine
    sections: Mapping[str, Section]

    @property
    def same(self) -> bool:
        """Whether no two ways to the same answer gave two."""
        return all(section.same for section in self.sections.values())

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        found = {name: section.record() for name, section in self.sections.items()}
        return {"format": FORMAT, "machine": asdict(self.machine), "entries": found}

    def table(self) -> str:
        """To be read; what is in brackets are the quartiles of the rounds."""
        on = self.machine
        lines = [f"{on.processor} ({on.vectors}), {on.threads} threads, torch {on.torch}, {on.device}"]
        return "\n".join(lines + [line for section in self.sections.values() for line in section.lines()])


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
