"""Distance from the plane of familiar photos, by hand and against a slow reference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from builders import photo, tiny_checkpoint, tiny_grid
from captioner.beam_search import SearchOptions
from captioner.captioner import Captioner
from captioner.checkpoint import load_checkpoint, save_checkpoint
from captioner.description import Description
from captioner.errors import CheckpointError, RecordError
from captioner.familiarity import Familiarity, fit_familiarity, summarise


def test_the_distance_by_hand() -> None:
    plane = Familiarity(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([[0.0, 1.0, 0.0]]), limit=4.0)
    summaries = torch.tensor([[1.0, 7.0, 0.0], [3.0, 0.0, 0.0], [1.0, 1.0, 5.0]])
    assert plane.distances(summaries).tolist() == [0.0, 4.0, 25.0]


def test_a_summary_is_the_mean_of_normalised_annotations() -> None:
    grid = tiny_grid(photos=2, height=2, width=3)
    by_hand = []
    for cells in grid.annotations:
        normal = [(cell - cell.mean()) / (cell.var(unbiased=False) + 1e-5).sqrt() for cell in cells]
        by_hand.append(torch.stack(normal).mean(dim=0))
    torch.testing.assert_close(summarise(grid), torch.stack(by_hand))


def test_photos_off_the_plane_are_strange_and_those_on_it_are_not() -> None:
    torch.manual_seed(0)
    axes = torch.linalg.qr(torch.randn(8, 8)).Q[:3]  # (3, 8) orthonormal

    def draw(count: int) -> torch.Tensor:
        drawn: torch.Tensor = torch.randn(count, 3) @ axes + 0.01 * torch.randn(count, 8)
        return drawn

    plane = fit_familiarity(draw(200), draw(400), components=3, false_alarms=0.05)
    beyond = float((plane.distances(draw(400)) > plane.limit).float().mean())
    assert 0.01 < beyond < 0.12
    assert (plane.distances(draw(50) + 0.5 * torch.randn(50, 8)) > plane.limit).all()
    # Every distance equals what is left after taking away each component, one by one.
    summary = draw(1)[0]
    left = summary - plane.mean
    for row in plane.basis:
        left = left - (left @ row) * row
    assert float(plane.distances(summary.unsqueeze(0))) == pytest.approx(float(left @ left), rel=1e-3)


@pytest.mark.parametrize(
    ("components", "false_alarms", "message"), [(0, 0.1, "got 0"), (5, 0.1, "1 to 4"), (2, 1.0, "false alarms")]
)
def test_what_cannot_be_fitted_is_said(components: int, false_alarms: float, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        fit_familiarity(torch.randn(5, 9), torch.randn(5, 9), components, false_alarms)


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CheckpointError, match="a mean"):
        Familiarity(torch.zeros(3), torch.zeros(2, 4), 1.0)
    with pytest.raises(CheckpointError, match="limit above 0"):
        Familiarity(torch.zeros(3), torch.zeros(2, 3), 0.0)
    with pytest.raises(CheckpointError, match="familiarity of"):
        replace(tiny_checkpoint(), familiarity=Familiarity(torch.zeros(3), torch.zeros(2, 3), 1.0))


def described(limit: float, path: Path) -> Description:
    parts = tiny_checkpoint()
    channels = parts.encoder.channels
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(channels, 2)).Q.T
    save_checkpoint(replace(parts, familiarity=Familiarity(torch.zeros(channels), basis, limit)), path)
    captioner = Captioner(load_checkpoint(path), "cpu")
    return captioner.describe(photo(), SearchOptions(widths=(1,)))


def test_a_saved_limit_decides_what_is_guessed(tmp_path: Path) -> None:
    strange, usual = described(1e-6, tmp_path / "a.safetensors"), described(1e9, tmp_path / "b.safetensors")
    assert strange.strangeness is not None
    assert strange.strangeness > 1
    assert (strange.guessing, usual.guessing) == (True, False)
    assert strange.to_json(1)["guessing"] is True
    assert usual.to_json(1)["strangeness"] == usual.strangeness
    strange.save(tmp_path / "record.json")
    assert Description.load(tmp_path / "record.json").strangeness == strange.strangeness


def test_a_model_that_cannot_tell_does_not_guess(tmp_path: Path) -> None:
    plain = Captioner(tiny_checkpoint(), "cpu").describe(photo(), SearchOptions(widths=(1,)))
    assert (plain.strangeness, plain.guessing) == (None, False)
    with pytest.raises(RecordError, match="strangeness"):
        replace(plain, strangeness=float("nan"))
