"""What a replica does with a batch of questions; no Ray here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from captioner.captioner import Captioner
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.errors import SearchError, ServingError
from captioner.photo import open_photo, prepare_photo
from captioner.self_test import self_test
from captioner.serving.contract import Asked, Card, Info


@dataclass(frozen=True, eq=False)
class Question:
    """A photo, opened and prepared: pixels (3, S, S); and how it is to be described."""

    pixels: Tensor
    asked: Asked


Outcome = Description | SearchError


class Describer:
    """Answers batches of questions with one captioner, one batch at a time; tests itself when it is made."""

    def __init__(self, captioner: Captioner) -> None:
        self._captioner = captioner
        self._turn = threading.Lock()
        card = Card(captioner.card.name, captioner.card.trained_on)
        words = captioner.vocabulary
        self.info = Info(card, len(words), captioner.photo_settings, captioner.self_test)

    def question(self, photo: bytes, asked: Asked) -> Question:
        """Open a photo.

        Raises:
            PhotoError: it cannot be used.
            SearchError: a word of the beginning is none the model knows.
        """
        self._captioner.known_ids(asked.begin)
        return Question(prepare_photo(open_photo(photo), self._captioner.photo_settings), asked)

    def answer(self, questions: Sequence[Question]) -> list[Outcome]:
        """Encode all photos together; search those that are asked the same together.

        Returns:
            a description for each, or why there is none: what is wrong with one does not touch the others.
        """
        groups: dict[Asked, list[int]] = {}
        for place, question in enumerate(questions):
            groups.setdefault(question.asked, []).append(place)
        found: dict[int, Outcome] = {}
        with self._turn:
            grid = self._captioner.encode_pixels(torch.stack([question.pixels for question in questions]))
            for asked, places in groups.items():
                found |= zip(places, self._search(grid, places, asked), strict=True)
        return [found[place] for place in range(len(questions))]

    def check(self) -> None:
        """Test itself again.

        Raises:
            ServingError: something is found that was not there at the start, as when a device went bad.
        """
        with self._turn:
            now = self_test(self._captioner)
        if not set(now.findings) <= set(self.info.self_test.findings):
            raise ServingError(f"the model no longer works as it did when it was loaded: {now.reason}")

    def _search(self, grid: FeatureGrid, places: list[int], asked: Asked) -> Sequence[Outcome]:
        part = FeatureGrid(grid.annotations[places], grid.height, grid.width, grid.native)
        try:
            return self._captioner.search(part, asked.options, asked.begin)
        except SearchError as problem:
            return [problem] * len(places)
