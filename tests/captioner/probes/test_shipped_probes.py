"""Every experiment with the model that ships, compared with the same weights in plain layers."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import numpy as np
import torch

from captioner import probes
from captioner.probes.box_check import check_boxes
from captioner.probes.erasing import erase, outline_mask, outlook
from captioner.probes.map_test import delete_cells, map_test
from captioner.probes.replaying import replay, state_before, without_cells, word_ids
from captioner.probes.second import second_opinion
from captioner.probes.seen import seen_or_guessed
from captioner.probes.shuffling import shuffled_decoder, shuffled_maps
from shipped import (
    FEW,
    NATS,
    SHARE,
    best_caption,
    check_caption,
    close,
    example,
    grid,
    missing,
    plain,
    shipped,
    step,
    words,
)

SQUARE = [(0.2, 0.2), (0.7, 0.2), (0.7, 0.7), (0.2, 0.7)]


def public_functions() -> Iterator[str]:
    """Of all the rooms of `captioner.probes`."""
    for module in pkgutil.iter_modules(probes.__path__):
        room = importlib.import_module(f"captioner.probes.{module.name}")
        for name, function in inspect.getmembers(room, inspect.isfunction):
            if function.__module__ == room.__name__ and not name.startswith("_"):
                yield name


class TestEveryProbe:
    def test_word_ids(self) -> None:
        ids = word_ids(shipped(), grid(), words(), step())
        assert ids == word_ids(plain(), grid(), words(), step())
        assert [shipped().vocabulary.tokens[place] for place in ids[1:]] == list(words())

    def test_replay(self) -> None:
        ids = word_ids(shipped(), grid(), words())
        with torch.inference_mode():
            found = replay(shipped(), grid(), ids)
        close(found[0], plain().replay(grid(), words()).log_probs, NATS)

    def test_state_before(self) -> None:
        ids = word_ids(shipped(), grid(), words())
        with torch.inference_mode():
            state, expected = (state_before(one, grid(), ids, step()) for one in (shipped(), plain()))
        close(state.hidden, expected.hidden, SHARE)
        close(state.cell, expected.cell, SHARE)

    def test_without_cells(self) -> None:
        cells = grid().height * grid().width
        gone = torch.zeros(2, cells, dtype=torch.bool)
        gone[1] = True
        emptied = without_cells(shipped(), grid(), gone).annotations
        assert torch.equal(emptied[0], grid().annotations[0])
        assert torch.equal(emptied[1], shipped().blank.annotations[0])

    def test_map_test(self) -> None:
        found, expected = (map_test(one, grid(), words(), step()) for one in (shipped(), plain()))
        close(found.log_prob, plain().replay(grid(), words()).log_probs[step()], NATS)
        close([found.log_prob, found.uniform], [expected.log_prob, expected.uniform], NATS)
        close(found.shuffled, expected.shuffled, NATS)

    def test_delete_cells(self) -> None:
        ids = word_ids(shipped(), grid(), words())[: step() + 2]
        attention = torch.tensor(best_caption().attention[step()]).flatten()
        with torch.inference_mode():
            found, expected = (
                delete_cells(one, grid(), ids, attention, torch.Generator().manual_seed(0))
                for one in (shipped(), plain())
            )
        for name in ("by_attention", "by_chance", "from_centre"):
            close(getattr(found, name), getattr(expected, name), 10 * NATS)  # they have blank photos of their own

    def test_seen_or_guessed(self) -> None:
        found, expected = (seen_or_guessed(one, grid(), words()) for one in (shipped(), plain()))
        close(found.log_probs, plain().replay(grid(), words()).log_probs, NATS)
        close(found.blind, expected.blind, 10 * NATS)

    def test_second_opinion(self) -> None:
        found, expected = (second_opinion(one, grid(), words(), step()) for one in (shipped(), plain()))
        close(found.attention, plain().replay(grid(), words()).attention[step()], SHARE)
        close(found.attribution, expected.attribution, NATS)

    def test_check_boxes(self) -> None:
        (whole,) = check_boxes(best_caption(), {words()[step()]: [(0.0, 0.0, 1.0, 1.0)]})[:1]
        close([whole.mass, whole.hit, whole.centre_mass, whole.centre_hit], np.ones(4), SHARE)

    def test_outline_mask(self) -> None:
        inside = np.asarray(outline_mask(SQUARE, *example().size)) > 0
        close(inside.mean(), 0.25, 0.02)

    def test_erase(self) -> None:
        for fill in ("inpaint", "flat"):
            erased = erase(example(), SQUARE, fill)
            changed = (np.asarray(erased) != np.asarray(example())).any(axis=-1)
            inside = np.asarray(outline_mask(SQUARE, *example().size)) > 0
            assert changed[inside].mean() > 0.9
            features = shipped().encode([erased])
            caption = shipped().search(features, FEW)[0].at_width(3)[0]
            check_caption(caption, plain().replay(features, caption.words))

    def test_outlook(self) -> None:
        found = outlook(best_caption(), best_caption(), SQUARE)
        assert found.words == words()
        assert not any(found.lost)
        assert all(0 <= share <= 1 for share in found.inside)
        assert all(outlook(best_caption(), plain().replay(grid(), words()[:1]), SQUARE).lost[1:])

    def test_shuffled_decoder(self) -> None:
        shuffled = shuffled_decoder(shipped().decoder)
        for name, weight in shipped().decoder.named_parameters():
            dealt = shuffled.get_parameter(name)
            assert torch.equal(dealt.flatten().sort().values, weight.flatten().sort().values)

    def test_shuffled_maps(self) -> None:
        found, expected = (shuffled_maps(one, grid(), words()) for one in (shipped(), plain()))
        close(found, expected, SHARE)
        close(found.sum(axis=(1, 2)), np.ones(len(words())), SHARE)
        assert np.abs(found - best_caption().attention).max() > 10 * SHARE

    def test_none_is_left_out(self) -> None:
        assert missing(public_functions(), TestEveryProbe) == []
