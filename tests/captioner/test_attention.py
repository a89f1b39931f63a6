from __future__ import annotations

import pytest
import torch

from captioner import attention
from captioner.attention import compare


@pytest.mark.parametrize("piece", [1, 7 * 4, 3 * 7 * 4])  # numbers: a row, a row and three rows of the grid below
@pytest.mark.parametrize("rows", [1, 3, 5])
def test_a_few_rows_at_a_time_score_as_one_by_one(piece: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "PIECE", piece)
    source = torch.Generator().manual_seed(rows)
    projected = torch.randn(2, 7, 4, generator=source)  # 2 photos of 7 cells
    query, weight = torch.randn(2, rows, 4, generator=source), torch.randn(4, generator=source)
    scores = compare(projected, query, weight)
    assert scores.shape == (2, rows, 7)
    for photo in range(2):
        for row in range(rows):
            for cell in range(7):
                summed = (projected[photo, cell] + query[photo, row]).clamp(min=0)
                expected = sum(float(a) * float(b) for a, b in zip(summed, weight, strict=True))
                assert float(scores[photo, row, cell]) == pytest.approx(expected, abs=1e-5)
