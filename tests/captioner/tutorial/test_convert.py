"""Converted checkpoints say what the tutorial's own modules say, word for word and map for map."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from builders import photo
from captioner.__main__ import main
from captioner.bench.textbook import DecoderWithAttention, Encoder, tutorial_captions
from captioner.captioner import Captioner
from captioner.checkpoint import load_checkpoint, save_checkpoint
from captioner.errors import CheckpointError
from captioner.search_options import SearchOptions
from captioner.tutorial.convert import convert_tutorial, read_word_map
from tutorial_models import save_tutorial, tutorial_modules, word_map

WIDTHS = (1, 3, 5, 10)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "WORDMAP_coco.json"
    path.write_text(json.dumps(word_map()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights; tests that only read share it."""
    return save_tutorial(tmp_path_factory.mktemp("tutorial") / "BEST.pth.tar", *tutorial_modules())


def converted(path: Path, words: Path, folder: Path) -> Captioner:
    """Through the whole road: convert, save, load."""
    out = folder / "out.safetensors"
    assert main(["convert", str(path), "--word-map", str(words), "--out", str(out)]) == 0
    return Captioner.load(out, "cpu")


def compare(captioner: Captioner, encoder: Encoder, decoder: DecoderWithAttention, size: tuple[int, int]) -> int:
    """Every finished caption of every width against the textbook; returns how many were compared."""
    numbers = word_map()
    names = {number: word for word, number in numbers.items()}
    shown = photo(*size, seed=3)
    description = captioner.describe(shown, SearchOptions.preset("tutorial", WIDTHS))
    compared = 0
    for width in WIDTHS:
        told = tutorial_captions(encoder, decoder, shown, width, numbers["<start>"], numbers["<end>"])
        expected = [sequence for sequence in told if sequence.finished]
        found = [caption for caption in description.at_width(width) if caption.finished]
        assert [list(caption.words) for caption in found] == [[names[word] for word in one.words] for one in expected]
        for caption, one in zip(found, expected, strict=True):
            given = [*caption.log_probs.tolist(), caption.end_log_prob]
            np.testing.assert_allclose(given, one.log_probs, rtol=1e-4, atol=1e-4)
            np.testing.assert_allclose(
                caption.attention, np.array(one.maps).reshape(caption.attention.shape), atol=1e-5
            )
            assert caption.score == pytest.approx(one.total, rel=1e-4)
        compared += len(found)
    return compared


@pytest.mark.parametrize(("legacy", "peaked"), [(False, 1.0), (True, 3.0)], ids=["zip-random", "legacy-peaked"])
def test_it_says_what_the_tutorial_says(tmp_path: Path, words: Path, legacy: bool, peaked: float) -> None:
    encoder, decoder = tutorial_modules(peaked)
    path = save_tutorial(tmp_path / "c.pth.tar", encoder, decoder, legacy=legacy, tuned=legacy)
    captioner = converted(path, words, tmp_path)
    assert sum(compare(captioner, encoder, decoder, size) for size in ((96, 64), (300, 411))) >= 12


def test_the_stretched_grid_is_told(file: Path, words: Path, tmp_path: Path) -> None:
    captioner = converted(file, words, tmp_path)
    grid = captioner.encode([photo()])
    assert (grid.native, grid.height, grid.width, grid.stretched) == ((8, 8), 14, 14, True)


def test_by_default_no_unknown_word_is_said(file: Path, words: Path, tmp_path: Path) -> None:
    captioner = converted(file, words, tmp_path)
    bias = captioner.decoder.output.bias
    with torch.no_grad():
        bias[captioner.vocabulary.unk] += 1000
    by_tutorial = captioner.describe(photo(), SearchOptions.preset("tutorial", (3,))).at_width(3)[0]
    ours = captioner.describe(photo(), SearchOptions(widths=(3,))).at_width(3)[0]
    assert "<unk>" in by_tutorial.words
    assert len(by_tutorial.words) == 51
    assert not by_tutorial.finished  # where the tutorial's loop crashes
    assert "<unk>" not in ours.words


def test_the_card_keeps_what_the_file_says(file: Path, words: Path) -> None:
    card = convert_tutorial(file, words, "mine", "COCO 2014").card
    assert (card.name, card.trained_on) == ("mine", "COCO 2014")
    assert card.provenance["converted_from"] == "BEST.pth.tar"
    assert len(card.provenance["sha256"]) == 64
    assert [card.provenance[key] for key in ("epoch", "epochs_since_improvement", "bleu4")] == [7, 2, 0.24]


def test_dropout_comes_along(file: Path, words: Path) -> None:
    assert convert_tutorial(file, words, "mine", "").decoder.options.dropout == 0.4


