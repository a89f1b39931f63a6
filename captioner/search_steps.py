"""The step function a beam search drives, and what the search keeps of each step.

Rows are the decoder's: G groups with R rows each, one row per distinct live prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from captioner.beams import Offer
from captioner.errors import SearchError

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
# Gets token_ids (G, R) int64 and the state, both where the search takes place; answers there.
Step = Callable[[Tensor, StateT], StepResult]


class Reading(NamedTuple):
    """What the search reads of one step, on the step's device.

    Attributes:
        offer: the k best of each row that may come, equal ones by token.
        attention: (G, R, L) float32.
        gate: (G, R) float32.
        sound: (G, R) bool, whether no log-probability is NaN or +inf.
    """

    offer: Offer
    attention: Tensor
    gate: Tensor
    sound: Tensor


def check_step(result: StepResult, rows: Sequence[int], cells: int | None, highest_token: int) -> None:
    """Refuse a result the search cannot use.

    Args:
        result: of the step.
        rows: (G, R) it was asked for.
        cells: L of the steps before, None at the first.
        highest_token: the largest token id the search was told about.

    Raises:
        SearchError: a shape does not fit, or the vocabulary lacks the token.
    """
    shapes = {"log-probabilities": (*rows, "V"), "attention": (*rows, cells or "L"), "gate": tuple(rows)}
    for (name, expected), tensor in zip(shapes.items(), result[:3], strict=True):
        given = tuple(tensor.shape)
        fits = len(given) == len(expected) and all(e in ("V", "L", g) for e, g in zip(expected, given, strict=True))
        if not fits or given[-1] == 0:
            raise SearchError(f"expected the step to give {name} {expected}, got {given}".replace("'", ""))
    if highest_token >= result.log_probs.shape[-1]:
        raise SearchError(
            f"expected tokens below the step's vocabulary of {result.log_probs.shape[-1]}, got {highest_token}"
        )


def read_step(result: StepResult, penalty: Tensor, best: int) -> Reading:
    """Read what the search needs of a step.

    Args:
        result: of G groups with R rows.
        penalty: (V,), inf for tokens that may not come now, 0 for all others.
        best: k, how many tokens of a row are looked at; the whole vocabulary when that is smaller.
    """
    costs = penalty - result.log_probs.float()  # (G, R, V)
    tokens = cheapest(costs, min(best, costs.shape[-1]))  # (G, R, k)
    attention, gate = (part.to(torch.float32, copy=True) for part in (result.attention, result.gate))
    sound = costs.amin(-1) > -torch.inf  # the smallest of numbers with a NaN among them is NaN
    return Reading(Offer(0.0 - costs.gather(-1, tokens), tokens), attention, gate, sound)


def cheapest(costs: Tensor, count: int) -> Tensor:
    """The tokens (..., count) with the lowest costs (..., V), float32 of 0 or more; lowest first, equal ones by token.

    `topk` leaves open which of equal numbers it gives, so it is given different ones: read as whole numbers, doubles
    above 0 order as they do themselves, and one that was a float ends in 29 bits of nothing, where the token goes.
    """
    keys = costs.double().view(torch.int64)
    keys |= torch.arange(costs.shape[-1], device=costs.device)
    return keys.topk(count, dim=-1, largest=False).values & ((1 << 29) - 1)


def check_sound(sound: Sequence[Tensor], live: Sequence[Tensor]) -> None:
    """Refuse log-probabilities that are none.

    Args:
        sound: (G, R) of every step, see `Reading`.
        live: (G,) of every step, how many rows of each group are looked at; they come first.

    Raises:
        SearchError: one that is looked at is NaN or +inf.
    """
    if torch.cat(tuple(sound), dim=1).all():
        return
    for step, (rows, count) in enumerate(zip(sound, live, strict=True)):
        asked = torch.arange(rows.shape[1], device=rows.device) < count.unsqueeze(1)  # (G, R)
        if not rows[asked].all():
            raise SearchError(f"expected log-probabilities, got NaN or +inf at step {step}: check the model's weights")
