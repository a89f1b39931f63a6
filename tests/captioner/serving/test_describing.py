from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from builders import photo, photo_bytes, tiny_captioner
from captioner.captioner import Captioner
from captioner.description import Description
from captioner.errors import PhotoError, SearchError, ServingError
from captioner.search_options import SearchOptions
from captioner.self_test import SelfTest
from captioner.serving import describing
from captioner.serving.contract import Asked
from captioner.serving.describing import Describer, Question


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return tiny_captioner()


def test_a_batch_of_different_questions_says_what_each_alone_says(captioner: Captioner) -> None:
    kinds = [
        Asked(SearchOptions(widths=(3,))),
        Asked(SearchOptions(widths=(1, 2)), ("a", "red")),
        Asked(SearchOptions(widths=(3,))),
        Asked(SearchOptions.preset("tutorial", (2,))),
        Asked(SearchOptions(widths=(3,)), ("two",)),
    ]
    photos = [photo(seed=seed) for seed in range(len(kinds))]
    describer = Describer(captioner)
    outcomes = describer.answer(
        [describer.question(photo_bytes(image), asked) for image, asked in zip(photos, kinds, strict=True)]
    )
    for image, asked, outcome in zip(photos, kinds, outcomes, strict=True):
        assert isinstance(outcome, Description)
        alone = captioner.describe(image, asked.options, asked.begin)
        assert outcome.ranking == alone.ranking
        assert [caption.words for caption in outcome.captions] == [caption.words for caption in alone.captions]
        for ours, theirs in zip(outcome.captions, alone.captions, strict=True):
            np.testing.assert_allclose(ours.attention, theirs.attention, atol=1e-5)


def test_what_is_wrong_with_one_question_does_not_touch_the_others(captioner: Captioner) -> None:
    describer = Describer(captioner)
    good = describer.question(photo_bytes(), Asked(SearchOptions(widths=(2,))))
    endless = Asked(SearchOptions(widths=(2,), max_steps=2), ("a", "dog"))  # begins beyond its own limit
    outcomes = describer.answer([good, Question(good.pixels, endless), good])
    assert [type(outcome) for outcome in outcomes] == [Description, SearchError, Description]
    assert "give fewer" in str(outcomes[1])


def test_a_photo_or_a_word_that_cannot_be_used_is_refused_before_the_batch(captioner: Captioner) -> None:
    describer = Describer(captioner)
    with pytest.raises(PhotoError, match="damaged"):
        describer.question(photo_bytes()[:200], Asked())
    with pytest.raises(SearchError, match="'zebra' is not a word this model knows"):
        describer.question(photo_bytes(), Asked(begin=("zebra",)))


def test_a_model_that_goes_bad_is_found(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    describer = Describer(captioner)
    describer.check()  # whatever a random model has is what it had
    found = describer.info.self_test.findings
    monkeypatch.setattr(describing, "self_test", lambda _: SelfTest((*found, "silent"), 0.1))
    with pytest.raises(ServingError, match="no longer works"):
        describer.check()


def test_a_failing_device_is_heard_by_the_check(captioner: Captioner) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(captioner, name)

        def describe(self, *_: object) -> None:
            raise RuntimeError("the device is gone")

    describer = Describer(cast(Captioner, Broken()))
    with pytest.raises(RuntimeError, match="gone"):
        describer.check()
    assert torch.is_tensor(describer.question(photo_bytes(), Asked()).pixels)
