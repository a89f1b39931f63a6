"""Where a model looks while it is given people's sentences word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.decoder import AttentionDecoder
from captioner.encoder import FeatureGrid
from captioner.errors import DataError
from captioner.vocabulary import Vocabulary

Words = Sequence[str]
Maps = NDArray[np.float32]


def sentence_maps(
    decoder: AttentionDecoder, vocabulary: Vocabulary, grid: FeatureGrid, sentences: Sequence[Sequence[Words]]
) -> list[list[Maps]]:
    """The attention at every word of sentences that are given instead of chosen.

    Args:
        decoder: reads the grid, in evaluation mode.
        vocabulary: a word outside it is given as `<unk>`, as in training; the map before such a word is like any.
        grid: P photos, H x W cells.
        sentences: of each of the P photos, any number of sentences of one word or more each.

    Returns:
        for each photo and sentence its maps (T, H, W), one per word, each computed just before its word.

    Raises:
        DataError: the sentences are those of another number of photos, or one has no word.
    """
    if len(sentences) != len(grid.annotations) or any(not words for own in sentences for words in own):
        raise DataError(f"expected sentences with words of {len(grid.annotations)} photos, got {len(sentences)} lists")
    plan = _longest_first(sentences)
    maps: list[list[Maps]] = [[np.zeros(0, np.float32)] * len(own) for own in sentences]
    if not plan:
        return maps
    most, longest = max(len(rows) for _, rows in plan), max(len(words) for own in sentences for words in own)
    token_ids = torch.full((len(plan), most, longest + 1), vocabulary.pad)
    lengths = torch.zeros(len(plan), most, dtype=torch.int64)
    for p, (photo, rows) in enumerate(plan):
        for r, row in enumerate(rows):
            words = sentences[photo][row]
            lengths[p, r] = len(words)
            token_ids[p, r, : len(words) + 1] = torch.tensor([vocabulary.start, *vocabulary.encode(words)])
    seen = replace(grid, annotations=grid.annotations[[photo for photo, _ in plan]])
    attention = _attend(decoder, seen, token_ids, lengths)  # (P, R, T, L)
    for p, (photo, rows) in enumerate(plan):
        for r, row in enumerate(rows):
            own = attention[p, r, : len(sentences[photo][row])]  # (T, L)
            maps[photo][row] = own.reshape(-1, grid.height, grid.width)
    return maps


def _longest_first(sentences: Sequence[Sequence[Words]]) -> list[tuple[int, list[int]]]:
    """Photos that have sentences, and the order of these: longest first in both, so that the decoder can leave out
    what is finished."""
    plan = [
        (photo, sorted(range(len(own)), key=[-len(words) for words in own].__getitem__))
        for photo, own in enumerate(sentences)
        if own
    ]
    return sorted(plan, key=lambda item: -len(sentences[item[0]][item[1][0]]))


def _attend(decoder: AttentionDecoder, grid: FeatureGrid, token_ids: Tensor, lengths: Tensor) -> Maps:
    """Attention (P, R, T, L) before each of the T words of `token_ids` (P, R, T + 1); 0 behind a sentence's end."""
    device = grid.annotations.device
    with torch.inference_mode():
        taught = decoder.teach(grid, token_ids.to(device), lengths.to(device))
    photo, row, step = taught.places.cpu().numpy().T  # each (N,)
    attention = np.zeros((*lengths.shape, token_ids.shape[2] - 1, taught.attention.shape[1]), np.float32)
    attention[photo, row, step] = taught.attention.float().cpu().numpy()
    return attention
