"""Beam search over any step function; knows no photo and no word.

A prefix kept by several beam widths is one decoder row, so searching all widths at once costs hardly more than
searching the widest. G groups (photos) are searched together; at each step every group has R rows. On a processor they
are as many as the group with the most distinct live prefixes needs; a padded search, for a GPU, always has the same
number, so that all its steps are alike and can be recorded once and replayed. Where that is not enough, it begins anew
with as many as there can ever be.
"""

from __future__ import annotations

import torch

from captioner.errors import SearchError
from captioner.interrupt import check_wanted
from captioner.recorder import Recorder
from captioner.search_options import MAX_LENGTH_NORMALISATION, MAX_WIDTH, SearchOptions, SearchTokens
from captioner.search_results import search_results
from captioner.search_steps import SearchState, StateT, Step, StepResult, check_sound
from captioner.search_tree import Hypothesis, Node, SearchResult
from captioner.search_turns import Asked, CrowdedError, Going, Turn, check_room, start_search, take_turn

__all__ = [
    "MAX_LENGTH_NORMALISATION",
    "MAX_WIDTH",
    "Hypothesis",
    "Node",
    "SearchOptions",
    "SearchResult",
    "SearchState",
    "SearchTokens",
    "Step",
    "StepResult",
    "beam_search",
]

CPU = torch.device("cpu")


def beam_search(
    step: Step[StateT],
    start_state: StateT,
    tokens: SearchTokens,
    options: SearchOptions,
    groups: int = 1,
    prefix: tuple[int, ...] = (),
    device: torch.device = CPU,
    recorder: Recorder | None = None,
) -> tuple[dict[int, SearchResult], ...]:
    """Search G groups with all widths in one batched run.

    Per width the rule is the PyTorch captioning tutorial's: at each step the best continuations fill the beam's
    places; one that is <end> is finished and takes its place with it. What a width finds does not depend on the
    other widths and groups; equal totals go to the earlier hypothesis of the beam, then to the lower token id.
    Banned tokens are left out and the others are not renormalised. No gradients are kept.

    Args:
        step: advances every row by one token; called first with one row per group.
        start_state: of G groups with one row each.
        tokens: <start>, <end> and what may not appear.
        options: widths, limits, normalisation.
        groups: G.
        prefix: what every hypothesis begins with. Its tokens carry what the steps say about them, like any others, and
            count towards totals, scores and limits; the beams choose from the first token after it.
        device: where the step computes and the search takes place; on any but the processor it is padded.
        recorder: pads the search and replays its turns where it can; there must be no prefix, the state must be a named
            tuple of tensors, and the step always the same.

    Returns:
        For each group: width -> result.

    Raises:
        SearchError: `step` gave wrong shapes, a NaN, or left a width without any hypothesis; or the prefix is too long
            or holds a token that may not or cannot come.
        InterruptedCaptioningError: see `interruptible`.
    """
    if groups < 1:
        raise SearchError(f"expected 1 group or more, got {groups}")
    with torch.no_grad():
        for rows in _rows(options.widths, device, recorder):
            asked = Asked(tokens, options, prefix, rows)
            going = start_search(start_state, asked, groups, device)
            try:
                replayed = None if recorder is None else recorder.replay(step, going, asked)
                turns = _turns(step, going, asked) if replayed is None else replayed
            except CrowdedError:
                continue
            return search_results(turns, options, tokens.end, len(prefix))
    raise AssertionError("as many rows as hypotheses are enough")


def _rows(widths: tuple[int, ...], device: torch.device, recorder: Recorder | None) -> tuple[int | None, ...]:
    """How many rows a search is first tried with, and then; None: as many as it needs, on a processor.

    Beams share most of their prefixes: those of widths 1 to 10 together had 18 at most, over 200 photos. Only a step
    that a recorder may replay is asked twice: others may count how often they were asked, as one that is made to look
    does.
    """
    everything = sum(widths)
    if recorder is not None:
        return tuple(sorted({min(2 * max(widths), everything), everything}))
    return (None,) if device.type == "cpu" else (everything,)


def _turns(step: Step[StateT], going: Going[StateT], asked: Asked) -> tuple[Turn, ...]:
    """Step after step until no hypothesis goes on."""
    turns: list[Turn] = []
    for number in range(asked.options.max_steps):
        check_wanted()
        going, turn = take_turn(step, going, asked, number)
        turns.append(turn)
        live = going.token_ids.shape[1] if asked.rows is None else int(going.live.max())
        if not live:
            break
        check_room(live, asked)
    check_sound([turn.reading.sound for turn in turns], [turn.live for turn in turns])
    return tuple(turns)
