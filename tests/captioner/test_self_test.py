from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from builders import caption, tiny_captioner, tiny_checkpoint
from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.photo import PhotoSettings
from captioner.self_test import (
    LEAST_CONTRAST,
    REASONS,
    SIDE,
    SelfTest,
    contrast,
    judge_captions,
    make_photos,
    self_test,
)


def of(words: str, seed: int = 0, finished: bool = True) -> Caption:
    made = caption(tuple(words.split()), 4, 6, seed)
    return made if finished else replace(made, finished=False, end_log_prob=None)


def with_maps(made: Caption, maps: np.ndarray) -> Caption:
    return replace(made, attention=maps.astype(np.float32))


def one_hot(*cells: int) -> np.ndarray:
    return np.eye(24)[list(cells)].reshape(-1, 4, 6)


HEALTHY = [
    with_maps(of("a dog"), one_hot(0, 7)),
    with_maps(of("two men"), one_hot(9, 3)),
    with_maps(of("red"), one_hot(20)),
]


def test_the_photos_are_three_different_ones_of_full_contrast() -> None:
    photos = make_photos()
    assert [photo.size for photo in photos] == [(SIDE, SIDE)] * 3
    pixels = np.stack([np.asarray(photo, dtype=float) for photo in photos])
    for one in range(3):
        assert pixels[one].std() > 30
        assert np.abs(pixels[one] - pixels[(one + 1) % 3]).mean() > 50


def test_captions_that_differ_move_and_end_are_healthy() -> None:
    assert judge_captions(HEALTHY) == []


def test_the_same_caption_for_every_photo_is_found() -> None:
    same = [with_maps(of("a dog"), one_hot(place, place + 1)) for place in range(3)]
    assert judge_captions(same) == ["same_caption"]


def test_two_alike_out_of_three_are_not_enough() -> None:
    assert judge_captions([HEALTHY[0], HEALTHY[0], HEALTHY[1]]) == []


def test_one_map_for_every_word_is_found() -> None:
    stuck = [with_maps(of("a dog"), one_hot(3, 3)), with_maps(of("two men"), one_hot(9, 9)), HEALTHY[2]]
    assert judge_captions(stuck) == ["same_maps"]


def test_flat_maps_are_found_and_not_called_the_same_besides() -> None:
    flat = [with_maps(of(words), np.full((2, 4, 6), 1 / 24)) for words in ("a dog", "two men")]
    assert judge_captions(flat) == ["flat_maps"]


def test_captions_that_never_end_are_found_and_one_that_ends_is_enough() -> None:
    endless = [replace(made, finished=False, end_log_prob=None) for made in HEALTHY]
    assert judge_captions(endless) == ["endless"]
    assert judge_captions([*endless[:2], HEALTHY[2]]) == []


def test_captions_without_a_word_are_found() -> None:
    assert judge_captions([of("")] * 3) == ["silent"]


@pytest.mark.parametrize(
    "settings",
    [
        PhotoSettings(64, None, deviation=(255.0, 255.0, 255.0)),  # divided by 255 twice
        PhotoSettings(64, None, mean=(124.0, 116.0, 104.0), deviation=(58.0, 57.0, 57.0)),  # of another range
    ],
)
def test_black_input_is_found(settings: PhotoSettings) -> None:
    assert contrast(make_photos(), settings) < LEAST_CONTRAST
    captioner = Captioner(replace(tiny_checkpoint(), photo_settings=settings), "cpu")
    assert "black" in self_test(captioner).findings


@pytest.mark.parametrize(
    "settings",
    [
        PhotoSettings(64, None),
        PhotoSettings(64, None, mean=(0.0, 0.0, 0.0), deviation=(1.0, 1.0, 1.0)),
        PhotoSettings(64, None, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
    ],
)
def test_usual_settings_are_not_black(settings: PhotoSettings) -> None:
    assert contrast(make_photos(), settings) > 2 * LEAST_CONTRAST


def test_a_decoder_that_reads_every_cell_alike_is_found() -> None:
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        checkpoint.decoder.attention.score.weight.zero_()
    assert "flat_maps" in self_test(Captioner(checkpoint, "cpu")).findings


def test_a_decoder_that_does_not_look_at_the_photo_is_found() -> None:
    checkpoint = tiny_checkpoint()
    with torch.no_grad():
        for name, parameter in checkpoint.decoder.named_parameters():
            if "output" in name or "embedding" in name:
                parameter.zero_()
        checkpoint.decoder.output.bias[5] = 9.0  # one word for ever
    found = self_test(Captioner(checkpoint, "cpu")).findings
    assert "same_caption" in found
    assert "endless" in found


def test_a_captioner_tests_itself_once() -> None:
    captioner = tiny_captioner()
    assert captioner.self_test is captioner.self_test
    assert captioner.self_test.seconds > 0


def test_the_reason_is_one_sentence_of_all_that_was_found() -> None:
    assert SelfTest((), 0.1).healthy
    assert SelfTest((), 0.1).reason.startswith("It sees photos")
    bad = SelfTest(("same_caption", "endless"), 0.1)
    assert not bad.healthy
    assert bad.reason == (
        "It says the same of photos that have nothing in common; its captions do not end by themselves."
    )
    assert set(REASONS) == {"black", "same_caption", "same_maps", "flat_maps", "endless", "silent"}
