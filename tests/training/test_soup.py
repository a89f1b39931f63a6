"""The mean of checkpoints by hand, and checkpoints that have no mean."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from builders import tiny_checkpoint
from captioner.__main__ import main
from captioner.checkpoint import ModelCard, load_checkpoint, save_checkpoint
from captioner.errors import CheckpointError
from captioner.familiarity import Familiarity
from captioner.photo import PhotoSettings
from captioner.training.soup import average_checkpoints


def test_the_mean_of_three_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / f"{seed}.safetensors" for seed in range(3)]
    for seed, path in enumerate(paths):
        parts = tiny_checkpoint(seed)
        familiarity = Familiarity(torch.zeros(parts.encoder.channels), torch.zeros(1, parts.encoder.channels), 1.0)
        save_checkpoint(replace(parts, card=ModelCard(f"m{seed}", "none"), familiarity=familiarity), path)
    out = tmp_path / "mean.safetensors"
    assert main(["average", *map(str, paths), "--out", str(out), "--name", "soup"]) == 0
    assert "the mean of 3" in capsys.readouterr().out
    mean, averaged = load_checkpoint(out), [load_checkpoint(path) for path in paths]
    for name in ("encoder", "decoder"):
        states = [getattr(part, name).state_dict() for part in averaged]
        for key, tensor in getattr(mean, name).state_dict().items():
            if tensor.is_floating_point():
                expected = (states[0][key] + states[1][key] + states[2][key]) / 3
                torch.testing.assert_close(tensor, expected, rtol=2e-3, atol=2e-3)
    assert mean.card.name == "soup"
    assert [item["name"] for item in mean.card.provenance["average_of"]] == ["m0", "m1", "m2"]
    assert mean.familiarity is None


def test_what_has_no_mean_is_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    save_checkpoint(tiny_checkpoint(), one)
    save_checkpoint(replace(tiny_checkpoint(), photo_settings=PhotoSettings(size=96, detail=None)), other)
    with pytest.raises(CheckpointError, match="two checkpoints or more"):
        average_checkpoints([one], tmp_path / "out.safetensors")
    with pytest.raises(CheckpointError, match="another kind than one"):
        average_checkpoints([one, other], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_prior_moves_one_word_and_is_written_down(tmp_path: Path) -> None:
    path, out = tmp_path / "one.safetensors", tmp_path / "out.safetensors"
    save_checkpoint(tiny_checkpoint(), path, torch.float16)
    assert main(["average", str(path), str(path), "--out", str(out), "--prior", "dog=-1.5"]) == 0
    before, after = load_checkpoint(path), load_checkpoint(out)
    moved = after.decoder.output.bias - before.decoder.output.bias
    dog = before.vocabulary.encode(["dog"])[0]
    torch.testing.assert_close(moved[dog].item(), -1.5, rtol=1e-3, atol=1e-3)
    moved[dog] = 0
    assert moved.abs().max() == 0
    assert after.card.provenance["priors"] == {"dog": -1.5}


@pytest.mark.parametrize("prior", ["zebrafish=-1", "dog=nan", "dog", "dog=much"])
def test_a_prior_that_is_none_is_refused(tmp_path: Path, prior: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "one.safetensors", tmp_path / "out.safetensors"
    save_checkpoint(tiny_checkpoint(), path)
    arguments = ["average", str(path), str(path), "--out", str(out), "--prior", prior]
    if prior.startswith(("zebrafish", "dog=nan")):
        assert main(arguments) == 2
    else:
        with pytest.raises(SystemExit):
            main(arguments)
    assert prior.partition("=")[0] in capsys.readouterr().err
    assert not out.exists()
