from __future__ import annotations

import numpy as np
import pytest
import torch

from captioner.stretch import pooling_matrix, unstretch


@pytest.mark.parametrize(("cells", "native"), [(14, 8), (3, 5), (6, 2), (4, 4), (7, 1), (1, 7), (14, 14), (5, 13)])
def test_a_pooling_matrix_does_what_adaptive_average_pooling_does(cells: int, native: int) -> None:
    signal = np.random.default_rng(cells).random(native).astype(np.float32)
    theirs = torch.nn.functional.adaptive_avg_pool1d(torch.from_numpy(signal)[None, None], cells)[0, 0]
    np.testing.assert_allclose(pooling_matrix(cells, native) @ signal, theirs.numpy(), rtol=1e-6)


def test_a_pooling_matrix_by_hand() -> None:
    np.testing.assert_allclose(pooling_matrix(3, 2), np.array([[1, 0], [0.5, 0.5], [0, 1]]))


@pytest.mark.parametrize(("grid", "native"), [((14, 14), (8, 8)), ((5, 7), (3, 4)), ((2, 3), (5, 4))])
def test_native_weights_give_the_same_context(grid: tuple[int, int], native: tuple[int, int]) -> None:
    random = np.random.default_rng(3)
    seen = torch.from_numpy(random.random((1, 6, *native)))  # six channels
    pooled = torch.nn.functional.adaptive_avg_pool2d(seen, grid)[0].numpy()
    maps = random.random((2, *grid)).astype(np.float32)
    maps /= maps.sum(axis=(1, 2), keepdims=True)
    context = np.einsum("dhw,thw->td", pooled, maps)
    found = unstretch(maps, native)
    assert found.shape == (2, *native)
    np.testing.assert_allclose(np.einsum("dhw,thw->td", seen[0].numpy(), found), context, rtol=1e-5)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 1.0, rtol=1e-5)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected maps \(words, height, width\), got \(3, 4\)"):
        unstretch(np.ones((3, 4), np.float32), (2, 2))
    with pytest.raises(ValueError, match="expected at least 1 cell and 1 native cell, got 3 and 0"):
        pooling_matrix(3, 0)
