"""Padded captions: nothing lost, nothing learnt twice, photos seen once an epoch."""

from __future__ import annotations

from pathlib import Path

import torch

from builders import tiny_vocabulary
from captioner.training.batches import encode_captions, hide_words, make_batches
from captioner.training.data import Example

VOCABULARY = tiny_vocabulary()


def example(name: str, *captions: str) -> Example:
    return Example(name, Path(name), "train", captions)


def test_captions_become_ids_longest_first() -> None:
    encoded = encode_captions([example("p", "A dog", "Two men in the water", "!")], VOCABULARY, max_words=10)
    start, end, unk = VOCABULARY.start, VOCABULARY.end, VOCABULARY.unk
    two, inside, the, water, a, dog = VOCABULARY.encode(["two", "in", "the", "water", "a", "dog"])
    assert encoded == [[[start, two, unk, inside, the, water, end], [start, a, dog, end]]]


def test_a_cut_caption_does_not_end() -> None:
    encoded = encode_captions([example("p", "a dog in the water")], VOCABULARY, max_words=2)
    assert encoded == [[[VOCABULARY.start, *VOCABULARY.encode(["a", "dog"])]]]


def test_every_photo_is_in_exactly_one_batch_and_padding_is_outside_the_lengths() -> None:
    captions = encode_captions(
        [example(str(n), "a dog " * (1 + n % 4), "the water") for n in range(11)] + [example("none")], VOCABULARY, 20
    )
    seen: list[int] = []
    for batch in make_batches(captions, VOCABULARY.pad, 4, True, torch.Generator().manual_seed(0)):
        seen += batch.photos
        assert len(batch.photos) == len(batch.views) <= 4
        longest = batch.lengths[:, 0].tolist()
        assert longest == sorted(longest, reverse=True)
        for row, place in enumerate(batch.photos):
            for column, ids in enumerate(captions[place]):
                length = int(batch.lengths[row, column])
                assert batch.token_ids[row, column, : length + 1].tolist() == ids
                assert (batch.token_ids[row, column, length + 1 :] == VOCABULARY.pad).all()
    assert sorted(seen) == list(range(11))


def test_without_flips_no_photo_is_mirrored_and_with_flips_some_are() -> None:
    captions = encode_captions([example(str(n), "a dog") for n in range(40)], VOCABULARY, 20)
    views = {
        flip: {v for b in make_batches(captions, 0, 8, flip, torch.Generator().manual_seed(1)) for v in b.views}
        for flip in (False, True)
    }
    assert views == {False: {0}, True: {0, 1}}


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    captions = encode_captions([example(str(n), "a dog " * (1 + n % 3)) for n in range(30)], VOCABULARY, 20)
    orders = [
        [b.photos for b in make_batches(captions, 0, 4, True, torch.Generator().manual_seed(seed))]
        for seed in (3, 3, 4)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_hidden_words_leave_start_and_padding_alone() -> None:
    tokens = torch.tensor([[VOCABULARY.start, 5, 6, VOCABULARY.end, VOCABULARY.pad]]).repeat(400, 1)
    torch.manual_seed(0)
    hidden = hide_words(tokens, VOCABULARY, 0.25)
    assert (hidden[:, 0] == VOCABULARY.start).all()
    assert (hidden[:, 4] == VOCABULARY.pad).all()
    share = float((hidden[:, 1:4] == VOCABULARY.unk).float().mean())
    assert 0.2 < share < 0.3
    assert (hide_words(tokens, VOCABULARY, 0.0) == tokens).all()
