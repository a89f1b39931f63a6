"""Glimpses, those at a caption's words among them, as plain data, and the distinct maps they point at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from captioner.caption import effective_cells
from captioner.glimpses import Alternatives
from captioner.overlay import Floats, Projection
from captioner.stretch import unstretch
from captioner.vocabulary import END
from demo.view_types import GlimpseView

EVERYWHERE = 9  # place of a map that favours no ninth of the photo
FLAT = 0.8  # share of the cells that such a map spreads over


class Readings(Protocol):
    """M maps (M, H, W), gates (M,) and alternatives, of a search's glimpses or of a caption's words."""

    @property
    def attention(self) -> Floats:
        """(M, H, W)."""

    @property
    def gate(self) -> Floats:
        """(M,)."""

    @property
    def alternatives(self) -> Sequence[Alternatives[str]]:
        """M of them."""


class Tops(NamedTuple):
    """The highest weight that each of M maps reaches: smoothed, as cells, as native cells; all (M,)."""

    smooth: Floats
    cells: Floats
    native: Floats


class MapStore:
    """Distinct maps in the order they were first seen."""

    def __init__(self) -> None:
        self._maps: list[Floats] = []
        self._places: dict[bytes, int] = {}

    def place(self, attention: Floats) -> int:
        """The place of a map (H, W)."""
        key = attention.tobytes()
        if key not in self._places:
            self._places[key] = len(self._maps)
            self._maps.append(attention)
        return self._places[key]

    def stacked(self) -> Floats:
        """(M, H, W)."""
        return np.stack(self._maps) if self._maps else np.zeros((0, 1, 1), dtype=np.float32)

    def peak(self) -> float:
        """The highest weight of all, 1 where there is none."""
        return float(self.stacked().max(initial=0.0)) or 1.0

    def tops(self, smooth: Projection, native: tuple[int, int]) -> Tops:
        """Of every map so far.

        Args:
            smooth: makes layers of them.
            native: the cells that the network computed.
        """
        if not self._maps:
            none = np.zeros(0, np.float32)
            return Tops(none, none, none)
        maps = self.stacked()
        return Tops(smooth.peaks(maps), maps.max(axis=(1, 2)), unstretch(maps, native).max(axis=(1, 2)))


def glimpse_views(readings: Readings, maps: MapStore) -> list[GlimpseView]:
    """One view for each map, which goes into the store."""
    if not len(readings.gate):
        return []
    cells = effective_cells(readings.attention)  # (M,)
    found = zip(
        readings.attention,
        readings.gate.tolist(),
        cells.tolist(),
        places(readings.attention, cells),
        readings.alternatives,
        strict=True,
    )
    return [
        {
            "gate": round(gate, 4),
            "cells": round(spread, 2),
            "place": place,
            "map": maps.place(attention),
            "rivals": [
                {"word": "" if word == END else word, "probability": round(math.exp(log_prob), 4)}
                for word, log_prob in alternatives
            ],
        }
        for attention, gate, spread, place, alternatives in found
    ]


def places(attention: Floats, cells: Floats) -> list[int]:
    """The ninth of the photo with the most attention, 0 to 8 in reading order, or EVERYWHERE, for each of M maps.

    Args:
        attention: (M, H, W).
        cells: (M,) effective cells.
    """
    rows, columns = (_thirds(side) for side in attention.shape[1:])  # (3, H), (3, W)
    ninths = np.matmul(np.matmul(rows, attention), columns.T)  # (M, 3, 3)
    most = ninths.reshape(len(attention), 9).argmax(axis=1)
    flat = cells > FLAT * attention[0].size
    found: list[int] = np.where(flat, EVERYWHERE, most).tolist()
    return found


def _thirds(side: int) -> NDArray[np.float64]:
    """(3, side): which third of an axis each cell lies in."""
    matrix: NDArray[np.float64] = (np.arange(side) * 3 // side == np.arange(3)[:, None]).astype(np.float64)
    return matrix
