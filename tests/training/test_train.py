"""A run that overfits a dozen photos, stops, goes on, and says what is wrong with its options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from builders import photo
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.encoder import EncoderOptions
from captioner.errors import DataError
from captioner.learning import Learning
from captioner.photo import PhotoSettings, open_photo
from captioner.training.data import load_data
from captioner.training.epoch_losses import EpochLosses
from captioner.training.options import TrainOptions
from captioner.training.saving import Progress
from captioner.training.train import Run, train
from captioner.training.watching import WatchOptions

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


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second folder: three photos of one caption each, with boxes for its phrases; four of labels; one to validate.

    The photos are not square; one of those of labels lies in the validation split.
    """
    folder = tmp_path_factory.mktemp("marked")
    (folder / "images").mkdir()
    size = {"width": 96, "height": 64}
    records: list[dict[str, Any]] = []
    told = {}
    for number, (split, kind) in enumerate([("train", "human")] * 3 + [("train", "labels")] * 4 + [("val", "labels")]):
        box = (8 + 8 * number, 16, 40 + 8 * number, 48)
        image = Image.new("RGB", (96, 64), (110, 110, 110))
        ImageDraw.Draw(image).ellipse(box, fill=(150, 40, 160))
        filename = f"{kind}_{number}.png"
        image.save(folder / "images" / filename)
        record = {"filename": filename, "split": split, "kind": kind, "captions": [], "labels": ["plum"], **size}
        if kind == "human":
            caption = "a purple plum here ."
            phrase = {"first_word": 0, "phrase": "a purple plum", "chain": "1", "types": ["other"]}
            sentences = [{"caption": caption, "phrases": [phrase]}]
            told[filename] = {**size, "boxes": {"1": [list(box)]}, "sentences": sentences}
            records.append({**record, "captions": [caption], "labels": []})
        else:
            records.append({**record, "boxes": [[*box, "plum"]]})
    photo(96, 64).save(folder / "images" / "val.png")
    records.append({"filename": "val.png", "split": "val", "captions": ["a purple plum here ."]})
    (folder / "captions.json").write_text(json.dumps(records))
    (folder / "phrase_boxes.json").write_text(json.dumps(told))
    return folder


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def watched_photos(folder: Path) -> Path:
    """A folder of two photos and a file that is none."""
    (folder / "watched").mkdir(parents=True)
    photo(90, 60).save(folder / "watched" / "one.png")
    photo(60, 90).save(folder / "watched" / "two.jpg")
    (folder / "watched" / "boxes.json").write_text("{}")
    return folder / "watched"


def options(shapes: Path, run: Path) -> TrainOptions:
    return TrainOptions(
        data=(shapes,),
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
        views=1,
        embedding_dim=32,
        hidden_dim=48,
        attention_dim=32,
        min_count=1,
        save_minutes=100,
    )


def test_a_run_overfits_a_dozen_photos(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=40, frozen_epochs=40, patience=40)
    drawn: list[Path] = []
    with monkeypatch.context() as patch:  # it is drawn after every epoch, which is most of the time here
        patch.setattr("captioner.training.train.draw_curve", lambda log, picture: drawn.append(picture))
        progress = train(chosen)
    assert drawn == [tmp_path / "curve.png"] * 40
    assert progress.best_cider > 5  # 10 is a perfect match
    captioner = Captioner.load(chosen.out)
    right = 0
    for example in load_data(shapes).split("train"):
        said = captioner.describe(open_photo(example.path), SearchOptions(widths=(3,))).at_width(3)[0].text
        right += said in {caption.removesuffix(" .") for caption in example.captions}
    assert right >= 10
    log = log_of(tmp_path)
    assert log[0]["train_nats"] > 2 > 0.9 > log[-1]["train_nats"]
    assert log[0]["train_pointing"] == log[0]["train_reward"] == 0  # nobody drew boxes, nothing was sampled
    assert captioner.card.provenance["photos"] == 12
    assert captioner.card.provenance["captions"] == 24


