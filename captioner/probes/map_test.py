"""Did this map matter? The word's log-probability when its map is replaced, and when what it points at is deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from captioner.decoder import DecoderState
from captioner.encoder import FeatureGrid
from captioner.errors import RecordError
from captioner.probes.replaying import replay, state_before, without_cells, word_ids

if TYPE_CHECKING:
    from captioner.captioner import Captioner

Verdict = Literal["mattered", "barely", "not"]

SHUFFLES = 20
RANDOM_ORDERS = 4
SHARES = (0.05, 0.1, 0.2, 0.35, 0.5)  # of the cells, deleted
# Nats that the word loses when its map is shuffled; where these lie is settled by `python -m captioner probe`.
MATTERED = 0.5
BARELY = 0.1


@dataclass(frozen=True)
class Deletion:
    """The word's log-probability after deleting cells from the photo, in three orders.

    Attributes:
        shares: of the cells deleted, ascending; 0 is not among them.
        by_attention: the map's highest cells first; one number per share.
        by_chance: mean over random orders.
        from_centre: the cells nearest to the photo's centre first.
    """

    shares: tuple[float, ...]
    by_attention: tuple[float, ...]
    by_chance: tuple[float, ...]
    from_centre: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.shares) == len(self.by_attention) == len(self.by_chance) == len(self.from_centre) > 0:
            raise RecordError(f"expected a number per share in each order, got {self}")

    def mean_loss(self, log_prob: float) -> tuple[float, float, float]:
        """Nats lost on average over the shares: by attention, by chance, from the centre."""
        by_attention, by_chance, from_centre = (
            log_prob - sum(curve) / len(curve) for curve in (self.by_attention, self.by_chance, self.from_centre)
        )
        return by_attention, by_chance, from_centre


@dataclass(frozen=True)
class MapTest:
    """One word's map, tested.

    Attributes:
        word: it.
        log_prob: given the words before it, with its own map.
        uniform: log-probability when every cell gets the same weight.
        shuffled: when the map's weights are dealt out anew to the cells, once per shuffle.
        deletion: when cells are taken out of the photo from the first word on.
    """

    word: str
    log_prob: float
    uniform: float
    shuffled: tuple[float, ...]
    deletion: Deletion

    def __post_init__(self) -> None:
        if not self.shuffled or max(self.log_prob, self.uniform, *self.shuffled) > 1e-3:
            raise RecordError(f"expected log-probabilities, got {self}")

    @property
    def loss(self) -> float:
        """Nats that the word loses on average when its map is shuffled."""
        return self.log_prob - sum(self.shuffled) / len(self.shuffled)

    @property
    def verdict(self) -> Verdict:
        """Whether it mattered where the decoder looked."""
        return "mattered" if self.loss >= MATTERED else "barely" if self.loss >= BARELY else "not"


def map_test(captioner: Captioner, grid: FeatureGrid, words: Sequence[str], step: int, seed: int = 0) -> MapTest:
    """Test the map of one word of a caption.

    Args:
        grid: of one photo.
        words: of the caption.
        step: place of the word, from 0.
        seed: of the shuffles and random orders.

    Raises:
        SearchError: see `word_ids`.
    """
    ids = word_ids(captioner, grid, words, step)
    random = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        state = state_before(captioner, grid, ids, step)
        own = captioner.decoder.attention(state.projected, state.hidden)[0, 0]  # (L,)
        maps = torch.stack([own, torch.full_like(own, 1 / len(own)), *_shuffles(own, random)])  # (2 + S, L)
        said = _said_with(captioner, ids, step, state.take(torch.zeros(1, len(maps)).long().to(own.device)), maps)
        deletion = delete_cells(captioner, grid, ids[: step + 2], own, random)
    return MapTest(words[step], said[0], said[1], tuple(said[2:]), deletion)


def delete_cells(
    captioner: Captioner, grid: FeatureGrid, ids: Sequence[int], attention: Tensor, random: torch.Generator
) -> Deletion:
    """Delete cells of the photo in three orders, and see what becomes of the last word.

    Args:
        ids: `<start>` and words, the last of which is asked about.
        attention: (L,) of that word.
    """
    cells = len(attention)
    orders = [attention.argsort(descending=True).cpu(), _from_centre(grid.height, grid.width)]
    orders += [torch.randperm(cells, generator=random) for _ in range(RANDOM_ORDERS)]
    counts = [max(1, round(share * cells)) for share in SHARES]
    gone = torch.zeros(len(orders), len(counts), cells, dtype=torch.bool)
    for row, order in enumerate(orders):
        for column, count in enumerate(counts):
            gone[row, column, order[:count]] = True
    thinned = without_cells(captioner, grid, gone.flatten(0, 1).to(attention.device))
    said = replay(captioner, thinned, ids)[:, -1].view(len(orders), len(counts)).cpu()
    return Deletion(SHARES, _row(said[0]), _row(said[2:].mean(dim=0)), _row(said[1]))


def _said_with(captioner: Captioner, ids: Sequence[int], step: int, state: DecoderState, maps: Tensor) -> list[float]:
    """Log-probability of word `step` under each of (B, L) maps, from a state of B rows."""

    tokens = torch.full((1, len(maps)), ids[step], device=maps.device)
    logits = captioner.decoder.step(tokens, state, maps.unsqueeze(0)).logits  # (1, B, V)
    said: list[float] = logits[0].float().log_softmax(-1)[:, ids[step + 1]].tolist()
    return said


def _shuffles(attention: Tensor, random: torch.Generator) -> list[Tensor]:
    return [attention[torch.randperm(len(attention), generator=random)] for _ in range(SHUFFLES)]


def _from_centre(height: int, width: int) -> Tensor:
    """(L,) cells in the order of their distance from the photo's centre, in shares of its sides."""
    rows = (2 * torch.arange(height) + 1 - height) * width  # whole numbers: equally distant cells are exactly so
    columns = (2 * torch.arange(width) + 1 - width) * height
    return (rows.square().unsqueeze(1) + columns.square().unsqueeze(0)).flatten().argsort(stable=True)


def _row(values: Tensor) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
