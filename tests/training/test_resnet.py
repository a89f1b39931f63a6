"""A ResNet is trained from the command line as the tutorial trains its own: frozen first, then from its layer2 on."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torchvision.models import ResNet101_Weights, resnet101

from captioner.__main__ import main
from captioner.captioner import Captioner
from captioner.encoder import Encoder, EncoderOptions
from captioner.errors import EncoderError
from captioner.photo import open_photo
from captioner.search_options import SearchOptions
from captioner.training import train as training
from captioner.training.epoch_losses import EpochLosses
from captioner.training.options import TrainOptions
from captioner.training.pretrained import load_imagenet_weights
from captioner.training.saving import Progress
from captioner.training.train import Run

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of a coloured disc, three to learn from and three to validate."""
    folder = tmp_path_factory.mktemp("discs")
    (folder / "images").mkdir()
    records = []
    for split in ("train", "val"):
        for colour, rgb in COLOURS.items():
            image = Image.new("RGB", (64, 64), (110, 110, 110))
            ImageDraw.Draw(image).ellipse((12, 12, 52, 52), fill=rgb)
            image.save(folder / "images" / f"{split}_{colour}.png")
            captions = [f"a {colour} disc .", f"the disc is {colour} ."]
            records.append({"filename": f"{split}_{colour}.png", "split": split, "captions": captions})
    (folder / "captions.json").write_text(json.dumps(records))
    return folder


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two channels instead of 64 inside, for the time's sake; the command itself asks for the published width."""
    monkeypatch.setattr("captioner.commands.train.EncoderOptions", functools.partial(EncoderOptions, width=2))


def arguments(shapes: Path, run: Path, *more: str) -> list[str]:
    fixed = f"train --data {shapes} --out {run}/model.safetensors --run-dir {run} --encoder resnet101 --from-scratch"
    sizes = " --size 64 --detail 0 --photos-per-batch 2 --embedding-dim 16 --hidden-dim 16 --attention-dim 16"
    return [*(fixed + sizes + " --min-count 1 --views 1 --patience 9 --average 0.1").split(), *more]


def weights_of(run: Path) -> dict[str, Tensor]:
    model = torch.load(run / "state.pt", weights_only=True)["model"]
    return {name.removeprefix("encoder."): tensor for name, tensor in model.items() if name.startswith("encoder.")}


def moved(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[int]:
    """The stages whose weights differ."""
    return {int(name.split(".")[1]) for name, tensor in after.items() if not torch.equal(tensor, before[name])}


@pytest.mark.usefixtures("narrow")
def test_frozen_epochs_then_layer2_and_what_follows_then_a_checkpoint_that_captions(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[int, dict[str, Tensor], list[float]]] = []
    plain = Run._epoch

    def watched(self: Run) -> EpochLosses:
        losses = plain(self)
        weights = {name: tensor.clone() for name, tensor in self.model.encoder.state_dict().items()}
        seen.append((self.progress.epoch, weights, [group["initial_lr"] for group in self.optimizer.param_groups]))
        return losses

    monkeypatch.setattr(Run, "_epoch", watched)
    rates = ("--learning-rate", "4e-4", "--encoder-learning-rate", "1e-4")
    more = ("--stretch", "7", "--tutorial-decoder", "--epochs", "3", "--frozen-epochs", "2", *rates)
    assert main(arguments(shapes, tmp_path, *more)) == 0
    first, second, third = (weights for _, weights, _ in seen)
    assert moved(first, second) == set()
    assert moved(second, third) == {2, 3, 4}
    ratio = seen[0][2][0] / seen[0][2][1]
    assert ratio == pytest.approx(4.0)  # decoder to encoder
    captioner = Captioner.load(tmp_path / "model.safetensors", "cpu")
    assert captioner.encoder.options == EncoderOptions("resnet101", 32, 7, width=2)
    assert (captioner.photo_settings.size, captioner.photo_settings.resampling) == (64, "bilinear")
    assert captioner.photo_settings.mean == (0.485, 0.456, 0.406)
    assert not captioner.decoder.options.deep_output
    shown = open_photo(shapes / "images" / "val_red.png")
    description = captioner.describe(shown, SearchOptions(widths=(3,)))
    assert (description.grid, description.native) == ((7, 7), (2, 2))
    assert description.at_width(3)[0].words
    capsys.readouterr()
    scores = tmp_path / "scores.json"
    evaluate = f"evaluate --data {shapes} --split val --beam-width 1,3 --tokenizer simple --json {scores}"
    assert main([*evaluate.split(), "--checkpoint", str(tmp_path / "model.safetensors"), "--device", "cpu"]) == 0
    assert json.loads(scores.read_text())


@pytest.mark.usefixtures("narrow")
def test_a_stopped_run_goes_on_where_it_was(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = ("--epochs", "2", "--frozen-epochs", "1", "--output-stride", "16")
    assert main(arguments(shapes, tmp_path / "whole", *more)) == 0
    plain, steps = Run._step, 0

    def stop_in_the_second_epoch(self: Run, batch: Any, number: int) -> EpochLosses:
        nonlocal steps
        steps += 1
        if steps == 4:  # of two an epoch
            raise KeyboardInterrupt
        return plain(self, batch, number)

    eager = arguments(shapes, tmp_path / "broken", *more, "--save-minutes", "0")
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_step", stop_in_the_second_epoch)
        assert main(eager) == 130
    assert main(eager) == 0
    whole, broken = weights_of(tmp_path / "whole"), weights_of(tmp_path / "broken")
    for name, tensor in whole.items():
        torch.testing.assert_close(broken[name], tensor, rtol=1e-4, atol=1e-5)
    captioner = Captioner.load(tmp_path / "broken" / "model.safetensors", "cpu")
    grid = captioner.encode([open_photo(shapes / "images" / "val_red.png")])
    assert (grid.native, grid.stretched) == ((4, 4), False)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("--encoder", "resnet101"), 2),
        (("--encoder", "resnet50", "--tune-from", "4"), 4),
        (("--encoder", "resnet101", "--tune-from", "0"), 0),
        (("--encoder", "resnet101", "--frozen"), None),
        (("--encoder", "tf_efficientnet_lite2"), 20),
    ],
)
def test_where_tuning_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...], expected: int | None
) -> None:
    asked: list[TrainOptions] = []

    def remember(options: TrainOptions) -> Progress:
        asked.append(options)
        return Progress()

    monkeypatch.setattr(training, "train", remember)
    assert main(["train", "--data", str(tmp_path), "--out", str(tmp_path / "m.safetensors"), *given]) == 0
    assert [options.tune_from for options in asked] == [expected]


