"""One turn of a search: the step of the decoder, what every beam takes of it, the rows of the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from captioner.beams import Beams, Grown, Offer, grow, most_places, share_rows, start_beams
from captioner.errors import CaptionerError, SearchError
from captioner.search_options import SearchOptions, SearchTokens
from captioner.search_steps import Reading, StateT, Step, check_step, read_step

PENALTIES_KEPT = 16  # a model has two, of a few kilobytes


@dataclass(frozen=True)
class Asked:
    """What a search is asked, turn after turn.

    Attributes:
        tokens: that it has to know.
        options: how to search.
        prefix: what every hypothesis begins with.
        rows: R of every turn, in a padded search, whose slots too are as many as there can ever be; None: as many as
            each turn needs.
    """

    tokens: SearchTokens
    options: SearchOptions
    prefix: tuple[int, ...] = ()
    rows: int | None = None

    def __post_init__(self) -> None:
        most = self.options.max_steps
        if len(self.prefix) >= most:
            raise SearchError(
                f"expected a beginning shorter than the limit of {most} words, got {len(self.prefix)} of them: "
                "give fewer"
            )
        never = (*self.tokens.banned, self.tokens.start, self.tokens.end)
        wrong = [token for token in self.prefix if token < 0 or token in never]
        if wrong:
            raise SearchError(f"expected a beginning of words, got token {wrong[0]}, which is none: choose another")

    def penalty(self, vocabulary: int, step: int, device: torch.device) -> Tensor:
        """(V,) float32: inf for the tokens that may not come at a step, 0 for all others; not to be written to."""
        early = (self.tokens.end,) if step < self.options.min_words else ()
        return _penalty((*self.tokens.banned, *early), vocabulary, device)


@lru_cache(PENALTIES_KEPT)
def _penalty(never: tuple[int, ...], vocabulary: int, device: torch.device) -> Tensor:
    """See `Asked.penalty`; all who ask share it."""
    penalty = torch.zeros(vocabulary)
    penalty[list(never)] = torch.inf
    return penalty.to(device)


@dataclass(frozen=True)
class Going(Generic[StateT]):
    """A search between two turns.

    Attributes:
        token_ids: (G, R) int64, the last word of each row.
        live: (G,) int64, how many rows of each group are prefixes that a beam goes on with; they come first, and what
            fills the group up to R means nothing.
        nodes: how many continuations each beam was offered so far; in a padded search a tensor ().
        beams: all of them.
        state: of the decoder, one row for each of token_ids.
        cells: L, that the steps look at; None before the first.
    """

    token_ids: Tensor
    live: Tensor
    nodes: Tensor | int
    beams: Beams
    state: StateT
    cells: int | None = None


class CrowdedError(CaptionerError):
    """A padded search has come to more live prefixes than it has rows, and what it says from then on is wrong."""


def check_room(live: int, asked: Asked) -> None:
    """Refuse more live prefixes in a group than a padded search has rows.

    Raises:
        CrowdedError: there are more.
    """
    if asked.rows is not None and live > asked.rows:
        raise CrowdedError(f"expected {asked.rows} live prefixes at most, got {live}")


class Turn(NamedTuple):
    """One turn, as it is remembered.

    Attributes:
        reading: what its G groups of R rows said.
        live: (G,), see `Going`.
        grown: what the beams were offered.
    """

    reading: Reading
    live: Tensor
    grown: Grown


def start_search(state: StateT, asked: Asked, groups: int, device: torch.device) -> Going[StateT]:
    """A search before its first turn.

    Args:
        state: of G groups with one row each.
        asked: what is asked.
        groups: G.
        device: where the state lies.
    """
    widths = asked.options.widths
    slots, rows = (1, 1) if asked.rows is None else (max(widths), asked.rows)
    if asked.rows is not None:
        state = state.take(torch.zeros(groups, rows, dtype=torch.int64, device=device))
    token_ids = torch.full((groups, rows), asked.tokens.start, device=device)
    live = torch.ones(groups, dtype=torch.int64, device=device)
    nodes = 0 if asked.rows is None else torch.zeros((), dtype=torch.int64, device=device)
    return Going(token_ids, live, nodes, start_beams(widths, groups, slots, device), state)


def take_turn(
    step: Step[StateT], going: Going[StateT], asked: Asked, number: int, penalty: Tensor | None = None
) -> tuple[Going[StateT], Turn]:
    """The search one word further, and what is to be remembered.

    Args:
        step: of the decoder.
        going: the search.
        asked: what is asked.
        number: of the turn, 0-based.
        penalty: of the turn, where it is at hand.

    Raises:
        SearchError: the step gave wrong shapes, or the word that the search was told cannot come.
    """
    tokens, widths = asked.tokens, asked.options.widths
    result = step(going.token_ids, going.state)
    check_step(result, going.token_ids.shape, going.cells, max(tokens.end, *tokens.banned, *asked.prefix, 0))
    if penalty is None:
        penalty = asked.penalty(result.log_probs.shape[-1], number, result.log_probs.device)
    places = most_places(going.beams) if asked.rows is None else max(widths)
    reading = read_step(result, penalty, max(asked.options.top_words, places))
    offer = _told(result.log_probs, number, asked.prefix) if number < len(asked.prefix) else reading.offer
    beams, pick, grown = grow(going.beams, offer, tokens.end, places, going.nodes)
    beams, rows = share_rows(beams, pick, offer, tokens.start, asked.rows)
    nodes, state = going.nodes + grown.word.shape[-1], result.state.take(rows.came_from)
    after = Going(rows.token_ids, rows.live, nodes, beams, state, reading.attention.shape[-1])
    return after, Turn(reading, going.live, grown)


def _told(log_probs: Tensor, step: int, prefix: Sequence[int]) -> Offer:
    """Nothing but the token of the prefix, however probable it is after row 0, which all beams are on.

    Args:
        log_probs: (G, R, V) of the step.
        step: 0-based.
        prefix: tokens.

    Raises:
        SearchError: the token cannot come.
    """
    said = log_probs[:, :, prefix[step], None].float()  # (G, R, 1)
    if torch.isneginf(said[:, 0]).any():
        raise SearchError(
            f"expected a beginning the model can say, got token {prefix[step]} with a log-probability of -inf "
            f"at step {step}: choose another"
        )
    return Offer(said, torch.full_like(said, prefix[step], dtype=torch.int64))
