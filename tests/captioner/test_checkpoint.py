"""One file is one model: it comes back as it was, or is refused with a sentence that says why."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from builders import photo, tiny_checkpoint, tiny_vocabulary
from captioner import checkpoint as checkpoint_module
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, ModelCard, load_checkpoint, save_checkpoint
from captioner.errors import CheckpointError
from captioner.familiarity import Familiarity
from captioner.photo import PhotoSettings
from captioner.vocabulary import Vocabulary

WIDTHS = SearchOptions(widths=(1, 3), max_steps=8)


@pytest.fixture(scope="module")
def model() -> Checkpoint:
    card = ModelCard("tiny", "nothing", {"seed": 7, "versions": {"torch": "2"}}, {"val": {"cider": 0.5}})
    settings = PhotoSettings(64, None, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    return dataclasses.replace(tiny_checkpoint(), card=card, photo_settings=settings)


@pytest.fixture(scope="module")
def saved(model: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_checkpoint(model, path)
    return path


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.safetensors"
    path.write_bytes(saved.read_bytes())
    return path


def read_metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, Tensor]], None], *, sign: bool) -> None:
    """Change the description and the tensors of a checkpoint in place, with a new digest when `sign`."""
    metadata, tensors = read_metadata(path), load_file(path)
    description = json.loads(metadata["description"])
    change(description, tensors)
    metadata["description"] = json.dumps(description, sort_keys=True)
    if sign:
        metadata["digest"] = checkpoint_module._digest(tensors, metadata["description"])
    save_file(tensors, path, metadata)


def header_end(path: Path) -> int:
    """Where the header of a safetensors file ends: its length comes first, 8 bytes, the lowest first."""
    length: int = struct.unpack("<Q", path.read_bytes()[:8])[0]
    return 8 + length


def refusal(path: Path) -> str:
    """What loading says; it must be a sentence about this file."""
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


# --- what was saved comes back ---


def test_a_loaded_model_says_the_same(model: Checkpoint, saved: Path) -> None:
    expected = Captioner(model, "cpu").describe(photo(), WIDTHS)
    actual = Captioner.load(saved, "cpu").describe(photo(), WIDTHS)
    assert actual.ranking == expected.ranking
    assert actual.trees == expected.trees
    for ours, theirs in zip(actual.captions, expected.captions, strict=True):
        assert ours.words == theirs.words
        assert ours.score == theirs.score
        np.testing.assert_array_equal(ours.log_probs, theirs.log_probs)
        np.testing.assert_array_equal(ours.attention, theirs.attention)
        np.testing.assert_array_equal(ours.gate, theirs.gate)


def test_everything_described_comes_back(model: Checkpoint, saved: Path) -> None:
    loaded = load_checkpoint(saved)
    assert loaded.encoder.options == model.encoder.options
    assert loaded.decoder.options == model.decoder.options
    assert loaded.vocabulary == model.vocabulary
    assert loaded.photo_settings == PhotoSettings(64, None, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    assert loaded.card == ModelCard("tiny", "nothing", {"seed": 7, "versions": {"torch": "2"}}, {"val": {"cider": 0.5}})
    for ours, theirs in ((loaded.encoder, model.encoder), (loaded.decoder, model.decoder)):
        expected = theirs.state_dict()
        assert list(ours.state_dict()) == list(expected)
        for name, tensor in ours.state_dict().items():
            assert tensor.dtype == expected[name].dtype
            assert torch.equal(tensor, expected[name]), name
    assert not loaded.decoder.training
    assert loaded.decoder.output.weight is loaded.decoder.embedding.weight


def test_half_precision_halves_the_file_and_changes_little(model: Checkpoint, saved: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.safetensors"
    save_checkpoint(model, half, torch.float16)
    assert half.stat().st_size < 0.55 * saved.stat().st_size
    loaded = Captioner.load(half, "cpu")
    assert {p.dtype for p in [*loaded.encoder.parameters(), *loaded.decoder.parameters()]} == {torch.float32}
    whole = Captioner(model, "cpu")
    words = ("a", "dog", "in", "the", "grass")
    expected, actual = (c.replay(c.encode([photo()]), words) for c in (whole, loaded))
    np.testing.assert_allclose(actual.log_probs, expected.log_probs, rtol=0.01, atol=0.05)
    np.testing.assert_allclose(actual.attention, expected.attention, atol=0.02)
    assert not np.array_equal(actual.log_probs, expected.log_probs)


@pytest.mark.skipif(sys.platform != "linux", reason="where a file is mapped, cutting it short would end the process")
@pytest.mark.parametrize("fate", ["cut short", "written over", "removed"])
def test_what_becomes_of_the_file_does_not_matter_to_a_model_in_use(fate: str, copy: Path) -> None:
    """In a process of its own: reading a page of a mapped file that was cut short ends it (SIGBUS)."""
    channels = load_checkpoint(copy).encoder.channels
    familiar = Familiarity(torch.zeros(channels), torch.eye(2, channels), 1.0)
    whole = dataclasses.replace(load_checkpoint(copy), familiarity=familiar)
    save_checkpoint(whole, copy)
    program = f"""
