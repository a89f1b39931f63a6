"""A run that overfits a dozen photos, stops, goes on, and says what is wrong with its options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.encoder import EncoderOptions
from captioner.errors import DataError
from captioner.photo import PhotoSettings, open_photo
from captioner.training.data import load_data
from captioner.training.options import TrainOptions
from captioner.training.train import Progress, Run, train

ROOT = Path(__file__).parents[2]
COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220), "white": (240, 240, 240)}
PLACES = {"left": (4, 16, 28, 48), "right": (36, 16, 60, 48), "top": (16, 4, 48, 28)}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos of a coloured box on grey, each said in two ways; the same photos once more to validate."""
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "images").mkdir()
    records = []
    for split in ("train", "val"):
        for colour, rgb in COLOURS.items():
            for place, box in PLACES.items():
                filename = f"{split}_{colour}_{place}.png"
                image = Image.new("RGB", (64, 64), (110, 110, 110))
                ImageDraw.Draw(image).rectangle(box, fill=rgb)
                image.save(folder / "images" / filename)
                captions = [f"a {colour} box on the {place} .", f"the {place} shows a {colour} box ."]
                records.append({"filename": filename, "split": split, "captions": captions})
    (folder / "captions.json").write_text(json.dumps(records))
    return folder


def options(shapes: Path, run: Path) -> TrainOptions:
    return TrainOptions(
        data=shapes,
        out=run / "model.safetensors",
        run=run,
        encoder=EncoderOptions("tf_efficientnet_lite0", output_stride=16),
        photo=PhotoSettings(size=64, detail=None),
        pretrained=False,
        tune_from=9,
        epochs=2,
        frozen_epochs=1,
        photos_per_batch=4,
        learning_rate=4e-3,
        dropout=0.0,
        word_dropout=0.0,
        label_smoothing=0.0,
        average=0.5,
        flip=False,
        embedding_dim=32,
        hidden_dim=48,
        attention_dim=32,
        min_count=1,
        save_minutes=100,
    )


def test_a_run_overfits_a_dozen_photos(shapes: Path, tmp_path: Path) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=40, frozen_epochs=40, patience=40)
    progress = train(chosen)
    assert progress.best_cider > 5  # 10 is a perfect match
    captioner = Captioner.load(chosen.out)
    right = 0
    for example in load_data(shapes).split("train"):
        said = captioner.describe(open_photo(example.path), SearchOptions(widths=(3,))).at_width(3)[0].text
        right += said in {caption.removesuffix(" .") for caption in example.captions}
    assert right >= 10
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[0]["train_nats"] > 2 > 0.9 > log[-1]["train_nats"]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert captioner.card.provenance["photos"] == 12
    assert captioner.card.provenance["captions"] == 24


def test_a_stopped_run_ends_where_an_unbroken_one_does(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = options(shapes, tmp_path / "whole"), options(shapes, tmp_path / "broken")
    train(whole)
    batches = 0
    plain = Run._batch

    def stop_after_four(self: Run, batch: object, number: int) -> float:
        nonlocal batches
        batches += 1
        if batches == 5:
            raise KeyboardInterrupt
        return plain(self, batch, number)  # type: ignore[arg-type]

    eager = replace(broken, save_minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_batch", stop_after_four)
        with pytest.raises(KeyboardInterrupt):
            train(eager)
    assert Captioner.load(eager.out).card.provenance["epoch"] == 1
    train(eager)
    left = torch.load(whole.run / "state.pt", weights_only=True)
    right = torch.load(broken.run / "state.pt", weights_only=True)
    assert left["progress"] == right["progress"]
    for name, tensor in left["model"].items():
        torch.testing.assert_close(tensor, right["model"][name], rtol=1e-4, atol=1e-5)


def test_a_finished_run_is_not_run_again(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=1)
    first = train(chosen)
    monkeypatch.setattr(Run, "_epoch", lambda self: pytest.fail("the run was finished"))
    assert train(chosen) == first


def test_it_stops_when_validation_no_longer_improves(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_epoch", lambda self: [1.0])
    monkeypatch.setattr("captioner.training.train.quick_cider", lambda said, references: 0.5)
    assert train(replace(options(shapes, tmp_path), epochs=30, patience=2)) == Progress(3, 0, 0.5, 0)


def test_only_the_stages_from_tune_from_learn(shapes: Path, tmp_path: Path) -> None:
    chosen = replace(options(shapes, tmp_path), frozen_epochs=0, epochs=1)
    run = Run(chosen)
    before = {name: tensor.clone() for name, tensor in run.model.encoder.state_dict().items()}
    run.run()
    after = run.model.encoder.state_dict()
    moved = {int(name.split(".")[1]) for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert moved == set(range(9, len(run.model.encoder.stages)))


def test_two_processes_train_one_model(shapes: Path, tmp_path: Path) -> None:
    arguments = (
        f"--data {shapes} --out {tmp_path}/model.safetensors --run-dir {tmp_path} --encoder tf_efficientnet_lite0"
    )
    arguments += " --from-scratch --size 64 --detail 0 --output-stride 16 --tune-from 9 --epochs 2 --frozen-epochs 1"
    arguments += " --photos-per-batch 4 --hidden-dim 16 --embedding-dim 16 --attention-dim 16 --min-count 1"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = subprocess.run(
        [*launch, "-m", "captioner", "train", *arguments.split()],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    epochs = [json.loads(line)["epoch"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert epochs == [1, 2]  # written once, not once per process
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    # 12 photos in 3 batches: one for each process, the odd one left out; so 1 step an epoch.
    assert state["scheduler"]["_step_count"] == 1 + 2
    assert state["progress"]["epoch"] == 2


def test_a_run_goes_on_from_a_checkpoint(shapes: Path, tmp_path: Path) -> None:
    first = replace(options(shapes, tmp_path / "first"), epochs=1)
    train(first)
    before = Captioner.load(first.out)
    second = replace(
        options(shapes, tmp_path / "second"), start_from=first.out, dropout=0.4, hidden_dim=20, min_count=9, epochs=1
    )
    run = Run(second)
    assert run.vocabulary == before.vocabulary
    assert run.model.decoder.options == replace(before.decoder.options, dropout=0.4)
    for name, tensor in before.decoder.state_dict().items():
        torch.testing.assert_close(run.model.decoder.state_dict()[name], tensor)
    assert run.start.source == "random weights, trained on as saywhere"


def test_state_of_other_words_is_refused(shapes: Path, tmp_path: Path) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=1)
    train(chosen)
    with pytest.raises(DataError, match="another vocabulary"):
        train(replace(chosen, min_count=7))


def test_state_of_other_options_is_refused(shapes: Path, tmp_path: Path) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=1)
    train(chosen)
    with pytest.raises(DataError, match="choose another --run-dir"):
        train(replace(chosen, hidden_dim=20))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs of 1 or more, got 0"),
        ("dropout", 1.0, "dropout of 0 to below 1"),
        ("learning_rate", 0.0, "learning_rate above 0"),
        ("weight_decay", -1.0, "weight_decay of 0 or more"),
        ("out", Path("model.pth"), "end in .safetensors"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, name: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(options(tmp_path, tmp_path), **{name: value})  # type: ignore[arg-type]


def test_a_stage_the_encoder_lacks(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--tune-from of 0 to"):
        Run(replace(options(shapes, tmp_path), tune_from=99))
