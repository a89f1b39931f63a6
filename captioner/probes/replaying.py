"""Given words on given features, teacher-forced: what every experiment compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from captioner.decoder import DecoderState
from captioner.encoder import FeatureGrid
from captioner.errors import SearchError

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def word_ids(captioner: Captioner, grid: FeatureGrid, words: Sequence[str], step: int | None = None) -> list[int]:
    """The ids of a caption's words, `<start>` first, once it is sure that they can be replayed.

    Args:
        grid: of one photo.
        step: of the word asked about, where one is.

    Raises:
        SearchError: no words, one outside the vocabulary, a step beyond them, or a grid of several photos.
    """
    if not words:
        raise SearchError("expected a caption of at least one word, got none: caption the photo first")
    if len(grid.annotations) != 1:
        raise SearchError(f"expected the features of one photo, got {len(grid.annotations)}")
    if step is not None and not 0 <= step < len(words):
        raise SearchError(f"expected a word from 1 to {len(words)} of the caption, got {step + 1}: choose one of them")
    return [captioner.vocabulary.start, *captioner.known_ids(words)]


def replay(captioner: Captioner, grid: FeatureGrid, ids: Sequence[int]) -> Tensor:
    """Teacher-force one caption on P photos.

    Args:
        grid: of P photos.
        ids: `<start>` and T words.

    Returns:
        (P, T) log-probability of each word given those before it.
    """
    decoder, photos = captioner.decoder, len(grid.annotations)
    tokens = torch.tensor(ids, device=grid.annotations.device).expand(photos, 1, -1)  # (P, 1, T + 1)
    taught = decoder.teach(grid, tokens, torch.full((photos, 1), len(ids) - 1, device=tokens.device))
    chosen = taught.logits.float().log_softmax(-1).gather(1, taught.targets.unsqueeze(1))[:, 0]  # (T * P,)
    return chosen.view(len(ids) - 1, photos).T  # step after step, photos within


def state_before(captioner: Captioner, grid: FeatureGrid, ids: Sequence[int], step: int) -> DecoderState:
    """The decoder's state when it is about to say word `step` of the caption, words before it given."""
    decoder = captioner.decoder
    tokens = torch.tensor([[ids]], device=grid.annotations.device)  # (1, 1, T + 1)
    state = decoder.start(grid)
    for place in range(step):
        state = decoder.advance(tokens[..., place], state).state
    return state


def without_cells(captioner: Captioner, grid: FeatureGrid, gone: Tensor) -> FeatureGrid:
    """The one photo of `grid` B times, each with some cells emptied: they become those of a blank photo.

    Args:
        gone: (B, L) bool.
    """
    annotations = torch.where(gone.unsqueeze(-1), captioner.blank.annotations, grid.annotations)  # (B, L, D)
    return replace(grid, annotations=annotations)