import json, sys
from pathlib import Path
from builders import photo
from captioner.captioner import Captioner
path = Path({str(copy)!r})
captioner = Captioner.load(path, "cpu")
if {fate!r} == "removed":
    path.unlink()
else:
    path.write_bytes(b"" if {fate!r} == "cut short" else b"\\x7f" * path.stat().st_size)
description = captioner.describe(photo())
print(json.dumps([description.at_width(3)[0].text, description.strangeness]))
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stderr
    expected = Captioner(whole, "cpu").describe(photo())
    assert json.loads(run.stdout) == [expected.at_width(3)[0].text, pytest.approx(expected.strangeness)]


def test_saving_replaces_an_older_file(model: Checkpoint, copy: Path) -> None:
    save_checkpoint(dataclasses.replace(model, card=ModelCard("newer", "more")), copy)
    assert load_checkpoint(copy).card == ModelCard("newer", "more", {}, {})
    assert list(copy.parent.iterdir()) == [copy]


def test_every_weight_is_stored_once_by_name(model: Checkpoint, saved: Path) -> None:
    names = {f"encoder.{name}" for name in model.encoder.state_dict()}
    names |= {f"decoder.{name}" for name in model.decoder.state_dict()}
    assert set(load_file(saved)) == names
    assert set(read_metadata(saved)) == {"format", "description", "digest"}


# --- files that cannot be read ---


def test_a_missing_file(tmp_path: Path) -> None:
    assert "is no file: give the path of a .safetensors checkpoint" in refusal(tmp_path / "missing.safetensors")


