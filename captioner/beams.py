"""The live hypotheses of every beam of a search, as tensors: one step of all photos and widths is a few operations.

Of G groups (photos) with W beam widths, every beam has K slots for hypotheses; those that hold none are not alive.
What follows a step is computed from tensors of known shapes alone, so a search can stay on a GPU, its steps recorded
once and replayed.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Beams(NamedTuple):
    """All beams between two steps.

    A beam starts with as many places as its width. A finished hypothesis takes its place with it, so the beam shrinks,
    as in the PyTorch captioning tutorial.

    Attributes:
        alive: (G, W, K) bool, whether a slot holds a hypothesis that goes on; the other fields mean nothing elsewhere.
            Those of a beam stand best first.
        row: (G, W, K) int64, the decoder row, within the group, that says what follows it.
        total: (G, W, K) float64, sum of its log-probabilities.
        node: (G, W, K) int64, the place of its last node among all that its beam was offered (see `Grown`), -1 before
            the first.
        places: (G, W) int64, hypotheses each beam can still carry.
    """

    alive: Tensor
    row: Tensor
    total: Tensor
    node: Tensor
    places: Tensor


class Offer(NamedTuple):
    """What a step offers to go on with: k continuations of each of R rows, best first.

    Attributes:
        log_probs: (G, R, k) float32.
        tokens: (G, R, k) int64.
    """

    log_probs: Tensor
    tokens: Tensor


class Grown(NamedTuple):
    """The C continuations that every beam was offered in one step, best first; every field but one is (G, W, C).

    Attributes:
        parent: the node it continues, as in `Beams`.
        row: the decoder row that spoke of it.
        word: its token.
        log_prob: float32, of this token.
        total: float64; -inf where there is no such continuation. Those come last.
        places: (G, W), how many of them the beam could take.
    """

    parent: Tensor
    row: Tensor
    word: Tensor
    log_prob: Tensor
    total: Tensor
    places: Tensor


class Rows(NamedTuple):
    """What the next step is asked: R rows in each of G groups, one per distinct prefix that a beam goes on with.

    Attributes:
        came_from: (G, R), the rows of the step before that they continue.
        token_ids: (G, R), their last words.
        live: (G,), how many rows of each group are such prefixes; the others fill it up and mean nothing.
    """

    came_from: Tensor
    token_ids: Tensor
    live: Tensor


def start_beams(widths: tuple[int, ...], groups: int, slots: int, device: torch.device) -> Beams:
    """Every beam on the one row of its group, in the first of its slots.

    Args:
        widths: of each group, W of them.
        groups: G.
        slots: K.
        device: where the beams lie.
    """
    zeros = torch.zeros(groups, len(widths), slots, dtype=torch.int64, device=device)
    places = torch.tensor(widths, device=device).repeat(groups, 1)  # (G, W)
    return Beams(zeros == torch.arange(slots, device=device), zeros, zeros.double(), zeros - 1, places)


def grow(beams: Beams, offer: Offer, end: int, slots: int, nodes: Tensor | int) -> tuple[Beams, Tensor, Grown]:
    """Let every beam take its best continuations of one step.

    Equal totals go to the earlier hypothesis of the beam, then to the token offered earlier.

    Args:
        beams: before the step.
        offer: of the step; k is at least the places of every live beam, or all that may come.
        end: the token that finishes a hypothesis.
        slots: of the beams after the step, at least the most places of a beam.
        nodes: how many each beam was offered before.

    Returns:
        the beams, whose rows are those of the step before; picks (G, W, K), the place of the last word of each
        hypothesis among the R * k offered, for `share_rows`; and what was offered.
    """
    groups, widths, _ = beams.alive.shape
    best = offer.tokens.shape[-1]
    rank = torch.arange(best, device=offer.tokens.device)
    log_probs, tokens = offer.log_probs.flatten(1), offer.tokens.flatten(1)  # (G, R * k)
    pick = (beams.row.unsqueeze(-1) * best + rank).view(groups, -1)  # (G, W * K * k)
    offered = log_probs.gather(1, pick).view(groups, widths, -1, best)  # (G, W, K, k)
    looked_at = beams.alive.unsqueeze(-1) & (rank < beams.places[..., None, None])
    totals = (beams.total.unsqueeze(-1) + offered).masked_fill_(~looked_at, -torch.inf)
    total, order = totals.flatten(2).sort(dim=-1, descending=True, stable=True)  # (G, W, C), C = K * k
    pick = pick.view(groups, widths, -1).gather(2, order)
    word = tokens.gather(1, pick.view(groups, -1)).view_as(order)
    log_prob = log_probs.gather(1, pick.view(groups, -1)).view_as(order)
    parent = beams.node.gather(2, order.div(best, rounding_mode="floor"))
    row = pick.div(best, rounding_mode="floor")
    place = torch.arange(min(slots, order.shape[-1]), device=order.device)  # (K',)
    top = slice(len(place))
    taken = (place < beams.places.unsqueeze(-1)) & (total[..., top] > -torch.inf)  # (G, W, K')
    ends = taken & (word[..., top] == end)
    after = Beams(
        taken & ~ends, row[..., top], total[..., top], (place + nodes).expand_as(taken), beams.places - ends.sum(-1)
    )
    return after, pick[..., top], Grown(parent, row, word, log_prob, total, beams.places)


def share_rows(beams: Beams, pick: Tensor, offer: Offer, start: int, rows: int | None = None) -> tuple[Beams, Rows]:
    """One row per prefix that any beam of a group goes on with, in the order in which the beams come to it.

    A group with fewer than R prefixes repeats its first, one without any gets `start`.

    Args:
        beams: after a step; those that are returned know their new rows.
        pick: of the same step, see `grow`.
        offer: of the same step.
        start: a token to fill up with.
        rows: R; None: as many as the group with the most distinct prefixes has. Where there are more than R, which
            `Rows.live` tells, those beyond mean nothing.
    """
    groups, slots, offered = len(pick), pick[0].numel(), offer.tokens[0].numel()
    key = pick.masked_fill(~beams.alive, offered).view(groups, slots)  # (G, W * K)
    place = torch.arange(max(slots, offered + 1), device=key.device).expand(groups, -1)
    first = torch.full_like(place[:, : offered + 1], slots)  # (G, R * k + 1) the first slot with each continuation
    first.scatter_reduce_(1, key, place[:, :slots], "amin")
    came, prefix = first[:, :offered].sort(dim=1)  # (G, R * k) the continuations in the order of coming
    number = torch.zeros_like(first).scatter_(1, prefix, place[:, :offered])  # row of each; 0 where nobody goes on
    live = (came < slots).sum(1)  # (G,)
    rows = int(live.max()) if rows is None else rows
    last = max(rows - 1, 0)
    prefix = torch.where(place[:, :rows] < live.unsqueeze(1), prefix[:, :rows], prefix[:, :1])  # (G, R)
    token_ids = offer.tokens.flatten(1).gather(1, prefix).masked_fill_(live.unsqueeze(1) == 0, start)
    row = number.gather(1, key).clamp_(max=last).view_as(pick)
    came_from = prefix.div(offer.tokens.shape[-1], rounding_mode="floor")
    return beams._replace(row=row), Rows(came_from, token_ids, live)


def most_places(beams: Beams) -> int:
    """The largest number of continuations that a live beam looks at."""
    return int((beams.places * beams.alive.any(-1)).max())
