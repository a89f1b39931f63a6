"""How the parts of a description are written as JSON and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import index
from typing import Any

import numpy as np

from captioner.branches import Branch
from captioner.caption import Caption, Floats
from captioner.errors import RecordError
from captioner.glimpses import Alternatives, Glimpses


class MapTable:
    """The distinct maps of a record, each written once: what a caption's word saw is a glimpse's too.

    Attributes:
        maps: the cells of each, row after row.
    """

    def __init__(self) -> None:
        self.maps: list[list[float]] = []
        self._places: dict[bytes, int] = {}

    def places(self, attention: Floats) -> list[int]:
        """Where in `maps` each of the maps (N, H, W) is; those it lacks are added."""
        found = []
        for cells in attention:
            place = self._places.setdefault(cells.tobytes(), len(self.maps))
            if place == len(self.maps):
                self.maps.append(rounded(cells))
            found.append(place)
        return found


def pick_maps(maps: Floats, places: Sequence[int]) -> Floats:
    """The maps (N, H, W) at N places of a table (M, H, W).

    Raises:
        RecordError: the table has no such place.
    """
    if not all(0 <= place < len(maps) for place in places):
        raise RecordError(f"expected maps out of {len(maps)}, got {places}")
    picked: Floats = maps[np.fromiter(map(index, places), np.int64)]
    return picked


def caption_to_record(caption: Caption, table: MapTable) -> dict[str, Any]:
    """What can be written as JSON; the maps go to the table."""
    record = {item.name: getattr(caption, item.name) for item in fields(caption)}
    return {
        **record,
        "log_probs": rounded(caption.log_probs),
        "attention": table.places(caption.attention),
        "gate": rounded(caption.gate),
        "alternatives": write_alternatives(caption.alternatives),
    }


def caption_from_record(record: Mapping[str, Any], maps: Floats) -> Caption:
    """What `caption_to_record` was given; maps is the table (M, H, W)."""
    return Caption(
        words=tuple(str(word) for word in record["words"]),
        log_probs=floats(record["log_probs"]),
        end_log_prob=None if record["end_log_prob"] is None else float(record["end_log_prob"]),
        attention=pick_maps(maps, record["attention"]),
        gate=floats(record["gate"]),
        alternatives=read_alternatives(record["alternatives"]),
        score=float(record["score"]),
        finished=bool(record["finished"]),
    )


def glimpses_to_record(glimpses: Glimpses[str], table: MapTable) -> dict[str, Any]:
    """What can be written as JSON; the maps go to the table."""
    return {
        "attention": table.places(glimpses.attention),
        "gate": rounded(glimpses.gate),
        "alternatives": write_alternatives(glimpses.alternatives),
    }


def glimpses_from_record(record: Mapping[str, Any], maps: Floats) -> Glimpses[str]:
    """What `glimpses_to_record` was given; maps is the table (M, H, W)."""
    return Glimpses(
        pick_maps(maps, record["attention"]), floats(record["gate"]), read_alternatives(record["alternatives"])
    )


def branch_to_record(branch: Branch) -> list[Any]:
    """Its fields in their order."""
    return [round_off(value) if isinstance(value, float) else value for value in branch]


def branch_from_record(record: Sequence[Any]) -> Branch:
    """What `branch_to_record` was given."""
    step, parent, word, log_prob, total, score, fate, margin, glimpse = record
    numbers = float(log_prob), float(total), float(score)
    return Branch(index(step), index(parent), str(word), *numbers, str(fate), float(margin), index(glimpse))


def write_alternatives(steps: Sequence[Alternatives[str]]) -> list[list[list[Any]]]:
    """Per step the best [word, log-probability]."""
    return [[[word, round_off(log_prob)] for word, log_prob in best] for best in steps]


def read_alternatives(steps: Sequence[Any]) -> tuple[Alternatives[str], ...]:
    """What `write_alternatives` was given."""
    return tuple(tuple((str(word), float(value)) for word, value in best) for best in steps)


def rounded(values: Floats) -> list[float]:
    """The numbers, row after row, with the digits that single precision has."""
    return [round_off(value) for value in values.ravel().tolist()]


def round_off(value: float) -> float:
    """The number with seven digits: all that single precision has."""
    return float(f"{value:.7g}")


def floats(values: Sequence[float]) -> Floats:
    """The numbers as an array (N,)."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        return np.asarray(values, dtype=np.float32)
