"""Cached features equal what the encoder gives, survive a stop, and never serve another encoder."""

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
from captioner.training.features import FeatureCache, PhotoReader

SETTINGS = PhotoSettings(size=64, detail=32)
STAGE = 5


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


def test_both_views_equal_the_encoder(tmp_path: Path, examples: list[Example]) -> None:
    network = encoder()
    cache = FeatureCache(tmp_path / "run", examples, network, STAGE, SETTINGS)
    cache.fill()
    pixels = torch.stack([prepare_photo(open_photo(example.path), SETTINGS) for example in examples])
    with torch.no_grad():
        expected = network.until(torch.stack([pixels[2], pixels[0].flip(-1)]), STAGE)
    torch.testing.assert_close(cache.batch([2, 0], [0, 1]), expected, rtol=2e-3, atol=2e-3)


def test_a_stopped_fill_goes_on_where_it_was(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = encoder()
    broken = [*examples[:2], Example("gone.png", tmp_path / "gone.png", "train", ("a dog",))]
    cache = FeatureCache(tmp_path / "run", broken, network, STAGE, SETTINGS)
    cache.done_path.write_text("1")
    photo(60, 40, seed=2).save(tmp_path / "gone.png")
    opened: list[Path] = []

    def counted(path: Path) -> Image.Image:
        opened.append(path)
        return open_photo(path)

    monkeypatch.setattr("captioner.training.features.open_photo", counted)
    FeatureCache(tmp_path / "run", broken, network, STAGE, SETTINGS).fill()
    assert [path.name for path in opened] == ["1.png", "gone.png"]
    assert cache.done_path.read_text() == "3"
    assert (np.asarray(cache.array[0]) == 0).all()


def test_another_encoder_gets_another_file(tmp_path: Path, examples: list[Example]) -> None:
    run = tmp_path / "run"
    paths = {
        FeatureCache(run, examples, encoder(0), STAGE, SETTINGS).path,
        FeatureCache(run, examples, encoder(0), STAGE, SETTINGS).path,
        FeatureCache(run, examples, encoder(1), STAGE, SETTINGS).path,
        FeatureCache(run, examples, encoder(0), STAGE + 1, SETTINGS).path,
        FeatureCache(run, examples, encoder(0), STAGE, PhotoSettings(size=64, detail=None)).path,
        FeatureCache(run, examples[:2], encoder(0), STAGE, SETTINGS).path,
    }
    assert len(paths) == 5


def test_the_reader_gives_the_same_without_a_file(tmp_path: Path, examples: list[Example]) -> None:
    network = encoder()
    cache = FeatureCache(tmp_path / "run", examples, network, STAGE, SETTINGS)
    cache.fill()
    reader = PhotoReader(examples, network, STAGE, SETTINGS)
    torch.testing.assert_close(cache.batch([1, 2], [1, 0]), reader.batch([1, 2], [1, 0]), rtol=2e-3, atol=2e-3)


def test_stage_zero_of_the_reader_is_the_pixels_mirrored_when_asked(tmp_path: Path, examples: list[Example]) -> None:
    reader = PhotoReader(examples, encoder(), 0, SETTINGS)
    pixels = prepare_photo(open_photo(examples[0].path), SETTINGS)
    torch.testing.assert_close(reader.batch([0, 0], [0, 1]), torch.stack([pixels, pixels.flip(-1)]))
