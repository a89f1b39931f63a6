"""The step function a beam search drives, and what the search keeps of each step.

Rows are the decoder's: G groups with R rows each, one row per distinct live prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from captioner.errors import SearchError
from captioner.glimpses import Glimpses

if TYPE_CHECKING:
    from typing_extensions import Self


class SearchState(Protocol):
    """What a step needs besides the previous tokens, one row per prefix."""

    def take(self, rows: Tensor) -> Self:
        """The state whose row r of group g is this state's row rows[g, r]; rows is (G, R') int64."""
        ...


class StepResult(NamedTuple):
    """What one step gives for R rows in each of G groups.

    Attributes:
        log_probs: (G, R, V), natural logarithms of the next token's probabilities.
        attention: (G, R, L), where the step read the photo.
        gate: (G, R), mean gate, 0 to 1.
        state: the state after the step, of the same type as the one before it.
    """

    log_probs: Tensor
    attention: Tensor
    gate: Tensor
    state: Any  # a NamedTuple cannot be generic before Python 3.11


StateT = TypeVar("StateT", bound=SearchState)
# Gets token_ids (G, R) int64, always on the CPU, and the state; may answer on any device.
Step = Callable[[Tensor, StateT], StepResult]


@dataclass(frozen=True)
class StepRecord:
    """One step as the search remembers it, on the CPU.

    Attributes:
        log_probs: (G, R, k) float32, the k best of each row, best first, equal ones by token.
        tokens: (G, R, k) int64, their tokens.
        attention: (G, R, L) float32.
        gate: (G, R) float32.
        live: (G,) int64, how many rows of each group are prefixes a beam goes on with; they come first, and what fills
            the group up to R is not looked at.
    """

    log_probs: NDArray[np.float32]
    tokens: NDArray[np.int64]
    attention: NDArray[np.float32]
    gate: NDArray[np.float32]
    live: NDArray[np.int64]


def check_step(result: StepResult, rows: tuple[int, int], cells: int | None, highest_token: int) -> None:
    """Refuse a result the search cannot use.

    Args:
        result: of the step.
        rows: (G, R) it was asked for.
        cells: L of the steps before, None at the first.
        highest_token: the largest token id the search was told about.

    Raises:
        SearchError: a shape does not fit, or the vocabulary lacks the token.
    """
    shapes = {"log-probabilities": (*rows, "V"), "attention": (*rows, cells or "L"), "gate": rows}
    for (name, expected), tensor in zip(shapes.items(), result[:3], strict=True):
        given = tuple(tensor.shape)
        fits = len(given) == len(expected) and all(e in ("V", "L", g) for e, g in zip(expected, given, strict=True))
        if not fits or given[-1] == 0:
            raise SearchError(f"expected the step to give {name} {expected}, got {given}".replace("'", ""))
    if highest_token >= result.log_probs.shape[-1]:
        raise SearchError(
            f"expected tokens below the step's vocabulary of {result.log_probs.shape[-1]}, got {highest_token}"
        )


def read_step(result: StepResult, forbidden: Sequence[int], best: int, live: NDArray[np.int64]) -> StepRecord:
    """Take what the search needs of a step to the CPU, in one transfer.

    Args:
        result: of G groups with R rows.
        forbidden: tokens that may not come now.
        best: k, how many tokens of a row are looked at; the whole vocabulary when that is smaller.
        live: see `StepRecord`.
    """
    log_probs = result.log_probs.float()  # (G, R, V)
    if forbidden:
        log_probs = log_probs.index_fill(-1, torch.tensor(forbidden, device=log_probs.device), -torch.inf)
    looked_at = min(best + 1, log_probs.shape[-1])  # one more, to see a tie across the border
    values, ids = log_probs.topk(looked_at, dim=-1)  # (G, R, k + 1)
    # Token ids are exact in float32 up to 16 million.
    packed = torch.cat([values, ids.float(), result.attention.float(), result.gate.float().unsqueeze(-1)], dim=-1)
    array: NDArray[np.float32] = packed.cpu().numpy()
    top, tokens = array[..., :looked_at], array[..., looked_at : 2 * looked_at].astype(np.int64)
    _settle_ties(top, tokens, log_probs)
    attention, gate = array[..., 2 * looked_at : -1], array[..., -1]
    return StepRecord(top[..., :best], tokens[..., :best], attention, gate, live)


def _settle_ties(top: NDArray[np.float32], tokens: NDArray[np.int64], log_probs: Tensor) -> None:
    """Order equal log-probabilities by token, in place: topk leaves open which of them it gives, and where.

    Args:
        top: (G, R, k), falling.
        tokens: (G, R, k).
        log_probs: (G, R, V), what they were taken from.
    """
    tied = ((top[..., 1:] == top[..., :-1]) & (top[..., 1:] > -np.inf)).any(axis=-1)  # (G, R)
    if tied.any():
        rows = log_probs[torch.from_numpy(tied).to(log_probs.device)]  # (n, V)
        values, ids = rows.sort(dim=-1, descending=True, stable=True)
        top[tied] = values[:, : top.shape[-1]].cpu().numpy()
        tokens[tied] = ids[:, : top.shape[-1]].cpu().numpy()


def check_numbers(record: StepRecord, step: int) -> None:
    """Refuse log-probabilities that are none.

    Args:
        record: of the step.
        step: 0-based.

    Raises:
        SearchError: one that is looked at is NaN or +inf.
    """
    looked_at = np.arange(record.log_probs.shape[1]) < record.live[:, None]  # (G, R)
    if not (record.log_probs[looked_at] < np.inf).all():  # NaN sorts first, so it is among the best
        raise SearchError(f"expected log-probabilities, got NaN or +inf at step {step}: check the model's weights")


def collect_glimpses(records: Sequence[StepRecord], group: int, top_words: int) -> Glimpses[int]:
    """Everything the decoder said about one group, its live rows step after step.

    Args:
        records: of all steps, one or more.
        group: which group.
        top_words: the most alternatives per glimpse; no record has looked at fewer, but for the whole vocabulary.

    Returns:
        the M glimpses; their arrays are read-only, for results share them.
    """

    def live(part: Callable[[StepRecord], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([part(record)[group, : record.live[group]] for record in records])  # (M, ...)

    attention, gate = live(lambda record: record.attention), live(lambda record: record.gate)
    attention.flags.writeable = gate.flags.writeable = False
    log_probs = live(lambda record: record.log_probs[..., :top_words])  # (M, at most top_words)
    tokens = live(lambda record: record.tokens[..., :top_words]).tolist()
    possible = (log_probs > -np.inf).sum(axis=1).tolist()  # forbidden words come last
    best = zip(tokens, log_probs.tolist(), possible, strict=True)
    return Glimpses(attention, gate, tuple(tuple(zip(t[:n], p[:n], strict=True)) for t, p, n in best))
