"""Cached features equal what the encoder gives of each view, survive a stop, and never serve another encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from builders import photo
from captioner.encoder import Encoder, EncoderOptions
from captioner.photo import PhotoSettings, open_photo, prepare_photo
from captioner.training.data import Example
from captioner.training.features import FeatureCache, PhotoReader, see
from captioner.training.views import View

SETTINGS = PhotoSettings(size=64, detail=32)
STAGE = 5
WHOLE, MIRRORED, CROPPED = View(), View(mirrored=True), View((0.25, 0.0, 1.0, 0.75), mirrored=True)
VIEWS = ((WHOLE, MIRRORED), (WHOLE,), (WHOLE, MIRRORED, CROPPED))


def encoder(seed: int = 0) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(EncoderOptions("tf_efficientnet_lite0"))


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    made = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        photo(60, 40, seed=number).save(path)
        made.append(Example(path.name, path, "train", ("a dog",)))
    return made


def test_a_view_is_cropped_before_it_is_made_pixels(examples: list[Example]) -> None:
    cut = open_photo(examples[0].path).crop((15, 0, 60, 30)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    torch.testing.assert_close(see(examples[0], CROPPED, SETTINGS), prepare_photo(cut, SETTINGS))


def test_all_views_equal_the_encoder(tmp_path: Path, examples: list[Example]) -> None:
    network = encoder()
    cache = FeatureCache(tmp_path / "run", examples, VIEWS, network, STAGE, SETTINGS)
    cache.fill()
    pixels = torch.stack([prepare_photo(open_photo(example.path), SETTINGS) for example in examples])
    seen = torch.stack([pixels[2], pixels[0].flip(-1), see(examples[2], CROPPED, SETTINGS), pixels[1]])
    with torch.no_grad():
        expected = network.until(seen, STAGE)
    torch.testing.assert_close(cache.batch([2, 0, 2, 1], [0, 1, 2, 0]), expected, rtol=2e-3, atol=2e-3)


def test_only_the_views_a_photo_has_are_computed(tmp_path: Path, examples: list[Example]) -> None:
    cache = FeatureCache(tmp_path / "run", examples, VIEWS, encoder(), STAGE, SETTINGS)
    cache.fill()
    assert cache.done_path.read_text() == "6"
    filled = (np.asarray(cache.array) != 0).any(axis=(2, 3, 4))
    assert filled.tolist() == [[True, True, False], [True, False, False], [True, True, True]]


def test_a_stopped_fill_goes_on_where_it_was(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = encoder()
    broken = [*examples[:2], Example("gone.png", tmp_path / "gone.png", "train", ("a dog",))]
    cache = FeatureCache(tmp_path / "run", broken, VIEWS, network, STAGE, SETTINGS)
    cache.done_path.write_text("2")
    photo(60, 40, seed=2).save(tmp_path / "gone.png")
    opened: list[str] = []

    def counted(path: Path) -> Image.Image:
        opened.append(path.name)
        return open_photo(path)

    monkeypatch.setattr("captioner.training.features.open_photo", counted)
    FeatureCache(tmp_path / "run", broken, VIEWS, network, STAGE, SETTINGS).fill()
    assert sorted(opened) == ["1.png", "gone.png", "gone.png", "gone.png"]
    assert cache.done_path.read_text() == "6"
    assert (np.asarray(cache.array[0]) == 0).all()


def test_another_encoder_other_photos_and_other_views_get_another_file(tmp_path: Path, examples: list[Example]) -> None:
    run = tmp_path / "run"
    others = (VIEWS[0], VIEWS[1], (WHOLE, MIRRORED, View((0.25, 0.0, 1.0, 0.5), mirrored=True)))
    coarse = PhotoSettings(size=64, detail=None)
    paths = {
        FeatureCache(run, examples, VIEWS, encoder(0), STAGE, SETTINGS).path,
        FeatureCache(run, examples, VIEWS, encoder(0), STAGE, SETTINGS).path,
        FeatureCache(run, examples, VIEWS, encoder(1), STAGE, SETTINGS).path,
        FeatureCache(run, examples, VIEWS, encoder(0), STAGE + 1, SETTINGS).path,
        FeatureCache(run, examples, VIEWS, encoder(0), STAGE, coarse).path,
        FeatureCache(run, examples[:2], VIEWS[:2], encoder(0), STAGE, SETTINGS).path,
        FeatureCache(run, examples, others, encoder(0), STAGE, SETTINGS).path,
    }
    assert len(paths) == 6


def test_the_reader_gives_the_same_without_a_file(tmp_path: Path, examples: list[Example]) -> None:
    network = encoder()
    cache = FeatureCache(tmp_path / "run", examples, VIEWS, network, STAGE, SETTINGS)
    cache.fill()
    reader = PhotoReader(examples, VIEWS, network, STAGE, SETTINGS)
    torch.testing.assert_close(cache.batch([1, 2], [0, 2]), reader.batch([1, 2], [0, 2]), rtol=2e-3, atol=2e-3)


def test_stage_zero_of_the_reader_is_the_pixels_mirrored_when_asked(examples: list[Example]) -> None:
    reader = PhotoReader(examples, VIEWS, encoder(), 0, SETTINGS)
    pixels = prepare_photo(open_photo(examples[0].path), SETTINGS)
    torch.testing.assert_close(reader.batch([0, 0], [0, 1]), torch.stack([pixels, pixels.flip(-1)]))
