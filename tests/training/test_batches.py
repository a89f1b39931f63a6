"""Batches: photos seen once an epoch, all kinds in every step, and words and boxes that follow the view."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from builders import WORDS, tiny_vocabulary
from captioner.training.batches import Batch, BatchMaker, hide_words
from captioner.training.rows import Row
from captioner.training.views import Box, View
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary

VOCABULARY = tiny_vocabulary()
SIDED = Vocabulary((*SPECIAL_TOKENS, *WORDS, "left", "right"))
PLAIN, MIRRORED = View(), View(mirrored=True)


def row(*words: str, sentence: bool = True, boxes: Sequence[tuple[Box, ...]] = (), weight: float = 1.0) -> Row:
    """A caption, or a label, which does not end; `boxes` are those of its first words."""
    ids = [SIDED.start, *SIDED.encode(words)] + [SIDED.end] * sentence
    length = len(ids) - 1
    return Row(tuple(ids), (weight,) * length, (*boxes, *[()] * (length - len(boxes))), sentence)


def make(
    rows: Sequence[Sequence[Row]],
    views: tuple[View, ...] = (PLAIN,),
    photos_per_step: int = 4,
    vary: bool = True,
    vocabulary: Vocabulary = VOCABULARY,
) -> BatchMaker:
    return BatchMaker(rows, [views] * len(rows), vocabulary, (2, 4), photos_per_step, vary)


def epoch(maker: BatchMaker, seed: int = 0) -> list[tuple[Batch, ...]]:
    return list(maker.epoch(torch.Generator().manual_seed(seed)))


def several(words: int) -> list[Row]:
    return [row(*["dog"] * words), row("the", "water")]


def lone(words: int) -> list[Row]:
    return [row(*["man"] * words)]


def labelled() -> list[Row]:
    return [row("a", "ball", sentence=False)]


def test_every_photo_is_in_exactly_one_batch_and_padding_is_outside_the_lengths() -> None:
    rows = [several(2 + n % 4) for n in range(11)] + [[]]
    maker = make(rows)
    seen: list[int] = []
    steps = epoch(maker)
    assert len(steps) == maker.steps == 3
    for (batch,) in steps:
        seen += batch.photos
        assert len(batch.photos) == len(batch.views) <= 4
        longest = batch.lengths[:, 0].tolist()
        assert longest == sorted(longest, reverse=True)
        assert batch.weights.shape == (len(batch.photos), 2, longest[0])
        assert batch.covers.shape == (len(batch.photos), 2, longest[0], 8)
        for p, place in enumerate(batch.photos):
            for r, own in enumerate(rows[place]):
                assert batch.lengths[p, r] == own.length
                assert batch.token_ids[p, r, : own.length + 1].tolist() == list(own.ids)
                assert (batch.token_ids[p, r, own.length + 1 :] == VOCABULARY.pad).all()
    assert sorted(seen) == list(range(11))


def test_weights_stand_at_their_tokens_and_are_nought_elsewhere() -> None:
    label = Row((SIDED.start, 4, 5), (0.0, 0.5), ((), ()), sentence=False)
    ((batch,),) = epoch(make([[row("a", "dog", weight=3.0), label], [row("man", weight=1.5)]]))
    assert batch.photos == (0, 1)
    assert batch.weights.tolist() == [[[3, 3, 3], [0, 0.5, 0]], [[1.5, 1.5, 0], [0, 0, 0]]]
    assert batch.lengths.tolist() == [[3, 2], [2, 0]]


def test_every_step_has_photos_of_every_kind_each_kind_in_a_batch_of_its_own() -> None:
    rows = [several(2 + n % 5) for n in range(14)] + [lone(1 + n % 5) for n in range(7)] + [labelled()] * 9
    kinds = [0] * 14 + [1] * 7 + [2] * 9
    maker = make(rows, photos_per_step=5)
    steps = epoch(maker)
    assert len(steps) == 6
    for batches in steps:
        assert sorted({kinds[place] for place in batch.photos} for batch in batches) == [{0}, {1}, {2}]
        assert 4 <= sum(len(batch.photos) for batch in batches) <= 7  # a sixth of each kind, rounded
    assert sorted(place for batches in steps for batch in batches for place in batch.photos) == list(range(30))


def test_captions_beside_labels_count_as_captions() -> None:
    both = [row("a", "red", "ball"), *labelled()]
    steps = epoch(make([both, lone(2), labelled()], photos_per_step=3))
    assert sorted(sorted(batch.photos) for batch in steps[0]) == [[0, 1], [2]]


@pytest.mark.parametrize("photos_per_step", [1, 2])
def test_no_step_is_empty_when_kinds_have_fewer_photos_than_there_are_steps(photos_per_step: int) -> None:
    for seed in range(20):
        steps = epoch(make([several(2), lone(3), labelled()], photos_per_step=photos_per_step), seed)
        assert all(steps)
        assert sorted(place for batches in steps for batch in batches for place in batch.photos) == [0, 1, 2]


def test_photos_of_about_equally_long_captions_share_a_step() -> None:
    rows = [lone(2 if n % 2 else 12) for n in range(32)]
    for (batch,) in epoch(make(rows)):
        assert len(set(batch.lengths[:, 0].tolist())) == 1


def test_photos_that_may_not_vary_are_shown_in_their_first_view_and_others_in_all() -> None:
    rows = [lone(2) for _ in range(60)]
    views = (PLAIN, MIRRORED, View((0.0, 0.0, 0.9, 0.9)))
    seen = {
        vary: {view for (batch,) in epoch(make(rows, views, vary=vary)) for view in batch.views}
        for vary in (False, True)
    }
    assert seen == {False: {0}, True: {0, 1, 2}}


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    maker = make([lone(1 + n % 3) for n in range(30)], (PLAIN, MIRRORED))
    orders = [[(batch.photos, batch.views) for (batch,) in epoch(maker, seed)] for seed in (3, 3, 4)]
    assert orders[0] == orders[1] != orders[2]


ONE_CELL: tuple[Box, ...] = ((0.5, 0.0, 0.75, 0.5),)  # the third cell of the upper row, of 2 x 4
EVERYTHING: tuple[Box, ...] = ((0.0, 0.0, 1.0, 1.0),)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (PLAIN, [[0, 0, 1, 0], [0, 0, 0, 0]]),
        (MIRRORED, [[0, 1, 0, 0], [0, 0, 0, 0]]),
        (View((0.5, 0.0, 1.0, 0.5)), [[1, 1, 0, 0], [1, 1, 0, 0]]),
        (View((0.5, 0.0, 1.0, 0.5), mirrored=True), [[0, 0, 1, 1], [0, 0, 1, 1]]),
        (View((0.0, 0.0, 0.5, 1.0)), [[0, 0, 0, 0], [0, 0, 0, 0]]),  # out of sight
    ],
)
def test_boxes_follow_the_view(view: View, expected: list[list[int]]) -> None:
    told = row("a", "dog", "in", "water", boxes=(ONE_CELL, ONE_CELL, (), EVERYTHING))
    ((batch,),) = epoch(make([[told]], (view,)))
    covers = batch.covers[0, 0].view(5, 2, 4)
    empty = torch.zeros(2, 4)
    torch.testing.assert_close(covers[0], torch.tensor(expected).float())
    torch.testing.assert_close(covers[1], covers[0])
    torch.testing.assert_close(covers[2:], torch.stack([empty, empty + 1, empty]))


def test_two_boxes_of_a_phrase_are_both_covered() -> None:
    told = row("two", "dog", boxes=((*ONE_CELL, (0.0, 0.5, 0.125, 1.0)),))
    ((batch,),) = epoch(make([[told]]))
    assert batch.covers[0, 0, 0].tolist() == [0, 0, 1, 0, 0.5, 0, 0, 0]


def test_in_mirrored_views_left_is_right() -> None:
    rows = [[row("left", "dog"), row("right", sentence=False)] for _ in range(12)]
    ids = {False: ["left", "dog", "right"], True: ["right", "dog", "left"]}
    seen = set()
    for (batch,) in epoch(make(rows, (PLAIN, MIRRORED), vocabulary=SIDED)):
        for own, view in zip(batch.token_ids, batch.views, strict=True):
            words = SIDED.decode([*own[0, 1:3].tolist(), *own[1, 1:2].tolist()])
            assert words == ids[view == 1]
            seen.add(view)
    assert seen == {0, 1}


def test_hidden_words_leave_start_and_padding_alone() -> None:
    tokens = torch.tensor([[VOCABULARY.start, 5, 6, VOCABULARY.end, VOCABULARY.pad]]).repeat(400, 1)
    torch.manual_seed(0)
    hidden = hide_words(tokens, VOCABULARY, 0.25)
    assert (hidden[:, 0] == VOCABULARY.start).all()
    assert (hidden[:, 4] == VOCABULARY.pad).all()
    share = float((hidden[:, 1:4] == VOCABULARY.unk).float().mean())
    assert 0.2 < share < 0.3
    assert (hide_words(tokens, VOCABULARY, 0.0) == tokens).all()