def test_a_stopped_run_ends_where_an_unbroken_one_does(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = options(shapes, tmp_path / "whole"), options(shapes, tmp_path / "broken")
    broken = replace(broken, watch=WatchOptions(watched_photos(tmp_path), (0, 1, 4)))
    train(whole)
    batches = 0
    plain = Run._step

    def stop_after_four(self: Run, batch: object, number: int) -> EpochLosses:
        nonlocal batches
        batches += 1
        if batches == 5:
            raise KeyboardInterrupt
        return plain(self, batch, number)  # type: ignore[arg-type]

    eager = replace(broken, save_minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "_step", stop_after_four)
        with pytest.raises(KeyboardInterrupt):
            train(eager)
    assert Captioner.load(eager.out).card.provenance["epoch"] == 1
    assert (broken.run / "curve.png").read_bytes().startswith(b"\x89PNG")
    train(eager)
    left = torch.load(whole.run / "state.pt", weights_only=True)
    right = torch.load(broken.run / "state.pt", weights_only=True)
    assert left["progress"] == right["progress"]
    for name, tensor in left["model"].items():  # watching changes nothing
        torch.testing.assert_close(tensor, right["model"][name], rtol=1e-4, atol=1e-5)
    seen = Learning.load(broken.run / "learning.json")
    assert seen.photos == ("one.png", "two.jpg")
    assert seen.steps == (0, 1, 3, 4, 6)  # an epoch has three
    assert seen.moments[0].nats is None
    assert seen.moments[-1].nats is not None
    assert (seen.photos_per_step, seen.grid) == (4, (4, 4))


def test_a_run_stopped_while_it_validates_validates_when_it_goes_on(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    chosen = replace(options(shapes, tmp_path), epochs=1, save_minutes=0)
    with monkeypatch.context() as patch:
        patch.setattr("captioner.training.train.validate", stop)
        with pytest.raises(KeyboardInterrupt):
            train(chosen)
    assert train(chosen).epoch == 1
    assert [record["epoch"] for record in log_of(tmp_path)] == [1]


def test_folders_of_captions_phrases_and_labels_are_learnt_together(shapes: Path, marked: Path, tmp_path: Path) -> None:
    chosen = replace(options(shapes, tmp_path), data=(shapes, marked), views=3, epochs=3, pointing=1.0, tune_from=18)
    run = Run(chosen)
    assert {"purple", "plum"} < set(run.vocabulary.tokens)
    steps = list(run.material.batches.epoch(torch.Generator().manual_seed(0)))
    assert len(steps) == 5  # 19 photos, 4 a step
    boxed = {p for step in steps for b in step for p, cover in zip(b.photos, b.covers, strict=True) if cover.any()}
    assert {run.material.examples[place].source for place in boxed} == {marked.name}
    assert len(boxed) == 7
    run.run()
    log = log_of(tmp_path)
    assert set(log[0]["val_ciders"]) == {shapes.name, marked.name}
    assert log[0]["train_pointing"] > log[-1]["train_pointing"] > 0
    provenance = Captioner.load(chosen.out).card.provenance
    assert (provenance["photos"], provenance["photos_of_labels"], provenance["captions"]) == (15, 4, 27)


def test_without_a_weight_labels_are_not_learnt(shapes: Path, marked: Path, tmp_path: Path) -> None:
    run = Run(replace(options(shapes, tmp_path), data=(shapes, marked), label_weight=0.0, min_count=4, tune_from=18))
    assert "plum" not in run.vocabulary  # said three times, marked in four photos
    assert all(example.captions for example in run.material.examples)
    assert sum(map(bool, run.material.batches.rows)) == 15


def test_a_self_critical_run_goes_on_from_a_checkpoint(shapes: Path, marked: Path, tmp_path: Path) -> None:
    first = replace(options(shapes, tmp_path / "first"), data=(shapes, marked), tune_from=18)
    train(first)
    rewarded = replace(first, start_from=first.out, epochs=1, self_critical=0.9, samples=4, views=2, pointing=0.0)
    weights = {}
    for name, own in (("rewarded", rewarded), ("taught", replace(rewarded, self_critical=0.0))):
        run = Run(replace(own, run=tmp_path / name, out=tmp_path / name / "model.safetensors"))
        before = {key: tensor.clone() for key, tensor in run.model.decoder.state_dict().items()}
        run.run()
        weights[name] = run.model.decoder.state_dict()
        assert any(not torch.equal(tensor, before[key]) for key, tensor in weights[name].items())
    assert log_of(tmp_path / "rewarded")[0]["train_reward"] > 0
    assert log_of(tmp_path / "taught")[0]["train_reward"] == 0
    assert any(not torch.equal(tensor, weights["taught"][key]) for key, tensor in weights["rewarded"].items())


def test_every_epoch_is_kept_when_asked(shapes: Path, tmp_path: Path) -> None:
    train(replace(options(shapes, tmp_path), keep_epochs=True))
    kept = [Captioner.load(tmp_path / f"epoch-{number}.safetensors").card.provenance["epoch"] for number in (1, 2)]
    assert kept == [1, 2]


def test_a_finished_run_is_not_run_again(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = replace(options(shapes, tmp_path), epochs=1)
    first = train(chosen)
    monkeypatch.setattr(Run, "_epoch", lambda self: pytest.fail("the run was finished"))
    assert train(chosen) == first


def test_it_stops_when_validation_no_longer_improves(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "_epoch", lambda self: EpochLosses(1.0, 0.0))
    monkeypatch.setattr("captioner.training.validation.quick_cider", lambda said, references: 0.5)
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
    assert [record["epoch"] for record in log_of(tmp_path)] == [1, 2]  # written once, not once per process
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


def test_new_words_are_added_behind_those_of_the_checkpoint(shapes: Path, marked: Path, tmp_path: Path) -> None:
    first = replace(options(shapes, tmp_path / "first"), epochs=1, tune_from=18)
    train(first)
    before = Captioner.load(first.out)
    run = Run(replace(first, data=(shapes, marked), run=tmp_path / "second", start_from=first.out, label_weight=0.0))
    known = len(before.vocabulary)
    assert run.vocabulary.tokens[:known] == before.vocabulary.tokens
    assert set(run.vocabulary.tokens[known:]) == {"purple", "plum", "here"}
    decoder = run.model.decoder
    assert decoder.options.vocabulary_size == known + 3
    assert decoder.output.weight is decoder.embedding.weight
    for name, tensor in before.decoder.state_dict().items():
        torch.testing.assert_close(decoder.state_dict()[name][: len(tensor)], tensor, rtol=0, atol=0)
    added = decoder.embedding.weight[known:].detach()
    assert 0 < float(added.abs().max()) <= 0.1
    assert len({tuple(vector) for vector in added.tolist()}) == 3


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
        ("views", 0, "views of 1 or more, got 0"),
        ("pointing", -0.1, "pointing of 0 or more"),
        ("lone_weight", -1.0, "lone_weight of 0 or more"),
        ("label_weight", -1.0, "label_weight of 0 or more"),
        ("self_critical", 1.0, "self_critical of 0 to below 1, got 1.0"),
        ("samples", 1, "samples of 2 or more, got 1"),
        ("data", (), "at least one data folder, got none"),
        ("out", Path("model.pth"), "end in .safetensors"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, name: str, value: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(options(tmp_path, tmp_path), **{name: value})  # type: ignore[arg-type]


def test_rewards_and_smoothed_labels_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"label_smoothing 0 with self_critical, got 0\.1"):
        replace(options(tmp_path, tmp_path), self_critical=0.5, label_smoothing=0.1)


def test_a_stage_the_encoder_lacks(shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--tune-from of 0 to"):
        Run(replace(options(shapes, tmp_path), tune_from=99))
