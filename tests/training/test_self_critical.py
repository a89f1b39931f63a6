"""Self-critical training: fair samples, fair scores, and captions that get better by them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from builders import WORDS, tiny_decoder, tiny_grid, tiny_vocabulary
from captioner.decoder import AttentionDecoder
from captioner.encoder import FeatureGrid
from captioner.training.batches import Batch
from captioner.training.reward import CiderReward
from captioner.training.self_critical import (
    advantages,
    count_repeated_tokens,
    sample_captions,
    sampled_batch,
    score_samples,
)
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = tiny_vocabulary()
BANNED = [VOCABULARY.pad, VOCABULARY.start, VOCABULARY.unk]


def test_samples_are_words_then_an_end_then_padding() -> None:
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.output.bias[BANNED] = 4.0  # what it would say most of the time, were it allowed to
    torch.manual_seed(0)
    drawn = sample_captions(decoder, tiny_grid(photos=3), VOCABULARY, rows=40, max_words=6)
    assert drawn.shape == (3, 40, 8)
    ended = 0
    for row in drawn.flatten(0, 1).tolist():
        assert row[0] == VOCABULARY.start
        length = row.index(VOCABULARY.end) if VOCABULARY.end in row else len(row)  # without an end, 7 words
        assert not set(row[1:length]) & set(BANNED)
        assert set(row[length + 1 :]) <= {VOCABULARY.pad}
        ended += length < len(row)
    assert 0 < ended < 120


def test_sampling_stops_when_all_captions_have_ended() -> None:
    decoder = tiny_decoder()
    with torch.no_grad():
        decoder.output.bias[VOCABULARY.end] = 1000.0
    drawn = sample_captions(decoder, tiny_grid(photos=2), VOCABULARY, rows=3, max_words=20)
    assert drawn.tolist() == [[[VOCABULARY.start, VOCABULARY.end]] * 3] * 2


def first_two_tokens(decoder: AttentionDecoder, grid: FeatureGrid) -> Tensor:
    """(P, V, V): the decoder's probability of each pair of first tokens, those that are never said left out."""
    size, photos = len(VOCABULARY), len(grid.annotations)

    def allowed(logits: Tensor) -> Tensor:
        return logits.index_fill(-1, torch.tensor(BANNED), -torch.inf).softmax(-1)

    first = decoder.step(torch.full((photos, size), VOCABULARY.start), decoder.start(grid, size))
    second = decoder.step(torch.arange(size).expand(photos, size), first.state)
    return allowed(first.logits)[:, 0].unsqueeze(-1) * allowed(second.logits)


@torch.no_grad()
def test_samples_come_as_often_as_the_decoder_means_them() -> None:
    decoder, grid, rows = tiny_decoder(seed=1), tiny_grid(photos=2, seed=1), 6000
    expected = first_two_tokens(decoder, grid)
    at_once = expected[:, VOCABULARY.end].sum(dim=-1)
    expected[:, VOCABULARY.end] = 0
    expected[:, VOCABULARY.end, VOCABULARY.pad] = at_once  # after an end there is padding
    torch.manual_seed(0)
    drawn = sample_captions(decoder, grid, VOCABULARY, rows, max_words=1)
    pairs = drawn[:, :, 1] * len(VOCABULARY) + drawn[:, :, 2]
    for own, wanted in zip(pairs, expected.flatten(1), strict=True):
        frequency = own.bincount(minlength=len(wanted)) / rows
        deviation = (wanted * (1 - wanted) / rows).sqrt()
        assert ((frequency - wanted).abs() <= 5 * deviation + 1e-6).all()
    assert (expected > 0.02).sum() > 10  # not a foregone conclusion


SIDED = Vocabulary((*SPECIAL_TOKENS, *WORDS, "left", "right"))


def encoded(text: str, length: int = 6) -> list[int]:
    """`<start>`, the words of `text`, padding."""
    ids = [SIDED.start, *SIDED.encode(text.split())]
    return ids + [SIDED.pad] * (length - len(ids))


def test_samples_of_mirrored_photos_are_scored_with_left_for_right() -> None:
    reward = CiderReward(
        {
            5: [encoded("a dog left <end>")[1:5]],
            9: [encoded("the man right <end>")[1:5]],
            2: [encoded("red water")[1:3]],
        }
    )
    tokens = torch.tensor(
        [
            [encoded("a dog left <end>"), encoded("a dog right <end>")],
            [encoded("the man left <end>"), encoded("the man right <end>")],
        ]
    )
    plain = score_samples(tokens, (5, 9), (False, False), reward, SIDED)
    turned = score_samples(tokens, (5, 9), (False, True), reward, SIDED)
    assert plain.shape == (2, 2)
    assert plain[0, 0] == plain[1, 1] == pytest.approx(10)  # padding counts for nothing
    assert plain[0, 1] < 5
    assert plain[1, 0] < 5
    torch.testing.assert_close(turned, torch.stack([plain[0], plain[1].flip(0)]))