def test_state_dicts_and_parallel_modules_are_read_too(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    plain = convert_tutorial(save_tutorial(tmp_path / "plain", encoder, decoder), words, "m", "")
    parallel = save_tutorial(tmp_path / "parallel", nn.DataParallel(encoder), nn.DataParallel(decoder))
    states = tmp_path / "states"
    torch.save({"encoder": encoder.state_dict(), "decoder": nn.DataParallel(decoder).state_dict()}, states)
    for other in (convert_tutorial(parallel, words, "m", ""), convert_tutorial(states, words, "m", "")):
        for half in ("encoder", "decoder"):
            for name, tensor in getattr(plain, half).state_dict().items():
                assert torch.equal(tensor, getattr(other, half).state_dict()[name]), name


def test_half_precision_is_read(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    path = save_tutorial(tmp_path / "half", encoder.half(), decoder.half())
    weight = convert_tutorial(path, words, "m", "").decoder.output.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, decoder.fc.weight.float())


@pytest.mark.parametrize(
    "content",
    ["[]", "{", '{"a": 0}', '{"<pad>": 0, "<start>": 1, "<end>": 2, "<unk>": 4}', '{"<pad>": 0, "a": 0.5}', "7"],
)
def test_a_word_map_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "WORDMAP.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"WORDMAP\.json"):
        read_word_map(path)


def test_another_word_map_is_refused(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "W.json"
    path.write_text(json.dumps({**word_map(), "more": len(word_map())}))
    with pytest.raises(CheckpointError, match="expected a word map of 16 words, got one of 17"):
        convert_tutorial(file, path, "m", "")


def test_a_decoder_of_another_model_is_refused(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    decoder.extra = nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=r"'extra.weight', which the tutorial's has not"):
        convert_tutorial(save_tutorial(tmp_path / "c", encoder, decoder), words, "m", "")
    del decoder.extra, decoder.f_beta
    with pytest.raises(CheckpointError, match="got one without gate"):
        convert_tutorial(save_tutorial(tmp_path / "c", encoder, decoder), words, "m", "")


def test_an_encoder_of_another_kind_is_refused(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    layer = encoder.resnet[4]
    assert isinstance(layer, nn.Sequential)
    encoder.resnet[4] = layer[:2]
    with pytest.raises(CheckpointError, match=r"residual layers of \(2, 4, 23, 3\) blocks"):
        convert_tutorial(save_tutorial(tmp_path / "c", encoder, decoder), words, "m", "")


def test_a_stride_that_is_not_resnet_s_is_refused(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    for layer in ("5.0.conv2", "5.0.downsample.0"):
        convolution = encoder.resnet.get_submodule(layer)
        assert isinstance(convolution, nn.Conv2d)
        convolution.stride = (1, 1)
    with pytest.raises(CheckpointError, match=r"resnet.5.0.conv2 to have stride \(2, 2\)"):
        convert_tutorial(save_tutorial(tmp_path / "c", encoder, decoder), words, "m", "")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, words: Path) -> None:
    encoder, decoder = tutorial_modules()
    decoder.fc.bias.data[0] = float("nan")
    with pytest.raises(CheckpointError, match=r"decoder.output.bias holds numbers that are none"):
        convert_tutorial(save_tutorial(tmp_path / "c", encoder, decoder), words, "m", "")


def test_a_file_without_the_modules_is_refused(tmp_path: Path, words: Path) -> None:
    torch.save({"model": torch.zeros(2)}, tmp_path / "c")
    with pytest.raises(CheckpointError, match="keys encoder and decoder, each a module, got model"):
        convert_tutorial(tmp_path / "c", words, "m", "")


def test_what_was_converted_is_a_checkpoint_like_any_other(file: Path, words: Path, tmp_path: Path) -> None:
    first = convert_tutorial(file, words, "m", "")
    save_checkpoint(first, tmp_path / "a.safetensors")
    again = load_checkpoint(tmp_path / "a.safetensors")
    assert again.photo_settings == first.photo_settings
    assert again.encoder.options == first.encoder.options
    for name, tensor in first.decoder.state_dict().items():
        assert torch.equal(tensor, again.decoder.state_dict()[name])


def test_the_command_line_has_the_preset(
    file: Path, words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    captioner = converted(file, words, tmp_path)
    shown = tmp_path / "photo.png"
    photo().save(shown)
    capsys.readouterr()
    arguments = [
        "caption",
        str(shown),
        "--checkpoint",
        str(tmp_path / "out.safetensors"),
        "--json",
        "--beam-width",
        "3",
    ]
    assert main([*arguments, "--preset", "tutorial"]) == 0
    said = json.loads(capsys.readouterr().out)
    expected = captioner.describe(photo(), SearchOptions.preset("tutorial", (3,))).to_json(3)
    assert [caption["text"] for caption in said["captions"]] == [caption["text"] for caption in expected["captions"]]
    with pytest.raises(SystemExit):
        main([*arguments, "--preset", "textbook"])
