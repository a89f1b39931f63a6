"""A layout is made once, used only where it may be, and made anew when a weight is another."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn

from captioner.layout import Layout, Product

READ = torch.tensor([1.0, 2.0])


class Asked:
    """Counts how often a layout is made; its product adds up what is read, times the first weight."""

    def __init__(self, *weights: Tensor) -> None:
        self.weights, self.layout, self.made = weights, Layout(), 0

    def arrange(self) -> Product | None:
        self.made += 1
        factor = float(self.weights[0].flatten()[0])
        return lambda read: read.sum() * factor

    def product(self, read: Tensor = READ) -> float | None:
        product = self.layout.of(self.weights, read, self.arrange)
        return None if product is None else float(product(read))


def test_it_is_made_once() -> None:
    asked = Asked(torch.full((2, 2), 3.0), torch.zeros(2))
    with torch.inference_mode():
        assert [asked.product(), asked.product(), asked.product(READ * 2)] == [9.0, 9.0, 18.0]
    assert asked.made == 1


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        lambda weights, place: weights[place].fill_(5.0),
        lambda weights, place: weights.__setitem__(place, torch.full((2, 2), 5.0)),
        lambda weights, place: weights[place].set_(torch.full((2, 2), 5.0)),  # other numbers in the same tensor
    ],
)
def test_a_change_of_any_weight_makes_it_anew(change: Callable[[list[Tensor], int], object], place: int) -> None:
    asked = Asked(torch.full((2, 2), 3.0), torch.full((2, 2), 3.0))
    with torch.inference_mode():
        assert asked.product() == 9.0
    weights = list(asked.weights)
    change(weights, place)
    asked.weights = tuple(weights)
    with torch.inference_mode():
        assert asked.product() == (15.0 if place == 0 else 9.0)
        asked.product()
    assert asked.made == 2


def test_fewer_or_more_weights_make_it_anew() -> None:
    first, second = torch.full((2, 2), 3.0), torch.zeros(2)
    asked = Asked(first, second)
    with torch.inference_mode():
        for weights in ((first, second), (first,), (first, second)):
            asked.weights = weights
            assert asked.product() == 9.0
    assert asked.made == 3


@pytest.mark.parametrize("elsewhere", [torch.no_grad(), torch.autocast("cpu", torch.bfloat16)])
def test_elsewhere_pytorch_s_own_product_is_used(elsewhere: AbstractContextManager[None]) -> None:
    asked = Asked(torch.full((2, 2), 3.0))
    with torch.inference_mode():
        assert asked.product() == 9.0
    with torch.inference_mode(not isinstance(elsewhere, torch.no_grad)), elsewhere:
        assert asked.product() is None
    with torch.inference_mode():
        assert asked.product() == 9.0
    assert asked.made == 1


def test_without_onednn_nothing_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(torch.full((2, 2), 3.0))
    with monkeypatch.context() as patched, torch.inference_mode():
        patched.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert asked.product() is None
    asked = Asked(torch.full((2, 2), 3.0))
    with torch.inference_mode():
        assert asked.product() == 9.0
        with monkeypatch.context() as patched:
            patched.setattr(torch.backends.mkldnn, "enabled", False)
            assert asked.product() is None
        assert asked.product() == 9.0


@pytest.mark.parametrize("read", [READ[:0], READ.double(), torch.ones(2, device="meta")])
def test_what_it_is_not_made_for(read: Tensor) -> None:
    asked = Asked(torch.full((2, 2), 3.0))
    with torch.inference_mode():
        assert asked.product(read) is None
        assert asked.made == 0
        assert [asked.product(), asked.product(read), asked.product()] == [9.0, None, 9.0]


def test_weights_whose_changes_cannot_be_seen_are_not_laid_out() -> None:
    with torch.inference_mode():
        asked = Asked(torch.full((2, 2), 3.0))
        assert asked.product() is None
        assert asked.made == 0


@pytest.mark.parametrize("weight", [torch.zeros(0, 2), torch.zeros(2, 2, device="meta")])
def test_weights_that_are_none_or_elsewhere_are_not_laid_out(weight: Tensor) -> None:
    asked = Asked(weight)
    with torch.inference_mode():
        assert [asked.product(), asked.product()] == [None, None]
    assert asked.made == 0


@pytest.mark.parametrize("name", ["_is_mkldnn_bf16_supported", "_is_mkldnn_fp16_supported"])
@pytest.mark.parametrize("knows", [True, False])
def test_half_as_long_numbers_need_a_processor_that_knows_them(
    name: str, knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, name, lambda: knows, raising=False)
    kind = torch.bfloat16 if "bf16" in name else torch.float16
    asked = Asked(torch.full((2, 2), 3.0, dtype=kind))
    with torch.inference_mode():
        assert asked.product(READ.to(kind)) == (9.0 if knows else None)


def test_a_product_that_is_not_to_be_had_is_asked_for_once() -> None:
    layout, asked, weight = Layout(), [], torch.ones(2, 2)

    def none() -> None:
        asked.append(1)

    with torch.inference_mode():
        assert [layout.of((weight,), READ, none) for _ in range(3)] == [None, None, None]
    assert asked == [1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layout: pickle.loads(pickle.dumps(layout))])
def test_copies_start_empty(copied: Callable[[Layout], Layout]) -> None:
    asked = Asked(nn.Parameter(torch.full((2, 2), 3.0), requires_grad=False))
    with torch.inference_mode():
        assert asked.product() == 9.0
        assert asked.layout.product is not None
        assert copied(asked.layout).product is None
