"""The command line as a person uses it: what it prints, what it writes, what it says when something is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from builders import photo, tiny_checkpoint
from captioner.__main__ import main
from captioner.checkpoint import save_checkpoint
from captioner.commands.caption import PREVIEW
from captioner.description import Description
from corpus.tiffs import raw_with_preview

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    return path


@pytest.fixture
def photo_path(tmp_path: Path) -> Path:
    path = tmp_path / "beach.png"
    photo(90, 60).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in range(3):
        photo(40, 30, seed=number).save(folder / "images" / f"{number}.png")
        captions = ["A dog in the water .", "Two red dogs ."]
        records.append({"filename": f"{number}.png", "split": "test", "captions": captions})
    (folder / "captions.json").write_text(json.dumps(records))
    return folder


def test_caption_prints_the_alternatives_best_first(
    checkpoint: Path, photo_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", str(photo_path), "--checkpoint", str(checkpoint), "--beam-width", "4"]) == 0
    name, header, *rows = capsys.readouterr().out.splitlines()
    assert name == str(photo_path)
    assert header.split() == ["rank", "score", "probability", "caption"]
    assert [int(row.split()[0]) for row in rows] == [1, 2, 3, 4]
    finished = [float(row.split()[1]) for row in rows if not row.endswith(" ...")]
    assert finished == sorted(finished, reverse=True)
    assert all(0 < float(row.split()[2]) <= 1 for row in rows)


def test_caption_begins_as_told(checkpoint: Path, photo_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["caption", str(photo_path), "--checkpoint", str(checkpoint), "--beam-width", "3"]
    assert main([*arguments, "--begin", "A dog's "]) == 0
    begun = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(maxsplit=3)[3].startswith("a dog's") for row in begun] == [True] * 3
    assert main(arguments) == 0
    plain = capsys.readouterr().out
    assert "a dog's" not in plain
    assert main([*arguments, "--begin", ""]) == 0
    assert capsys.readouterr().out == plain


def test_caption_json_is_the_object_of_the_api(
    checkpoint: Path, photo_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", str(photo_path), "--checkpoint", str(checkpoint), "--beam-width", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["photo"] == str(photo_path)
    assert answer["grid"] == [4, 4]
    assert len(answer["captions"]) == 2
    word = answer["captions"][0]["words"][0]
    assert set(word) == {"word", "probability", "gate", "attention"}
    assert sum(map(sum, word["attention"])) == pytest.approx(1, abs=1e-4)


def test_a_preview_is_said_to_be_one(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "raw.dng"
    path.write_bytes(raw_with_preview())
    arguments = ["caption", str(path), "--checkpoint", str(checkpoint), "--beam-width", "2"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [str(path), PREVIEW]
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["preview"] is True


def test_save_writes_the_sheet_and_a_record_that_can_be_read_back(
    checkpoint: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "deep" / "out"
    assert main(["caption", str(photo_path), "--checkpoint", str(checkpoint), "--save", str(out)]) == 0
    printed = capsys.readouterr().out
    record = Description.load(out / "beach.json")
    assert record.at_width(5)[0].text in printed
    with Image.open(out / "beach.png") as sheet:
        assert min(sheet.size) > 100
    assert sorted(path.name for path in out.iterdir()) == ["beach.json", "beach.png"]


def test_photos_of_the_same_name_do_not_overwrite_each_other(
    checkpoint: Path, photo_path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "beach.jpg"
    other.parent.mkdir()
    photo(30, 60, seed=5).save(other)
    out = tmp_path / "out"
    assert main(["caption", str(photo_path), str(other), "--checkpoint", str(checkpoint), "--save", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["beach-2.json", "beach-2.png", "beach.json", "beach.png"]


def test_one_bad_photo_does_not_stop_the_others(
    checkpoint: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    assert main(["caption", str(broken), str(photo_path), "--checkpoint", str(checkpoint)]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith(str(photo_path))
    assert captured.err.startswith("captioner: ")
    assert "broken.jpg" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--beam-width", "0"], "beam widths of 1 to 100, got (0,)"),
        (["--beam-width", "1000"], "beam widths of 1 to 100, got (1000,)"),
        (["--checkpoint", "nowhere.safetensors"], "nowhere.safetensors is no file"),
        (["--device", "tpu-of-tomorrow"], "'tpu-of-tomorrow' cannot be used"),
        (["--precision", "int4"], "expected a precision out of float32, bfloat16, float16, got 'int4'"),
        (["--begin", "a zebra"], "'zebra' is not a word this model knows: choose one of its 12 words"),
        (["--begin", "a <unk>"], "'unk' is not a word this model knows"),
        (["--begin", "a " * 30], "a beginning shorter than the limit of 30 words, got 30 of them: give fewer"),
        (["--begin", "?!"], "expected words to begin with, got '?!': give some such as --begin"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_code_2(
    checkpoint: Path,
    photo_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert main(["caption", str(photo_path), "--checkpoint", str(checkpoint), *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_missing_photo_and_a_save_folder_that_is_a_file(
    checkpoint: Path, photo_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["caption", str(tmp_path / "gone.jpg"), "--checkpoint", str(checkpoint)]) == 2
    assert "gone.jpg" in capsys.readouterr().err
    assert main(["caption", str(photo_path), "--checkpoint", str(checkpoint), "--save", str(photo_path)]) == 2
    assert "cannot be made a folder" in capsys.readouterr().err


def test_evaluate_prints_a_table_and_writes_json(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "scores.json"
    arguments = ["evaluate", "--data", str(data), "--split", "test", "--beam-width", "3,1", "--tokenizer", "simple"]
    arguments += ["--checkpoint", str(checkpoint), "--json", str(report), "--captions"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "3 photos of test" in printed
    scores = json.loads(report.read_text())
    assert list(scores["beam_width"]) == ["1", "3"]
    assert 0 <= scores["beam_width"]["3"]["scores"]["bleu_1"] <= 1
    assert scores["beam_width"]["1"]["attention"]["effective_cells"] > 1
    assert set(scores["captions"]) == {"0.png", "1.png", "2.png"}


def test_evaluate_writes_captions_and_contact_sheets(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "--data", str(data), "--split", "test", "--beam-width", "1,2", "--tokenizer", "simple"]
    arguments += ["--checkpoint", str(checkpoint), "--limit", "2"]
    said, sheet = tmp_path / "said.json", tmp_path / "read.jpg"
    assert main([*arguments, "--captions", str(said), "--sheet", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert "people        0.0       0.0   (4 captions of the same photos)" in printed
    assert f"written to {said}" in printed
    assert f"drawn to {tmp_path / 'read-01.jpg'}" in printed
    written = json.loads(said.read_text())
    assert {name: list(own) for name, own in written["captions"].items()} == {"0.png": ["1", "2"], "1.png": ["1", "2"]}
    assert sorted(path.name for path in tmp_path.glob("*.j*")) == ["read-01.jpg", "said.json"]


@pytest.mark.parametrize("asked", ["--plot", "--json"])
def test_evaluate_draws_the_grounding(
    checkpoint: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], asked: str
) -> None:
    phrase = {"first_word": 0, "phrase": "A dog", "chain": "1", "types": ["animals"]}
    sentences = [{"caption": "A dog in the water .", "phrases": [phrase]}]
    annotated = {"0.png": {"width": 40, "height": 30, "boxes": {"1": [[0, 0, 20, 30]]}, "sentences": sentences}}
    (data / "phrase_boxes.json").write_text(json.dumps(annotated))
    arguments = ["evaluate", "--data", str(data), "--split", "test", "--beam-width", "1", "--tokenizer", "simple"]
    file = tmp_path / ("drawn.png" if asked == "--plot" else "drawn.json")
    assert main([*arguments, "--checkpoint", str(checkpoint), "--grounding", asked, str(file)]) == 0
    printed = capsys.readouterr().out
    assert "grounding: 1 phrases with boxes" in printed
    assert f"drawn to {tmp_path / 'drawn.png'}" in printed
    with Image.open(tmp_path / "drawn.png") as picture:
        assert min(picture.size) > 300
    if asked == "--json":
        assert json.loads(file.read_text())["grounding"]["types"]["animals"]["mass"]["uniform"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "val"], "choose out of test"),
        (["--split", "all"], "expected a split out of train, val, test"),
        (["--beam-width", "three"], "expected beam widths such as 1,3,5, got 'three'"),
        (["--beam-width", "0,3"], "beam widths of 1 to 100"),
        (["--tokenizer", "words"], "tokenizer"),
        (["--batch-size", "0"], "batch of 1 photo or more"),
        (["--plot", "grounding.png"], "--plot draws what --grounding measures: give both"),
        (["--grounding"], "put phrase_boxes.json"),
        (["--captions"], "give --json too, or --captions FILE"),
        (["--sheet", "read.html"], "a contact sheet that ends in .jpg, .jpeg, .png, got 'read.html'"),
        (["--sheet", "gone/read.jpg"], "gone is not a folder"),
    ],
)
def test_evaluate_refuses_what_it_cannot_do(
    checkpoint: Path, data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    basic = ["evaluate", "--data", str(data), "--split", "test", "--tokenizer", "simple"]
    assert main([*basic, "--checkpoint", str(checkpoint), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_empty_data_folders_are_refused_by_evaluate_and_train(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["evaluate", "--data", str(empty), "--checkpoint", str(checkpoint)]) == 2
    assert "needs captions.json" in capsys.readouterr().err
    out, run = tmp_path / "model.safetensors", tmp_path / "run"
    assert main(["train", "--data", str(empty), "--out", str(out), "--run-dir", str(run)]) == 2
    assert "needs captions.json" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("command", [[], ["caption"], ["train"], ["evaluate"]])
def test_help_teaches(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "python -m captioner" in capsys.readouterr().out.split("options:")[0]


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    code = "import sys; from captioner.commands import caption; from captioner.__main__ import main\n"
    code += "caption.run = lambda options: print('x' * 200_000, flush=True) or 0\n"
    code += "sys.exit(main(['caption', 'a.jpg']))"
    read, write = os.pipe()
    os.close(read)
    writer = subprocess.run(
        [sys.executable, "-c", code], stdout=write, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT
    )
    os.close(write)
    assert (writer.returncode, writer.stderr) == (0, "")
