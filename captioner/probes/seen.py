"""Seen or guessed? How much more likely the photo makes each word than language alone does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from captioner.encoder import FeatureGrid
from captioner.errors import RecordError
from captioner.probes.replaying import replay, without_cells, word_ids

if TYPE_CHECKING:
    from captioner.captioner import Captioner


@dataclass(frozen=True)
class Seen:
    """A caption's words with and without the photo.

    Attributes:
        log_probs: of each of T words given those before it and the photo.
        blind: the same for a blank photo, of the mean colour all over.
    """

    log_probs: tuple[float, ...]
    blind: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.log_probs) != len(self.blind) or not self.blind:
            raise RecordError(f"expected as many words with as without the photo, got {self}")

    @property
    def gains(self) -> tuple[float, ...]:
        """Nats that the photo adds to each word: well above 0 seen, about 0 guessed, below 0 said against the photo."""
        return tuple(seen - blind for seen, blind in zip(self.log_probs, self.blind, strict=True))


def seen_or_guessed(captioner: Captioner, grid: FeatureGrid, words: Sequence[str]) -> Seen:
    """Replay a caption with the photo and with a blank one.

    Args:
        grid: of one photo.

    Raises:
        SearchError: see `word_ids`.
    """
    ids = word_ids(captioner, grid, words)
    with torch.inference_mode():
        cells = grid.annotations.shape[1]
        gone = torch.tensor([[False], [True]], device=grid.annotations.device).expand(2, cells)
        seen, blind = replay(captioner, without_cells(captioner, grid, gone), ids).tolist()
    return Seen(tuple(seen), tuple(blind))
