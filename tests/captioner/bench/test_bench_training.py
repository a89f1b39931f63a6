"""The bench of training: both sides learn the same from the same captions; what took how long is not compared."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from captioner.attention import compare
from captioner.bench import lesson, training
from captioner.bench.harness import Comparison, Comparisons
from captioner.bench.lesson import Learnt, OurStep, TextbookStep, make_lesson
from captioner.bench.models import END, PAD, START, word_map
from captioner.bench.options import BenchOptions, ModelSizes
from captioner.bench.textbook_training import tutorial_loss
from captioner.bench.training import Training, kept_bytes, training_pairs
from captioner.training.comparison import make_comparison

SMALL = ModelSizes(words=60, decoder=24, width=2)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small_photos(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Few channels and cells, for which threads would only wait for each other."""
    monkeypatch.setattr(lesson, "CHANNELS", 32)
    monkeypatch.setattr(lesson, "SIDE", 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_both_sides_learn_the_same_in_every_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(training, "bfloat16_pays", lambda: True)
    pairs = list(training_pairs(BenchOptions(("training",), 3, "cpu", SMALL), CPU))
    assert len({pair.name for pair in pairs}) == 3
    for pair in pairs:
        assert pair.same is not None
        ours, theirs = pair.ours(), pair.reference()
        assert len(ours.gradients) == 19
        assert pair.same(ours, theirs), pair.name


def test_they_still_agree_after_a_few_steps() -> None:
    given = make_lesson(SMALL, CPU)
    ours, theirs = OurStep(given, make_comparison(compiled=False)), TextbookStep(given)
    ours.optimizer.param_groups[0]["weight_decay"] = 0  # which Adam has not
    losses = [(ours().loss, theirs().loss) for _ in range(4)]
    assert losses[0][0] > losses[3][0]
    for one, other in losses:
        assert math.isclose(one, other, rel_tol=1e-4)


def test_the_lesson_is_captions_of_usual_lengths() -> None:
    given, numbers = make_lesson(SMALL, CPU), word_map(SMALL.words)
    photos, rows, _ = given.token_ids.shape
    assert (photos, rows) == given.lengths.shape == (8, 5)
    assert 10 < float(given.lengths.float().mean()) < 14
    for ids, length in zip(given.token_ids.flatten(0, 1).tolist(), given.lengths.flatten().tolist(), strict=True):
        assert ids[0] == numbers[START]
        assert ids.index(numbers[END]) == length
        assert set(ids[length + 1 :]) <= {numbers[PAD]}
        assert not {numbers[START], numbers[PAD]} & set(ids[1:length])
    assert torch.equal(given.lengths, given.lengths.sort(dim=1, descending=True).values)
    captions = given.captions
    assert captions.features.shape == (40, 4, 4, 32)
    assert torch.equal(captions.features[5, 1, 2], given.features[1, :, 1, 2])


def test_the_textbooks_loss_of_one_caption_by_hand() -> None:
    """Every word equally likely: log 60 a word; attention even: each of 16 cells gets 3 / 16 over 3 steps."""
    given = make_lesson(SMALL, CPU)
    with torch.no_grad():
        given.decoder.fc.weight.zero_()
        given.decoder.attention.full_att.weight.zero_()
    whole = given.captions
    batch = replace(
        whole, features=whole.features[:1], words=torch.tensor([[58, 3, 4, 59, 0]]), lengths=torch.tensor([4])
    )
    expected = math.log(60) + (1 - 3 / 16) ** 2
    assert math.isclose(float(tutorial_loss(given.decoder, batch).detach()), expected, rel_tol=1e-5)


def test_another_gradient_is_noticed() -> None:
    step = OurStep(make_lesson(SMALL, CPU), compare)()
    assert step.near(step)
    assert not replace(step, loss=1.01 * step.loss).near(step)
    for name, gradient in step.gradients.items():
        if float(gradient.norm()) > 1e-2:
            assert not Learnt(step.loss, {**step.gradients, name: 1.01 * gradient}).near(step), name
    assert not Learnt(step.loss, {}).near(step)


def test_what_is_kept_is_counted_once() -> None:
    weight = torch.ones(10, requires_grad=True)

    def loss() -> torch.Tensor:
        large = torch.ones(1000)
        return (weight[:5].sum() * large).sum() + (weight.sum() * large).sum()

    assert kept_bytes(loss) >= 4000
    assert kept_bytes(loss) < 4100


def test_ours_keeps_least() -> None:
    given = make_lesson(SMALL, CPU)
    frugal, plain, textbook = (
        kept_bytes(step.loss)
        for step in (OurStep(given, make_comparison(compiled=False)), OurStep(given, compare), TextbookStep(given))
    )
    assert frugal < min(0.7 * plain, textbook)


def test_an_epoch_is_derived_from_the_step() -> None:
    steps = Comparisons((Comparison("step", (2.0, 2.0), (8.0, 8.0), True),))
    found = Training(steps, {"ours": 5_000_000})
    record = found.record()
    assert json.loads(json.dumps(record)) == record
    assert record["epochs_derived"] == [{"name": "step", "ours": 1500.0, "reference": 6000.0}]  # 750 steps
    assert found.same
    assert "derived from the first: 25.0 min, the textbook 100.0 min" in found.lines()[1]
    assert "ours 5 MB" in found.lines()[2]
