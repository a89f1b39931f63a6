"""What every entry of the bench is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image

from captioner.bench.options import BenchOptions


@dataclass(frozen=True)
class Task:
    """What an entry is given.

    Attributes:
        options: of the bench.
        device: what "auto" became.
        photo: RGB, what is described.
        tell: gets the name of what is measured next.
    """

    options: BenchOptions
    device: torch.device
    photo: Image.Image
    tell: Callable[[str], None]
