"""Self-critical training: sampled captions, each encouraged as far as it beats the others of its photo.

Rennie et al. (2017) compare with the greedy caption; the mean of the photo's other samples, used here, is a baseline of
less variance (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free").
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from captioner.decoder import AttentionDecoder
from captioner.encoder import FeatureGrid
from captioner.function_words import FUNCTION_WORDS
from captioner.training.batches import Batch
from captioner.training.reward import CiderReward
from captioner.training.rows import mirror_ids
from captioner.vocabulary import Vocabulary


@torch.no_grad()
def sample_captions(
    decoder: AttentionDecoder, grid: FeatureGrid, vocabulary: Vocabulary, rows: int, max_words: int
) -> Tensor:
    """Draw `rows` captions of each of P photos from the decoder's own distribution.

    Returns:
        token_ids: (P, rows, T + 1) int64, `<start>`, words, `<end>` unless more than `max_words` came first, padding.
    """
    photos = len(grid.annotations)
    state = decoder.start(grid, rows)
    token = torch.full((photos, rows), vocabulary.start, device=grid.annotations.device)
    ended = torch.zeros_like(token, dtype=torch.bool)
    drawn = [token]
    for _ in range(max_words + 1):
        step = decoder.step(token, state)
        logits = step.logits.float()  # (P, rows, V)
        logits[..., [vocabulary.pad, vocabulary.start, vocabulary.unk]] = -torch.inf
        chosen = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1).view(photos, rows)
        token = chosen.masked_fill(ended, vocabulary.pad)
        drawn.append(token)
        ended = ended | (token == vocabulary.end)
        state = step.state
        if ended.all():
            break
    return torch.stack(drawn, dim=2)


def score_samples(
    token_ids: Tensor,
    photos: Sequence[int],
    mirrored: Sequence[bool],
    reward: CiderReward,
    vocabulary: Vocabulary,
    repeat_penalty: float = 0.0,
) -> Tensor:
    """CIDEr-D (P, rows) of each sample, less a penalty for words said twice.

    CIDEr counts n-grams and hardly minds "a boat boat on a boat"; people do.

    Args:
        token_ids: (P, rows, T + 1), see `sample_captions`.
        photos: the P photos, as `reward` knows them.
        mirrored: which of them were shown mirrored, so that their left is the references' right.
        repeat_penalty: taken off for every content word said again, and for every word said twice running.
    """
    quiet = frozenset(vocabulary.encode(FUNCTION_WORDS)) | {vocabulary.end}
    scores = []
    for photo, turned, own in zip(photos, mirrored, token_ids.tolist(), strict=True):
        rows = [[token for token in row[1:] if token != vocabulary.pad] for row in own]
        scores.append(
            [
                reward.score(photo, mirror_ids(row, vocabulary) if turned else row)
                - repeat_penalty * count_repeated_tokens(row, quiet)
                for row in rows
            ]
        )
    return torch.tensor(scores)


def count_repeated_tokens(token_ids: Sequence[int], quiet: Collection[int]) -> int:
    """How often a token that is none of `quiet` comes again, plus how often any token follows itself.

    >>> count_repeated_tokens([1, 7, 7, 2, 1, 7], {1, 2})
    3
    """
    spoken = [token for token in token_ids if token not in quiet]
    return len(spoken) - len(set(spoken)) + sum(before == after for before, after in pairwise(token_ids))


def advantages(scores: Tensor) -> Tensor:
    """How far each of (P, rows) scores lies above the mean of the others in its row; at least 2 rows."""
    return scores - (scores.sum(dim=1, keepdim=True) - scores) / (scores.shape[1] - 1)


def sampled_batch(batch: Batch, token_ids: Tensor, advantage: Tensor, pad: int) -> Batch:
    """The samples as rows to learn: each token weighs its caption's advantage, so that likelier is better or worse.

    Args:
        batch: the photos and views the samples were drawn for.
        token_ids: (P, rows, T + 1).
        advantage: (P, rows).
    """
    lengths = (token_ids[:, :, 1:] != pad).sum(dim=2)  # (P, rows)
    order = lengths.argsort(dim=1, descending=True)  # so that finished rows can be cut off
    lengths, advantage = lengths.gather(1, order), advantage.gather(1, order)
    token_ids = token_ids.gather(1, order.unsqueeze(-1).expand_as(token_ids))
    steps = token_ids.shape[2] - 1
    weights = advantage.unsqueeze(-1) * (torch.arange(steps) < lengths.unsqueeze(-1))  # (P, rows, T)
    cells = batch.covers.shape[-1]
    return Batch(batch.photos, batch.views, token_ids, lengths, weights, torch.zeros(*weights.shape, cells))
