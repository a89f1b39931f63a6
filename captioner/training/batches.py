"""Captions as padded token ids, and which photos share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.training.data import Example
from captioner.vocabulary import Vocabulary, tokenize


@dataclass(frozen=True)
class Batch:
    """P photos with up to R captions each, longest first in both directions (see `AttentionDecoder.teach`).

    Attributes:
        photos: P places in the list of examples.
        views: P views, 0 as it is and 1 mirrored.
        token_ids: (P, R, T + 1) int64, `<start>`, words, `<end>`, padding.
        lengths: (P, R) int64, tokens to predict; 0 where a photo has fewer captions than others.
    """

    photos: tuple[int, ...]
    views: tuple[int, ...]
    token_ids: Tensor
    lengths: Tensor


def encode_captions(examples: Sequence[Example], vocabulary: Vocabulary, max_words: int) -> list[list[list[int]]]:
    """Per example its captions as ids, `<start>` and `<end>` included, longest first; wordless captions are left out.

    A caption cut at `max_words` has no `<end>`: the model must not learn to stop there.
    """
    encoded = []
    for example in examples:
        captions = []
        for words in map(tokenize, example.captions):
            if words:
                ids = [vocabulary.start, *vocabulary.encode(words[:max_words])]
                captions.append(ids if len(words) > max_words else [*ids, vocabulary.end])
        encoded.append(sorted(captions, key=len, reverse=True))
    return encoded


def make_batches(
    captions: Sequence[Sequence[Sequence[int]]], pad: int, photos_per_batch: int, flip: bool, generator: torch.Generator
) -> Iterator[Batch]:
    """Every photo once, in batches of photos whose captions are about equally long, in random order.

    Sorting by length (with noise, so that batches differ between epochs) leaves little padding to compute.
    """
    lengths = torch.tensor([sum(map(len, own)) / max(len(own), 1) for own in captions])
    noisy = lengths + 2 * torch.rand(len(captions), generator=generator)
    usable = [place for place in noisy.argsort().tolist() if captions[place]]
    groups = [usable[first : first + photos_per_batch] for first in range(0, len(usable), photos_per_batch)]
    for group in torch.randperm(len(groups), generator=generator).tolist():
        photos = sorted(groups[group], key=lambda place: len(captions[place][0]), reverse=True)
        views = torch.randint(2, (len(photos),), generator=generator).tolist() if flip else [0] * len(photos)
        yield _batch(photos, views, [captions[place] for place in photos], pad)


def _batch(photos: Sequence[int], views: Sequence[int], captions: Sequence[Sequence[Sequence[int]]], pad: int) -> Batch:
    rows = max(map(len, captions))
    longest = max(len(ids) for own in captions for ids in own)
    token_ids = torch.full((len(photos), rows, longest), pad)  # (P, R, T + 1)
    lengths = torch.zeros(len(photos), rows, dtype=torch.int64)  # (P, R)
    for photo, own in enumerate(captions):
        for row, ids in enumerate(own):
            token_ids[photo, row, : len(ids)] = torch.tensor(ids)
            lengths[photo, row] = len(ids) - 1
    return Batch(tuple(photos), tuple(views), token_ids, lengths)


def hide_words(token_ids: Tensor, vocabulary: Vocabulary, probability: float) -> Tensor:
    """Put `<unk>` in the place of some words, so that the decoder looks at the photo more than at its own past."""
    if not probability:
        return token_ids
    word = (token_ids != vocabulary.start) & (token_ids != vocabulary.pad)
    return token_ids.masked_fill(word & (torch.rand(token_ids.shape) < probability), vocabulary.unk)
