"""The comparison that keeps nothing against the plain one: scores, gradients, and what is kept for the way back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from builders import tiny_decoder, tiny_grid
from captioner.attention import compare
from captioner.training.comparison import Comparison, make_comparison, score_fused, score_tiles, spread_fused

Compare = Callable[[Tensor, Tensor, Tensor], Tensor]
PHOTOS, ROWS, CELLS, SIZE = 3, 2, 5, 4
FUSED = Comparison(score_fused, spread_fused)  # what is compiled, without a compiler
TILES = make_comparison(compiled=False)
both = pytest.mark.parametrize("comparison", [TILES, FUSED], ids=["tiles", "fused"])


def parts() -> tuple[Tensor, Tensor, Tensor]:
    """Projected annotations, queries and weight, of no two equal sizes."""
    torch.manual_seed(3)
    shapes = ((PHOTOS, CELLS, SIZE), (PHOTOS, ROWS, SIZE), (SIZE,))
    projected, query, weight = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    return projected, query, weight


def scores_and_gradients(
    compare: Callable[[Tensor, Tensor, Tensor], Tensor], given: tuple[Tensor, ...]
) -> list[Tensor]:
    scores = compare(*given)
    weights = torch.linspace(-1, 2, scores.numel()).reshape(scores.shape)
    return [scores, *torch.autograd.grad((scores * weights).sum(), given)]


@both
def test_scores_and_gradients_are_those_of_the_plain_comparison(comparison: Comparison) -> None:
    expected = scores_and_gradients(compare, parts())
    assert expected[0].shape == (PHOTOS, ROWS, CELLS)
    for ours, plain in zip(scores_and_gradients(comparison, parts()), expected, strict=True):
        torch.testing.assert_close(ours, plain)


@both
def test_gradients_are_the_slopes(comparison: Comparison) -> None:
    assert torch.autograd.gradcheck(comparison, parts())


@both
def test_by_hand(comparison: Comparison) -> None:
    """One photo, one row, two cells: 1 + 1 and -3 + 1, of which the second is cut off."""
    projected = torch.tensor([[[1.0], [-3.0]]], requires_grad=True)
    query, weight = torch.tensor([[[1.0]]], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    scores = comparison(projected, query, weight)
    assert scores.tolist() == [[[10.0, 0.0]]]
    gradients = torch.autograd.grad((scores * torch.tensor([3.0, 7.0])).sum(), (projected, query, weight))
    assert [gradient.tolist() for gradient in gradients] == [[[[15.0], [0.0]]], [[[15.0]]], [6.0]]


def kept(compare: Compare) -> int:
    """Numbers in the largest tensor kept for the way back."""
    sizes: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        compare(*parts())
    return max(sizes)


def test_nothing_larger_than_what_is_given_is_kept() -> None:
    assert kept(compare) == PHOTOS * ROWS * CELLS * SIZE
    assert kept(TILES) == PHOTOS * CELLS * SIZE


def test_in_bfloat16_gradients_stay_near_and_have_the_types_of_what_was_given() -> None:
    exact = scores_and_gradients(compare, parts())
    projected, query, weight = (tensor.detach() for tensor in parts())
    given = projected.bfloat16(), query.bfloat16(), weight.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = scores_and_gradients(TILES, tuple(tensor.requires_grad_() for tensor in given))
    assert [tensor.dtype for tensor in found] == [torch.bfloat16] * 3 + [torch.float32]
    for ours, plain in zip(found, exact, strict=True):
        torch.testing.assert_close(ours.double(), plain, rtol=0.1, atol=0.1)


def test_no_photo_is_no_error() -> None:
    assert score_tiles(torch.ones(0, 5, 4), torch.ones(0, 2, 4), torch.ones(4)).shape == (0, 2, 5)


def test_teaching_with_it_gives_the_plain_gradients() -> None:
    tokens = torch.tensor([[[1, 4, 5, 6, 2], [1, 7, 2, 0, 0]], [[1, 8, 9, 2, 0], [1, 2, 0, 0, 0]]])
    lengths = torch.tensor([[4, 2], [3, 1]])
    gradients = []
    for chosen in (compare, TILES):
        decoder = tiny_decoder()
        decoder.attention.compare = chosen
        taught = decoder.teach(tiny_grid(photos=2), tokens, lengths)
        loss = torch.nn.functional.cross_entropy(taught.logits, taught.targets)
        gradients.append(torch.autograd.grad(loss, list(decoder.parameters())))
    assert sum(float(plain.abs().max()) > 1e-3 for plain in gradients[0]) > 15
    for ours, plain in zip(gradients[1], gradients[0], strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-6)
