from __future__ import annotations

import pytest

from captioner.training.epoch_losses import EpochLosses


def test_steps_count_alike() -> None:
    mean = EpochLosses.mean([EpochLosses(1.0, 0.5, 0.25), EpochLosses(3.0, 0.0), EpochLosses(2.0, 1.0, 0.5)])
    assert mean == pytest.approx((2.0, 0.5, 0.25))


def test_no_step_is_no_loss() -> None:
    assert EpochLosses.mean([]) == (0.0, 0.0, 0.0)


def test_the_log_has_them_by_name() -> None:
    assert EpochLosses(1.0, 0.5).record() == {"train_nats": 1.0, "train_pointing": 0.5, "train_reward": 0.0}