def test_a_folder(tmp_path: Path) -> None:
    assert "is no file" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_a_name_no_file_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no (file|readable safetensors file)"):
        load_checkpoint(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"a photo, perhaps",
        b"\xff" * 64,
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"null",
        b"PK\x03\x04" + b"\0" * 64,
    ],
)
def test_files_of_another_kind(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    assert "is no readable safetensors file (truncated, or of another kind): get the file again" in refusal(path)


def test_a_file_cut_short_anywhere(saved: Path, copy: Path) -> None:
    whole, end = saved.read_bytes(), header_end(saved)
    for length in (1, 7, 8, 9, 100, end - 1, end, end + 1, len(whole) // 2, len(whole) - 1):
        copy.write_bytes(whole[:length])
        assert "truncated" in refusal(copy), length


def test_a_file_with_something_behind_it(copy: Path) -> None:
    with copy.open("ab") as file:
        file.write(b"\0")
    assert "is no readable safetensors file" in refusal(copy)


class Armed:
    """Unpickling this writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path, str]]:
        return Path.write_text, (self.target, "unpickled")


@pytest.mark.parametrize("with_torch", [False, True])
def test_a_pickle_is_refused_and_never_run(with_torch: bool, tmp_path: Path) -> None:
    path, target = tmp_path / "renamed.safetensors", tmp_path / "victim"
    if with_torch:
        torch.save({"decoder": Armed(target)}, path)
    else:
        path.write_bytes(pickle.dumps(Armed(target)))
    assert "is no readable safetensors file" in refusal(path)
    assert not target.exists()
    if not with_torch:
        pickle.loads(path.read_bytes())
        assert target.read_text() == "unpickled"  # it was armed


# --- files that were altered ---


def test_a_flipped_byte_among_the_weights(copy: Path) -> None:
    end, size = header_end(copy), copy.stat().st_size
    for place in (end, (end + size) // 2, size - 1):
        flip(copy, place)
        assert "was altered after it was saved: get the file again" in refusal(copy), place
        flip(copy, place)
    assert load_checkpoint(copy).card.name == "tiny"


def flip(path: Path, place: int, bits: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ bits]))


def test_a_flipped_byte_in_the_header(copy: Path) -> None:
    end, chance = header_end(copy), random.Random(0)
    metadata = copy.read_bytes().index(b"__metadata__")
    description = copy.read_bytes().index(b"vocabulary")
    places = [metadata, description, description + 40, end - 1, *(chance.randrange(end) for _ in range(30))]
    for place in places:
        bits = 1 << chance.randrange(8)
        flip(copy, place, bits)
        refusal(copy)
        flip(copy, place, bits)


def shorten(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["vocabulary"].pop()


def reorder(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    words = description["vocabulary"]
    words[4], words[5] = words[5], words[4]


def exchange_word(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["vocabulary"][5] = "cat"


def darken(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["photo"]["mean"] = [0.9, 0.9, 0.9]


def boast(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["card"]["scores"] = {"val": {"cider": 2.0}}


def restride(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["encoder"]["output_stride"] = 32


def rename_weight(_: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    tensors["decoder.gate.bias2"] = tensors.pop("decoder.gate.bias")


def retype_weight(_: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    tensors["decoder.gate.bias"] = tensors["decoder.gate.bias"].view(torch.int32)


def reshape_weight(_: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    tensors["decoder.gate.bias"] = tensors["decoder.gate.bias"].reshape(-1, 2)


@pytest.mark.parametrize(
    "change",
    [shorten, reorder, exchange_word, darken, boast, restride, rename_weight, retype_weight, reshape_weight],
)
def test_any_change_is_noticed(change: Callable[[dict[str, Any], dict[str, Tensor]], None], copy: Path) -> None:
    rewrite(copy, change, sign=False)
    assert "was altered after it was saved" in refusal(copy)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "expected format saywhere-captioner-1, got none"),
        ({"format": "pt"}, "is no SayWhere checkpoint: expected format saywhere-captioner-1, got pt"),
        ({"format": "saywhere-captioner-0"}, "got saywhere-captioner-0"),
        ({"format": "saywhere-captioner-1"}, "was altered"),
        ({"format": "saywhere-captioner-1", "digest": "0" * 64, "description": "{}"}, "was altered"),
    ],
)
def test_safetensors_of_someone_else(metadata: dict[str, str] | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2, 3)}, path, metadata)
    assert message in refusal(path)


# --- files that were signed, and still describe no model ---


def test_a_rewritten_file_is_itself_fine(copy: Path) -> None:
    rewrite(copy, boast, sign=True)
    assert load_checkpoint(copy).card.scores == {"val": {"cider": 2.0}}


def put(part: str, name: str, value: object) -> Callable[[dict[str, Any], dict[str, Tensor]], None]:
    def change(description: dict[str, Any], _: dict[str, Tensor]) -> None:
        description[part][name] = value

    return change


def narrow_resnet(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    description["encoder"].update(name="resnet101", width=1)


def drop_weight(_: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    del tensors["decoder.lstm.weight_hh"]


def drop_part(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    del description["photo"]


def test_a_file_older_than_a_setting_has_its_default(copy: Path) -> None:
    def drop(description: dict[str, Any], _: dict[str, Tensor]) -> None:
        del description["photo"]["resampling"]

    rewrite(copy, drop, sign=True)
    assert load_checkpoint(copy).photo_settings.resampling == "bicubic"


def drop_setting(description: dict[str, Any], _: dict[str, Tensor]) -> None:
    del description["decoder"]["deep_output"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("encoder", "name", "vgg16"), "expected an encoder out of resnet50, resnet101, .* got 'vgg16'"),
        (narrow_resnet, "expected an encoder of 1280 channels for this decoder, got 2048"),
        (put("encoder", "name", "tf_efficientnet_lite1"), "the weights do not fit the encoder it describes"),
        (put("encoder", "speed", 3), "expected the settings .*'stretch'.*got .*'speed'"),
        (put("decoder", "hidden_dim", 9), "the weights do not fit the decoder it describes"),
        (put("decoder", "hidden_dim", "ten"), "describes no model that can be built"),
        (put("decoder", "hidden_dim", 10**15), "its decoder has 40000000000.* weights, the file holds "),
        (put("decoder", "hidden_dim", 20_000), "its decoder has 17.* weights, the file holds "),
        (put("decoder", "hidden_dim", [10]), "describes no model that can be built"),
        (lambda description, _: description.update(photo=list(description["photo"])), "describes no model"),
        (put("decoder", "annotation_dim", 6), "expected an encoder of 6 channels for this decoder, got 1280"),
        (put("decoder", "dropout", 2.0), "dropout of 0 to below 1, got 2.0"),
        (put("decoder", "deep_output", False), "deep_output together with tied_embeddings"),
        (put("photo", "size", 0), "photo size of 32 to 2048 pixels, got 0"),
        (put("photo", "mean", 0.5), "describes no model that can be built"),
        (put("card", "name", ""), "expected a name and a line on what it was trained on"),
        (put("card", "owner", "me"), "expected the settings"),
        (shorten, "expected a vocabulary of 16 tokens, got 15"),
        (drop_weight, "its decoder has 111352 weights, the file holds 110952"),
        (rename_weight, "the weights do not fit the decoder"),
        (reshape_weight, "the weights do not fit the decoder"),
        (drop_part, "describes no model that can be built"),
        (drop_setting, "expected the settings"),
        (lambda description, _: description.update(vocabulary=["a"]), "expected the special tokens"),
        (lambda description, _: description.update(vocabulary=7), "describes no model that can be built"),
        (lambda description, _: description.update(encoder=None), "describes no model that can be built"),
    ],
)
def test_descriptions_of_no_model(
    change: Callable[[dict[str, Any], dict[str, Tensor]], None], message: str, copy: Path
) -> None:
    rewrite(copy, change, sign=True)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(copy)
    refusal(copy)


@pytest.mark.parametrize("description", ["", "{", "[]", "null", "7", "[" * 100_000])
def test_descriptions_that_are_no_json_object(description: str, tmp_path: Path) -> None:
    path, tensors = tmp_path / "odd.safetensors", {"weight": torch.zeros(2)}
    digest = checkpoint_module._digest(tensors, description)
    save_file(tensors, path, {"format": checkpoint_module.FORMAT, "description": description, "digest": digest})
    assert "describes no model that can be built" in refusal(path)


# --- what cannot be saved ---


def test_a_folder_that_does_not_exist(model: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="could not be written: choose a folder that exists"):
        save_checkpoint(model, tmp_path / "nowhere" / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way(model: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.mkdir()
    with pytest.raises(CheckpointError, match="could not be written"):
        save_checkpoint(model, path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("problem", [OSError("no room"), KeyboardInterrupt()])
def test_a_stopped_save_leaves_the_old_file(
    problem: BaseException, model: Checkpoint, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = copy.read_bytes()

    def write_half(_tensors: object, filename: str, _metadata: object) -> None:
        Path(filename).write_bytes(before[:1000])
        raise problem

    monkeypatch.setattr(checkpoint_module, "save_file", write_half)
    with pytest.raises(CheckpointError if isinstance(problem, OSError) else KeyboardInterrupt):
        save_checkpoint(model, copy)
    assert copy.read_bytes() == before
    assert list(copy.parent.iterdir()) == [copy]


@pytest.mark.parametrize(
    ("value", "dtype"), [(1e6, torch.float16), (float("nan"), torch.float32), (float("inf"), torch.float32)]
)
def test_weights_that_are_no_numbers_are_not_saved(value: float, dtype: torch.dtype, tmp_path: Path) -> None:
    model = tiny_checkpoint()
    with torch.no_grad():
        model.decoder.gate.bias[3] = value
    with pytest.raises(CheckpointError, match=f"decoder.gate.bias are not finite numbers in {dtype}"):
        save_checkpoint(model, tmp_path / "model.safetensors", dtype)
    assert list(tmp_path.iterdir()) == []


def test_a_card_that_is_no_json_is_not_saved(model: Checkpoint, tmp_path: Path) -> None:
    card = ModelCard("tiny", "nothing", {"data": tmp_path})
    with pytest.raises(CheckpointError, match="expected plain JSON values in the model card"):
        save_checkpoint(dataclasses.replace(model, card=card), tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_parts_that_do_not_fit(model: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="a vocabulary of 16 tokens, got 17: use the one"):
        dataclasses.replace(model, vocabulary=Vocabulary((*tiny_vocabulary().tokens, "zebra")))


@pytest.mark.parametrize(("name", "trained_on"), [("", "photos"), (7, "photos"), ("tiny", None)])
def test_a_card_needs_a_name_and_a_source(name: str, trained_on: str) -> None:
    with pytest.raises(CheckpointError, match="expected a name and a line on what it was trained on"):
        ModelCard(name, trained_on)
