"""The running average by hand, and a probe that follows what it measures."""

from __future__ import annotations

import time

import pytest
import torch

from captioner.training.numerics import TRIES, bfloat16_pays, running_average


def test_early_steps_forget_the_start_and_late_ones_decay_as_asked() -> None:
    update = running_average(0.9)
    averaged, current = [torch.tensor([0.0])], [torch.tensor([1.0])]
    update(averaged, current, 0)  # decay (1 + 0) / (10 + 0)
    assert float(averaged[0]) == pytest.approx(0.9)
    update(averaged, current, torch.tensor(8))  # decay 9 / 18
    assert float(averaged[0]) == pytest.approx(0.95)
    update(averaged, current, 10_000)  # decay 0.9
    assert float(averaged[0]) == pytest.approx(0.955)


@pytest.mark.parametrize(("seconds", "pays"), [((1.0, 0.5), True), ((1.0, 0.9), False), ((1.0, 30.0), False)])
def test_bfloat16_pays_when_it_is_clearly_faster(
    seconds: tuple[float, float], pays: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock is read before and after each product, float32 first; one of a type's products is the fast one.
    spans = [span for fast in seconds for span in (fast + 9, *[fast] * (TRIES - 1))]
    readings = iter([reading for span in spans for reading in (0.0, span)])
    bfloat16_pays.cache_clear()
    monkeypatch.setattr(time, "perf_counter", lambda: next(readings))
    assert bfloat16_pays(8) is pays
    assert bfloat16_pays(8) is pays  # measured once only: the clock has no more readings
    bfloat16_pays.cache_clear()
