"""What a captioner has a GPU do, replayed: an encoder's pass, and the turns of a padded search.

Between the first turn and the last the GPU is never waited for but to see whether all has been said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from captioner.beams import Beams, Grown, Offer
from captioner.encoder import Encoder, FeatureGrid
from captioner.interrupt import check_wanted
from captioner.recording import Recordings, Tensors, filled_up
from captioner.search_steps import Reading, Step, check_sound
from captioner.search_turns import Asked, Going, Turn, check_room, take_turn

LOOK = 4  # turns between two looks whether a hypothesis still goes on; turns after the last change nothing


class Recorder:
    """Replays the turns of searches over one step function, whose state is a named tuple of tensors.

    Args:
        recordings: of the model.
        vocabulary: V.
    """

    def __init__(self, recordings: Recordings, vocabulary: int) -> None:
        self._recordings = recordings
        self._vocabulary = vocabulary

    def replay(self, step: Step[Any], going: Going[Any], asked: Asked) -> tuple[Turn, ...] | None:
        """All turns of a search, on the CPU; None where they cannot be recorded.

        Args:
            step: of the decoder, the same in every call.
            going: the search before its first turn.
            asked: what is asked; padded, without a prefix.

        Raises:
            CrowdedError: it has too few rows.
            SearchError: see `beam_search`.
            InterruptedCaptioningError: see `interruptible`.
        """
        device = going.token_ids.device
        options = asked.options
        late = asked.penalty(self._vocabulary, options.min_words, device)
        first = asked.penalty(self._vocabulary, 0, device)

        def work(carried: Tensors) -> tuple[Tensors, Tensors]:
            after, turn = take_turn(step, _going(carried, going), asked, 0, carried[0])
            return (carried[0], *_carried(after)), _told(turn)

        came: list[Tensors] = []
        with self._recordings.lock:
            kind = (options.widths, options.top_words, asked.tokens)
            recording = self._recordings.of(kind, work, (first, *_carried(going)))
            if recording is None:
                return None
            for number in range(options.max_steps):
                check_wanted()
                if number == options.min_words:
                    recording.begin((late, *[None] * (len(recording.carried) - 1)))
                came.append(recording.again())
                if number % LOOK == LOOK - 1 and not _going(recording.carried, going).live.any():
                    break
        return _checked(came, asked)


class RecordedEncoder:
    """An encoder that is replayed where it can be recorded.

    Args:
        encoder: what sees the photos.
        recordings: of the model.
    """

    def __init__(self, encoder: Encoder, recordings: Recordings) -> None:
        self._encoder = encoder
        self._recordings = recordings
        self._grids: dict[tuple[int, ...], FeatureGrid] = {}  # without photos: what sides it has for pixels of a shape

    def __call__(self, pixels: Tensor) -> FeatureGrid:
        """See P photos, (P, 3, S, S)."""
        check_wanted()
        full = filled_up(pixels)
        shape = tuple(full.shape)

        def work(carried: Tensors) -> tuple[Tensors, Tensors]:
            grid: FeatureGrid = self._encoder(*carried)
            nothing = grid.annotations.new_empty(0, *grid.annotations.shape[1:])
            self._grids[shape] = replace(grid, annotations=nothing)
            return carried, (grid.annotations,)

        with self._recordings.lock:
            recording = self._recordings.of("encoder", work, (full,))
            if recording is not None:
                (annotations,) = recording.again()
                return replace(self._grids[shape], annotations=annotations[: len(pixels)])
        grid: FeatureGrid = self._encoder(pixels)
        return grid


def _carried(going: Going[Any]) -> Tensors:
    assert isinstance(going.nodes, torch.Tensor)  # padded
    return (going.token_ids, going.live, going.nodes, *going.beams, *going.state)


def _going(carried: Tensors, like: Going[Any]) -> Going[Any]:
    """A penalty and what `_carried` gave, put together again."""
    _, token_ids, live, nodes, *rest = carried
    beams = Beams(*rest[: len(Beams._fields)])
    return Going(token_ids, live, nodes, beams, type(like.state)(*rest[len(Beams._fields) :]))


def _told(turn: Turn) -> Tensors:
    offer, attention, gate, sound = turn.reading
    return (*offer, attention, gate, sound, turn.live, *turn.grown)


def _turn(told: Tensors) -> Turn:
    log_probs, tokens, attention, gate, sound, live, *grown = told
    return Turn(Reading(Offer(log_probs, tokens), attention, gate, sound), live, Grown(*grown))


def _checked(came: list[Tensors], asked: Asked) -> tuple[Turn, ...]:
    """The turns as the CPU has them, taken there field by field; those after the last word hold nothing."""
    fields = [torch.stack(parts).cpu().unbind() for parts in zip(*came, strict=True)]
    turns = tuple(_turn(told) for told in zip(*fields, strict=True))
    check_room(max(int(turn.live.max()) for turn in turns), asked)
    check_sound([turn.reading.sound for turn in turns], [turn.live for turn in turns])
    return turns