def test_advantages_by_hand() -> None:
    scores = torch.tensor([[1.0, 2.0, 6.0], [0.5, 0.5, 0.5]])
    expected = torch.tensor([[1 - 4, 2 - 3.5, 6 - 1.5], [0, 0, 0]])
    torch.testing.assert_close(advantages(scores), expected)
    assert advantages(torch.tensor([[3.0, 1.0]])).tolist() == [[2, -2]]


def test_advantages_sum_to_nothing_for_each_photo() -> None:
    scores = 10 * torch.rand(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(advantages(scores).sum(dim=1), torch.zeros(7, dtype=torch.float64))


def test_words_said_again_cost_the_penalty() -> None:
    words = ["<start>", "a", "dog", "dog", "on", "a", "dog", "<end>"]  # "dog" twice too many, once running
    plain = ["<start>", "a", "dog", "runs", "on", "grass", "<end>", "<pad>"]
    tokens = torch.tensor([[VOCABULARY.encode(words), VOCABULARY.encode(plain)]])
    reward = CiderReward({0: [VOCABULARY.encode(["a", "dog", "runs"])], 1: [VOCABULARY.encode(["two", "men"])]})
    without = score_samples(tokens, [0], [False], reward, VOCABULARY)
    penalised = score_samples(tokens, [0], [False], reward, VOCABULARY, repeat_penalty=0.5)
    torch.testing.assert_close(without - penalised, torch.tensor([[1.5, 0.0]]))


def test_repeats_are_counted_by_hand() -> None:
    quiet = {1, 2}
    assert count_repeated_tokens([], quiet) == 0
    assert count_repeated_tokens([1, 7, 2, 1, 8], quiet) == 0  # "a dog on a boat"
    assert count_repeated_tokens([7, 7, 7], quiet) == 4  # two words too many, both running
    assert count_repeated_tokens([1, 1, 7], quiet) == 1  # a function word counts only where it follows itself


def drawn_for(photos: tuple[int, ...], views: tuple[int, ...], cells: int) -> Batch:
    """A batch whose own rows do not matter."""
    empty = torch.zeros(len(photos), 1, 2)
    return Batch(photos, views, empty.long(), empty[:, :, 0].long(), empty, torch.ones(len(photos), 1, 2, cells))


def test_samples_become_rows_that_weigh_their_advantage() -> None:
    start, end, pad = VOCABULARY.start, VOCABULARY.end, VOCABULARY.pad
    tokens = torch.tensor(
        [
            [[start, 4, end, pad], [start, 5, 6, 7], [start, end, pad, pad]],
            [[start, 8, 9, end], [start, end, pad, pad], [start, 4, end, pad]],
        ]
    )
    advantage = torch.tensor([[-1.0, 1.5, -0.5], [0.0, 2.0, -2.0]])
    batch = sampled_batch(drawn_for((7, 3), (0, 1), 6), tokens, advantage, pad)
    assert (batch.photos, batch.views) == ((7, 3), (0, 1))
    assert batch.lengths.tolist() == [[3, 2, 1], [3, 2, 1]]
    assert batch.token_ids.tolist() == [
        [[start, 5, 6, 7], [start, 4, end, pad], [start, end, pad, pad]],
        [[start, 8, 9, end], [start, 4, end, pad], [start, end, pad, pad]],
    ]
    assert batch.weights.tolist() == [
        [[1.5, 1.5, 1.5], [-1, -1, 0], [-0.5, 0, 0]],
        [[0, 0, 0], [-2, -2, 0], [2, 0, 0]],
    ]
    assert batch.covers.shape == (2, 3, 3, 6)
    assert not batch.covers.any()


def test_a_decoder_learns_what_is_rewarded() -> None:
    decoder, grid = tiny_decoder(), tiny_grid(photos=2)
    references = {0: "a red dog runs <end>", 1: "the man in water <end>", 2: "two ball grass <end>"}
    reward = CiderReward({photo: [SIDED.encode(text.split())] for photo, text in references.items()})
    optimizer = torch.optim.Adam(decoder.parameters(), 0.01)
    plain = drawn_for((0, 1), (0, 0), 15)
    torch.manual_seed(0)
    means = []
    for _ in range(80):
        tokens = sample_captions(decoder, grid, VOCABULARY, 24, max_words=6)
        scores = score_samples(tokens, plain.photos, (False, False), reward, VOCABULARY)
        batch = sampled_batch(plain, tokens, advantages(scores), VOCABULARY.pad)
        taught = decoder.teach(grid, batch.token_ids, batch.lengths)
        losses = torch.nn.functional.cross_entropy(taught.logits, taught.targets, reduction="none")
        optimizer.zero_grad()
        torch.autograd.backward((losses * batch.weights[taught.places.unbind(dim=1)]).sum())
        optimizer.step()
        means.append(float(scores.mean()))
    assert sum(means[-10:]) > 3 * sum(means[:10]) > 0
