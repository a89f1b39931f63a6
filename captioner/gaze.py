"""Where a decoder must look instead of where it would: forced attention (Sadler et al. 2019, "Can Neural Image
Captioning be Controlled via Forced Attention?")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from captioner.errors import SearchError


@dataclass(frozen=True, eq=False)
class Gaze:
    """A map to look by.

    Attributes:
        weights: (H, W), 0 or more, not all of them 0; scaled to sum to 1 when used.
        step: the step it holds for, counted from 0, or None for every step.

    Raises:
        SearchError: the weights are no such map, or the step is negative.
    """

    weights: NDArray[np.float32]
    step: int | None = None

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise SearchError(f"expected a gaze of rows and columns of weights of 0 or more, got {self.weights.shape}")
        if not self.weights.any():
            raise SearchError("expected a place to look at, got none: paint one on the photo")
        if self.step is not None and self.step < 0:
            raise SearchError(f"expected a step of 0 or more, got {self.step}")

    def covers(self, step: int) -> bool:
        """Whether it holds for this step."""
        return self.step is None or self.step == step

    def on_grid(self, height: int, width: int) -> NDArray[np.float32]:
        """(L,) float32, summing to 1, for a grid of that size.

        Raises:
            SearchError: it lies on another grid.
        """
        if self.weights.shape != (height, width):
            raise SearchError(f"expected a gaze on {height} x {width} cells, got {self.weights.shape}")
        weights = self.weights.astype(np.float64).ravel()
        scaled: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
        return scaled
