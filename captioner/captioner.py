"""Photo in, everything said about it out: the library's front door."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from captioner.beam_search import Hypothesis, SearchOptions, SearchResult, SearchTokens, StepResult, beam_search
from captioner.caption import Branch, Caption, Description
from captioner.checkpoint import Checkpoint, load_checkpoint
from captioner.decoder import DecoderState
from captioner.encoder import FeatureGrid
from captioner.errors import CheckpointError, PhotoError, SearchError
from captioner.photo import prepare_photo
from captioner.vocabulary import END, SPECIAL_TOKENS, Vocabulary


class Captioner:
    """A model ready to caption: encodes a photo once, then describes it as often as asked.

    Args:
        checkpoint: the model's parts.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", ...
    """

    def __init__(self, checkpoint: Checkpoint, device: str = "auto") -> None:
        try:
            self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
            if self.device.type == "meta":  # torch's device without memory: it computes shapes, no captions
                raise RuntimeError("no memory")
            self.encoder = checkpoint.encoder.to(self.device).to(memory_format=torch.channels_last)
            self.decoder = checkpoint.decoder.to(self.device).eval()
        except (RuntimeError, AssertionError) as problem:
            raise CheckpointError(f"the device {device!r} cannot be used here: choose cpu") from problem
        self.vocabulary: Vocabulary = checkpoint.vocabulary
        self.photo_settings = checkpoint.photo_settings
        self.card = checkpoint.card
        self.familiarity = checkpoint.familiarity

    @classmethod
    def load(cls, path: Path | str, device: str = "auto") -> Captioner:
        """Read a checkpoint file.

        Raises:
            CheckpointError: the file is no checkpoint, or the device is not to be had.
        """
        return cls(load_checkpoint(Path(path)), device)

    def describe(self, photo: Image.Image, options: SearchOptions | None = None) -> Description:
        """Caption one upright RGB photo (see `open_photo`) at every beam width asked for."""
        return self.describe_many([photo], options)[0]

    def describe_many(
        self, photos: Sequence[Image.Image], options: SearchOptions | None = None
    ) -> tuple[Description, ...]:
        """Caption several photos in one batched run."""
        return self.search(self.encode(photos), options)

    def encode(self, photos: Sequence[Image.Image]) -> FeatureGrid:
        """The feature grid of P photos, on the captioner's device.

        Raises:
            PhotoError: there is no photo, or one is not RGB.
        """
        if not photos:
            raise PhotoError("expected at least one photo, got none: give one")
        pixels = torch.stack([prepare_photo(photo, self.photo_settings) for photo in photos])  # (P, 3, S, S)
        with torch.inference_mode():
            grid: FeatureGrid = self.encoder(pixels.to(self.device))
        return grid

    def search(self, grid: FeatureGrid, options: SearchOptions | None = None) -> tuple[Description, ...]:
        """Beam search over encoded photos: one Description per photo of the grid."""
        with torch.inference_mode():
            results = beam_search(
                self._step, self.decoder.start(grid), self._tokens(), options or SearchOptions(), len(grid.annotations)
            )
            strange = None if self.familiarity is None else self.familiarity.strangeness(grid).tolist()
        return tuple(
            self._description(grid, by_width, None if strange is None else strange[photo])
            for photo, by_width in enumerate(results)
        )

    def replay(self, grid: FeatureGrid, words: Sequence[str]) -> Caption:
        """Teacher-force `words` and `<end>` on the one photo of `grid`, to see what the model thinks of them.

        Raises:
            SearchError: no words, a word outside the vocabulary, or a grid of several photos.
        """
        unknown = [word for word in words if word not in self.vocabulary or word in SPECIAL_TOKENS]
        if not words or unknown:
            raise SearchError(f"expected words the model knows, got {unknown[:3] or 'none'}: choose others")
        if len(grid.annotations) != 1:
            raise SearchError(f"expected the grid of one photo, got {len(grid.annotations)}")
        ids = [self.vocabulary.start, *self.vocabulary.encode(words), self.vocabulary.end]
        with torch.inference_mode():
            tokens = torch.tensor([[ids]], device=self.device)  # (1, 1, T + 2)
            taught = self.decoder.teach(grid, tokens, torch.tensor([[len(ids) - 1]], device=self.device))
            log_probs = taught.logits.float().log_softmax(-1)  # (T + 1, V)
            chosen = log_probs.gather(1, taught.targets.unsqueeze(1))[:, 0].cpu().numpy()  # (T + 1,)
        count = len(words)
        return Caption(
            words=tuple(words),
            log_probs=chosen[:count],
            end_log_prob=float(chosen[count]),
            attention=taught.attention[:count].float().cpu().numpy().reshape(count, grid.height, grid.width),
            gate=taught.gate[:count].float().cpu().numpy(),
            alternatives=tuple(self._top_words(row) for row in log_probs[:count]),
            score=float(chosen.sum()) / len(chosen) ** SearchOptions().length_normalisation,
            finished=True,
        )

    def _step(self, token_ids: Tensor, state: DecoderState) -> StepResult:
        step = self.decoder.step(token_ids.to(self.device), state)
        log_probs = step.logits.float().log_softmax(-1)  # (G, R, V)
        return StepResult(log_probs, step.attention, step.gate.mean(dim=-1), step.state)

    def _tokens(self) -> SearchTokens:
        words = self.vocabulary
        return SearchTokens(words.start, words.end, (words.pad, words.start, words.unk))

    def _top_words(self, log_probs: Tensor, count: int = 5) -> tuple[tuple[str, float], ...]:
        banned = list(self._tokens().banned)
        masked = log_probs.clone()
        masked[banned] = -torch.inf
        values, ids = masked.topk(min(count, len(masked) - len(banned)))
        return tuple(zip(self.vocabulary.decode(ids.tolist()), values.tolist(), strict=True))

    def _description(
        self, grid: FeatureGrid, by_width: dict[int, SearchResult], strangeness: float | None
    ) -> Description:
        captions: dict[tuple[tuple[int, ...], bool], int] = {}
        distinct: list[Caption] = []
        ranking: dict[int, tuple[int, ...]] = {}
        for width, result in by_width.items():
            places = []
            for hypothesis in result.hypotheses:
                key = (hypothesis.tokens, hypothesis.finished)
                if key not in captions:
                    captions[key] = len(distinct)
                    distinct.append(self._caption(hypothesis, grid))
                places.append(captions[key])
            ranking[width] = tuple(places)
        trees = {width: self._tree(result) for width, result in by_width.items()}
        cells = (grid.height, grid.width)
        return Description(tuple(distinct), ranking, trees, cells, grid.native, self.card.name, strangeness)

    def _caption(self, hypothesis: Hypothesis, grid: FeatureGrid) -> Caption:
        count = len(hypothesis.tokens)
        return Caption(
            words=tuple(self.vocabulary.decode(hypothesis.tokens)),
            log_probs=np.asarray(hypothesis.log_probs, dtype=np.float32),
            end_log_prob=hypothesis.end_log_prob,
            attention=np.asarray(hypothesis.attention, dtype=np.float32).reshape(count, grid.height, grid.width),
            gate=np.asarray(hypothesis.gate, dtype=np.float32),
            alternatives=tuple(
                tuple((self._word(token), log_prob) for token, log_prob in step) for step in hypothesis.alternatives
            ),
            score=hypothesis.score,
            finished=hypothesis.finished,
        )

    def _tree(self, result: SearchResult) -> tuple[Branch, ...]:
        return tuple(
            Branch(
                node.step,
                node.parent,
                self._word(node.token),
                node.log_prob,
                node.total,
                node.score,
                node.fate,
                node.margin,
            )
            for node in result.nodes
        )

    def _word(self, token: int) -> str:
        return END if token == self.vocabulary.end else self.vocabulary.tokens[token]