@pytest.mark.usefixtures("narrow")
def test_a_stage_a_resnet_lacks(shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments(shapes, tmp_path, "--tune-from", "6")) == 2
    assert "expected --tune-from of 0 to 5, got 6" in capsys.readouterr().err


def test_the_help_says_what_the_stages_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "of a ResNet 0 is the stem, 1 to 4 its residual layers, 5 none (default 2, as in the tutorial)" in told


@pytest.fixture(scope="module")
def published() -> dict[str, Tensor]:
    """The state dict of torchvision's own network, full size, its weights and statistics random."""
    torch.manual_seed(2)
    network = resnet101()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.1, 0.3)
            nn.init.uniform_(module.bias, -0.1, 0.1)
            assert module.running_mean is not None
            module.running_mean.uniform_(-0.1, 0.1)
    return dict(network.state_dict())


def download(monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor] | Exception) -> None:
    def get(self: object, progress: bool, check_hash: bool, weights_only: bool) -> dict[str, Tensor]:
        assert check_hash
        assert weights_only  # nothing in a downloaded file is executed
        if isinstance(state, Exception):
            raise state
        return state

    monkeypatch.setattr(ResNet101_Weights, "get_state_dict", get)


@torch.inference_mode()
def test_published_weights_land_in_the_stages(published: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    download(monkeypatch, published)
    encoder = Encoder(EncoderOptions("resnet101"))
    assert load_imagenet_weights(encoder) == "torchvision ResNet101_Weights.IMAGENET1K_V2"
    network = resnet101().eval()
    network.load_state_dict(published)
    pixels = torch.randn(1, 3, 64, 64)
    expected = nn.Sequential(*list(network.children())[:-2])(pixels)
    torch.testing.assert_close(encoder(pixels).annotations, expected.flatten(2).transpose(1, 2), rtol=1e-4, atol=1e-4)


def test_files_of_another_order_and_without_counters(
    published: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torchvision published them before PyTorch 0.4.1: statistics before weights, and nothing counted."""
    old = {name: published[name] for name in reversed(published) if not name.endswith("num_batches_tracked")}
    download(monkeypatch, old)
    encoder = Encoder(EncoderOptions("resnet101"))
    load_imagenet_weights(encoder)
    assert torch.equal(encoder.state_dict()["stages.0.1.running_mean"], published["bn1.running_mean"])
    assert torch.equal(encoder.state_dict()["stages.4.2.bn3.bias"], published["layer4.2.bn3.bias"])


def test_weights_of_another_network(published: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(EncoderOptions("resnet101"))
    download(monkeypatch, {name: tensor for name, tensor in published.items() if name != "bn1.bias"})
    with pytest.raises(EncoderError, match=r"got others: stages\.0\.1\.bias fits nothing"):
        load_imagenet_weights(encoder)
    download(monkeypatch, {**published, "bn1.bias": torch.zeros(3)})
    with pytest.raises(EncoderError, match=r"stages\.0\.1\.bias of shape \(64,\), got \(3,\)"):
        load_imagenet_weights(encoder)


@pytest.mark.parametrize(
    "problem", [OSError("no route to host"), RuntimeError('invalid hash value (expected "cd907fc2", got "0")')]
)
def test_no_download_is_one_sentence_on_the_command_line(
    shapes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: Exception,
) -> None:
    download(monkeypatch, problem)
    wanted = [argument for argument in arguments(shapes, tmp_path) if argument != "--from-scratch"]
    assert main(wanted) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said == (
        "captioner: the ImageNet weights of resnet101 could not be downloaded: connect to the internet, "
        "or train with --from-scratch"
    )
    assert not (tmp_path / "model.safetensors").exists()
