"""Rows as padded token ids, and which photos share a step of the optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from captioner.training.cover import cover
from captioner.training.rows import Row, mirror_ids
from captioner.training.views import View
from captioner.vocabulary import Vocabulary


@dataclass(frozen=True)
class Batch:
    """P photos with up to R rows each, longest first in both directions (see `AttentionDecoder.teach`).

    Attributes:
        photos: P places in the list of examples.
        views: P numbers of the photos' views.
        token_ids: (P, R, T + 1) int64, `<start>`, words, `<end>`, padding.
        lengths: (P, R) int64, tokens to predict; 0 where a photo has fewer rows than others.
        weights: (P, R, T) weight of each token in the word loss.
        covers: (P, R, T, L) share of each cell inside the boxes of what the token names; all 0 without boxes.
    """

    photos: tuple[int, ...]
    views: tuple[int, ...]
    token_ids: Tensor
    lengths: Tensor
    weights: Tensor
    covers: Tensor


@dataclass(frozen=True)
class BatchMaker:
    """Puts photos together into batches.

    Attributes:
        rows: of every photo; a photo without rows is in no batch.
        views: of every photo.
        vocabulary: whose ids the rows hold.
        grid: (H, W) cells of the covers.
        photos_per_step: photos per step of the optimiser.
        vary: show photos in a random view; otherwise always in the first.
    """

    rows: Sequence[Sequence[Row]]
    views: Sequence[Sequence[View]]
    vocabulary: Vocabulary
    grid: tuple[int, int]
    photos_per_step: int
    vary: bool

    @property
    def steps(self) -> int:
        """Steps in an epoch, at most: fewer only where every kind of photo has fewer than that."""
        return math.ceil(sum(map(bool, self.rows)) / self.photos_per_step)

    def epoch(self, generator: torch.Generator) -> Iterator[tuple[Batch, ...]]:
        """Every photo once, in random order; one batch or more in each step.

        Photos of several captions, of one, and of labels alone come in batches of their own, so that little padding
        is computed, and every step has some of each. Within a kind, photos of about equally long rows meet.
        """
        kinds: dict[int, list[int]] = {}
        for place, own in enumerate(self.rows):
            if own:
                kinds.setdefault(min(sum(row.sentence for row in own), 2), []).append(place)
        shares = [self._deal(places, generator) for places in kinds.values()]
        for step in torch.randperm(self.steps, generator=generator).tolist():
            batches = tuple(self._batch(share[step], generator) for share in shares if share[step])
            if batches:  # with fewer photos of each kind than steps, some steps would have none
                yield batches

    def _deal(self, places: Sequence[int], generator: torch.Generator) -> list[list[int]]:
        """Places in as many groups as there are steps, equally large, in each photos of about equally long rows."""
        means = torch.tensor([sum(row.length for row in self.rows[place]) / len(self.rows[place]) for place in places])
        noisy = means + 2 * torch.rand(len(places), generator=generator)  # so that groups differ between epochs
        ordered = [places[index] for index in noisy.argsort().tolist()]
        edges = [round(step * len(ordered) / self.steps) for step in range(self.steps + 1)]
        groups = [ordered[first:last] for first, last in pairwise(edges)]
        return [groups[index] for index in torch.randperm(self.steps, generator=generator).tolist()]

    def _batch(self, group: Sequence[int], generator: torch.Generator) -> Batch:
        photos = sorted(group, key=lambda place: self.rows[place][0].length, reverse=True)
        chosen = torch.rand(len(photos), generator=generator).tolist()
        views = [int(c * len(self.views[place])) if self.vary else 0 for c, place in zip(chosen, photos, strict=True)]
        rows = [self.rows[place] for place in photos]
        most, longest = max(map(len, rows)), rows[0][0].length
        cells = self.grid[0] * self.grid[1]
        token_ids = torch.full((len(photos), most, longest + 1), self.vocabulary.pad)
        lengths = torch.zeros(len(photos), most, dtype=torch.int64)
        weights = torch.zeros(len(photos), most, longest)
        covers = torch.zeros(len(photos), most, longest, cells)
        for p, (place, number, own) in enumerate(zip(photos, views, rows, strict=True)):
            view = self.views[place][number]
            for r, row in enumerate(own):
                ids = mirror_ids(row.ids, self.vocabulary) if view.mirrored else row.ids
                token_ids[p, r, : len(ids)] = torch.tensor(ids)
                lengths[p, r] = row.length
                weights[p, r, : row.length] = torch.tensor(row.weights)
                self._cover(covers[p, r], row, view)
        return Batch(tuple(photos), tuple(views), token_ids, lengths, weights, covers)

    def _cover(self, covers: Tensor, row: Row, view: View) -> None:
        """Fill `covers` (T, L) of one row, seen in one view."""
        for step, boxes in enumerate(row.boxes):
            if not boxes:
                continue
            if step and boxes == row.boxes[step - 1]:
                covers[step] = covers[step - 1]
                continue
            seen = [placed for box in boxes if (placed := view.place(box)) is not None]
            covers[step] = torch.from_numpy(cover(seen, *self.grid)).flatten()


def hide_words(token_ids: Tensor, vocabulary: Vocabulary, probability: float) -> Tensor:
    """Put `<unk>` in the place of some words, so that the decoder looks at the photo more than at its own past."""
    if not probability:
        return token_ids
    word = (token_ids != vocabulary.start) & (token_ids != vocabulary.pad)
    return token_ids.masked_fill(word & (torch.rand(token_ids.shape) < probability), vocabulary.unk)
