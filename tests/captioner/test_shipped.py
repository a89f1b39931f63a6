"""Every public method of `Captioner` with the model that ships, compared with the same weights in plain layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from captioner.activations import see_stages
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint, load_checkpoint
from captioner.encoder import join_grids
from captioner.gaze import Gaze
from captioner.layout import _onednn_takes
from captioner.packed import SMALLEST, PackedLinear, PackedLSTMCell
from captioner.photo import prepare_photo
from captioner.search_options import PRESETS, SearchOptions
from captioner.vocabulary import SPECIAL_TOKENS
from shipped import (
    FEW,
    NATS,
    SHARE,
    best_caption,
    check_caption,
    check_description,
    close,
    example,
    grid,
    missing,
    plain,
    shipped,
    words,
)

CHANNEL = 5e-3  # of an annotation, whose channels reach some units


def check_annotations(found: torch.Tensor, expected: torch.Tensor) -> None:
    """But for the rounding of some sixty convolutions."""
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) <= CHANNEL * float(expected.abs().max())


class TestEveryMethod:
    def test_load(self) -> None:
        checkpoint, loaded = load_checkpoint(default_checkpoint()), shipped()
        assert loaded.vocabulary.tokens == checkpoint.vocabulary.tokens
        assert loaded.decoder.options == checkpoint.decoder.options
        assert loaded.encoder.channels == checkpoint.decoder.options.annotation_dim
        assert loaded.photo_settings == checkpoint.photo_settings

    def test_on(self) -> None:
        other = shipped().on("cpu")
        assert other.decoder is not shipped().decoder
        check_caption(other.replay(grid(), words()), plain().replay(grid(), words()))
        check_annotations(other.encode([example()]).annotations, grid().annotations)

    def test_describe(self) -> None:
        check_description(shipped().describe(example(), FEW))

    def test_describe_many(self) -> None:
        """A photo's captions do not depend on its neighbours."""
        for place, description in enumerate(shipped().describe_many([example(0), example(1)], FEW)):
            check_description(description, place)
            assert set(description.widths) == set(FEW.widths)

    def test_reduce(self) -> None:
        settings = shipped().photo_settings
        reduced = shipped().reduce(example())
        close(prepare_photo(reduced, settings), prepare_photo(example(), settings), 0.2)
        assert reduced.size <= example().size

    def test_encode(self) -> None:
        check_annotations(grid().annotations, plain().encode([example()]).annotations)
        both = shipped().encode([example(0), example(1)])
        check_annotations(both.annotations, torch.cat([grid(0).annotations, grid(1).annotations]))
        assert (both.height * both.width, shipped().encoder.channels) == both.annotations.shape[1:]

    def test_encode_pixels(self) -> None:
        pixels = torch.stack([prepare_photo(example(place), shipped().photo_settings) for place in (0, 1)])
        check_annotations(shipped().encode_pixels(pixels).annotations, plain().encode_pixels(pixels).annotations)

    def test_search(self) -> None:
        together = shipped().search(join_grids([grid(0), grid(1)]), FEW)
        for place, description in enumerate(together):
            check_description(description, place)
            check_description(shipped().search(grid(place), FEW)[0], place)
        begun = shipped().search(grid(), FEW, words()[:2])[0]
        assert all(caption.words[:2] == words()[:2] for caption in begun.captions)
        check_description(begun)

    @pytest.mark.parametrize("preset", PRESETS)
    def test_search_as_every_preset_does(self, preset: str) -> None:
        description = shipped().search(grid(), SearchOptions.preset(preset))[0]
        assert len(description.widths) > len(FEW.widths)
        for caption in description.captions:
            if not set(caption.words) & set(SPECIAL_TOKENS):
                again = plain().replay(grid(), caption.words)
                close(caption.log_probs, again.log_probs, NATS)
                close(caption.attention, again.attention, SHARE)

    def test_search_with_a_gaze(self) -> None:
        weights = np.zeros((grid().height, grid().width), np.float32)
        weights[0, 1] = 1
        found = shipped().search(grid(), FEW, gaze=Gaze(weights))[0]
        for caption in found.captions:
            close(caption.attention, np.broadcast_to(weights, caption.attention.shape), SHARE)
        assert shipped().search(grid(), FEW, words()[:1], Gaze(weights, step=1))[0].captions

    def test_replay(self) -> None:
        check_caption(shipped().replay(grid(), words()), plain().replay(grid(), words()))
        check_caption(shipped().replay(grid(), words()), best_caption())

    def test_look_inside(self) -> None:
        """The step worked out is the step that was taken, from the first word on to the caption's end."""
        replayed = plain().replay(grid(), words())
        for place in range(len(words()) + 1):
            inside = shipped().look_inside(grid(), words()[:place])
            expected = plain().look_inside(grid(), words()[:place])
            for name in ("decoder_part", "scores", "attention", "context", "gate", "logits", "log_probs"):
                close(getattr(inside, name), getattr(expected, name), NATS)
            close(inside.lstm.hidden, expected.lstm.hidden, SHARE)
            if place < len(words()):
                token = shipped().known_ids(words()[place : place + 1])[0]
                close(inside.log_probs[token], replayed.log_probs[place], NATS)
                close(inside.attention, replayed.attention[place].ravel(), SHARE)
            else:
                close(inside.log_probs[shipped().vocabulary.end], replayed.end_log_prob, NATS)

    def test_self_test(self) -> None:
        assert shipped().self_test.healthy, shipped().self_test.reason

    def test_known_ids(self) -> None:
        tokens = shipped().vocabulary.tokens
        known = [token for token in tokens if token not in SPECIAL_TOKENS]
        assert [tokens[place] for place in shipped().known_ids(known)] == known

    def test_blank(self) -> None:
        check_annotations(shipped().blank.annotations, plain().blank.annotations)
        assert float((shipped().blank.annotations - grid().annotations).abs().max()) > 0.1

    def test_none_is_left_out(self) -> None:
        assert missing((name for name in vars(Captioner) if not name.startswith("_")), TestEveryMethod) == []


@pytest.mark.skipif(not _onednn_takes((torch.zeros(1),)), reason="oneDNN is not to be had here")
def test_the_shipped_weights_really_are_laid_out_anew() -> None:
    """Else nothing here tries what visitors meet."""
    shipped().search(grid(), FEW)
    layers = [layer for layer in shipped().decoder.modules() if isinstance(layer, PackedLinear | PackedLSTMCell)]
    large = [layer for layer in layers if max(weight.numel() for weight in layer.parameters()) >= SMALLEST]
    assert len(large) >= 2
    assert all(layer._layout.product is not None for layer in large)
    assert not any(isinstance(layer, PackedLinear | PackedLSTMCell) for layer in plain().decoder.modules())


def test_the_stages_on_the_way_are_those_of_the_plain_encoder() -> None:
    pixels = prepare_photo(example(), shipped().photo_settings).unsqueeze(0)
    seen, expected = (see_stages(one.encoder, pixels, 4, 56) for one in (shipped(), plain()))
    check_annotations(seen.grid.annotations, expected.grid.annotations)
    assert list(seen.maps) == list(expected.maps)
    for name, maps in seen.maps.items():
        close(maps.strengths, expected.maps[name].strengths, CHANNEL)
        assert (maps.height, maps.width, maps.total) == (
            expected.maps[name].height,
            expected.maps[name].width,
            expected.maps[name].total,
        )
