"""Photo in, everything said about it out: the library's front door."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from captioner.beam_search import StepResult, beam_search
from captioner.caption import Caption
from captioner.checkpoint import Checkpoint, load_checkpoint
from captioner.decoder import DecoderState
from captioner.description import Description
from captioner.encoder import FeatureGrid, join_grids
from captioner.errors import CheckpointError, PhotoError, SearchError
from captioner.folded import exact_products, fold
from captioner.gaze import Gaze
from captioner.in_words import in_words
from captioner.inside import Inside, look_inside
from captioner.photo import prepare_photo, reduce_photo
from captioner.recorder import RecordedEncoder, Recorder
from captioner.recording import Recordings, capture_for, filled_up
from captioner.search_options import SearchOptions, SearchTokens
from captioner.self_test import SelfTest, self_test
from captioner.vocabulary import SPECIAL_TOKENS, Vocabulary


class Captioner:
    """A model ready to caption: encodes a photo once, then describes it as often as asked.

    Args:
        checkpoint: the model's parts.
        device: "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", ...
        precision: of the encoder, one of `PRECISIONS` (see `fold`).
        record: whether the work on a GPU is recorded and replayed, which pays from the second photo on.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str = "auto", precision: str = "float32", record: bool = True
    ) -> None:
        try:
            self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
            if self.device.type == "meta":  # torch's device without memory: it computes shapes, no captions
                raise RuntimeError("no memory")
            self.encoder = fold(checkpoint.encoder, precision).to(self.device)
            self.decoder = checkpoint.decoder.to(self.device).eval()
        except (RuntimeError, AssertionError) as problem:
            raise CheckpointError(f"the device {device!r} cannot be used here: choose cpu") from problem
        self.vocabulary: Vocabulary = checkpoint.vocabulary
        self.photo_settings = checkpoint.photo_settings
        self.card = checkpoint.card
        self.familiarity = checkpoint.familiarity
        self._record = record
        self._start_recording()

    @classmethod
    def load(cls, path: Path | str, device: str = "auto", precision: str = "float32", record: bool = True) -> Captioner:
        """Read a checkpoint file.

        Raises:
            CheckpointError: the file is no checkpoint, or the device is not to be had.
            EncoderError: there is no such precision.
        """
        return cls(load_checkpoint(Path(path)), device, precision, record)

    def on(self, device: str) -> Captioner:
        """The same model, copied to another device.

        Raises:
            RuntimeError: the device is not to be had.
        """
        other = copy.copy(self)
        for known in ("blank", "self_test"):  # lie on the first device, or speak of it
            other.__dict__.pop(known, None)
        other.device = torch.device(device)
        other.encoder = copy.deepcopy(self.encoder).to(other.device)
        other.decoder = copy.deepcopy(self.decoder).to(other.device)
        other._start_recording()
        return other

    def _start_recording(self) -> None:
        capture = capture_for(self.device) if self._record else None
        recordings = None if capture is None else Recordings(capture)
        self._see = self.encoder if recordings is None else RecordedEncoder(self.encoder, recordings)
        self._recorder = None if recordings is None else Recorder(recordings, len(self.vocabulary))

    def describe(
        self, photo: Image.Image, options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> Description:
        """Caption one upright RGB photo (see `open_photo`) at every beam width asked for.

        Args:
            photo: the photo.
            options: how to search.
            prefix: words of the vocabulary that every caption begins with (see `search`).

        Raises:
            PhotoError: the photo is not RGB.
            SearchError: the prefix cannot be said.
        """
        return self.describe_many([photo], options, prefix)[0]

    def describe_many(
        self, photos: Sequence[Image.Image], options: SearchOptions | None = None, prefix: Sequence[str] = ()
    ) -> tuple[Description, ...]:
        """Caption several photos in one batched run; see `describe`."""
        self.known_ids(prefix)  # a wrong word is told before the photos are looked at
        return self.search(self.encode(photos), options, prefix)

    def reduce(self, photo: Image.Image) -> Image.Image:
        """What may be described or encoded in a photo's place (see `reduce_photo`)."""
        return reduce_photo(photo, self.photo_settings)

    def encode(self, photos: Sequence[Image.Image]) -> FeatureGrid:
        """The feature grid of P photos, on the captioner's device.

        Raises:
            PhotoError: there is no photo, or one is not RGB.
        """
        if not photos:
            raise PhotoError("expected at least one photo, got none: give one")
        return self.encode_pixels(torch.stack([prepare_photo(photo, self.photo_settings) for photo in photos]))

    def encode_pixels(self, pixels: Tensor) -> FeatureGrid:
        """The feature grid of P photos prepared already, (P, 3, S, S) (see `prepare_photo`).

        A processor takes one after the other: what lies between the layers of a single photo stays in its cache, and
        the weights are few.
        """
        at_once = 1 if self.device.type == "cpu" else max(1, len(pixels))
        with torch.inference_mode(), exact_products(self.device):
            grids: list[FeatureGrid] = [self._see(self._sent(part)) for part in torch.split(pixels, at_once)]
        return grids[0] if len(grids) == 1 else join_grids(grids)

    def search(
        self,
        grid: FeatureGrid,
        options: SearchOptions | None = None,
        prefix: Sequence[str] = (),
        gaze: Gaze | None = None,
    ) -> tuple[Description, ...]:
        """Beam search over encoded photos: one Description per photo of the grid.

        Args:
            grid: of the photos.
            options: how to search.
            prefix: words that every caption begins with. They carry their true log-probabilities and maps, and count
                in every score; in the trees their fate is "given".
            gaze: where the decoder must look, in the place of its own attention.

        Raises:
            SearchError: a word of the prefix is none of the vocabulary's, they reach the limit of the options, or the
                gaze lies on another grid.
        """
        options = options or SearchOptions()
        given = tuple(self.known_ids(prefix))
        step = self._step if gaze is None else self._steered(gaze, grid)
        recorder = None if given or gaze is not None else self._recorder
        with torch.inference_mode():
            photos = len(grid.annotations)
            full = grid if recorder is None else replace(grid, annotations=filled_up(grid.annotations))
            start, groups = self.decoder.start(full), len(full.annotations)
            tokens = self._tokens(options.any_token)
            results = beam_search(step, start, tokens, options, groups, given, self.device, recorder)[:photos]
            strange = None if self.familiarity is None else self.familiarity.strangeness(grid).tolist()
        return tuple(
            in_words(by_width, grid, self.vocabulary, self.card.name, None if strange is None else strange[photo])
            for photo, by_width in enumerate(results)
        )

    def replay(self, grid: FeatureGrid, words: Sequence[str]) -> Caption:
        """Teacher-force `words` and `<end>` on the one photo of `grid`, to see what the model thinks of them.

        Raises:
            SearchError: no words, a word outside the vocabulary, or a grid of several photos.
        """
        if not words:
            raise SearchError("expected words to replay, got none: give some")
        if len(grid.annotations) != 1:
            raise SearchError(f"expected the grid of one photo, got {len(grid.annotations)}")
        ids = [self.vocabulary.start, *self.known_ids(words), self.vocabulary.end]
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

    def look_inside(self, grid: FeatureGrid, prefix: Sequence[str] = ()) -> Inside:
        """Every number of the step that says the word after `prefix`, for the one photo of `grid`.

        Raises:
            SearchError: a word outside the vocabulary, or a grid of several photos.
        """
        return look_inside(self.decoder, grid, [self.vocabulary.start, *self.known_ids(prefix)])

    @cached_property
    def self_test(self) -> SelfTest:
        """Whether its captions and maps say anything; found out when first asked for."""
        return self_test(self)

    def known_ids(self, words: Sequence[str]) -> list[int]:
        """The ids of words.

        Raises:
            SearchError: one is outside the vocabulary, or a special token.
        """
        for word in words:
            if word not in self.vocabulary or word in SPECIAL_TOKENS:
                count = len(self.vocabulary) - len(SPECIAL_TOKENS)
                raise SearchError(f"{word!r} is not a word this model knows: choose one of its {count} words")
        return self.vocabulary.encode(words)

    @cached_property
    def blank(self) -> FeatureGrid:
        """What the encoder makes of a photo that shows nothing: every pixel has the mean colour."""
        side = self.photo_settings.size
        return self.encode_pixels(torch.zeros(1, 3, side, side))

    def _steered(self, gaze: Gaze, grid: FeatureGrid) -> Callable[[Tensor, DecoderState], StepResult]:
        """A step that looks where the gaze says; for one search, whose steps it counts."""
        weights = torch.from_numpy(gaze.on_grid(grid.height, grid.width)).to(self.device)  # (L,)
        places = itertools.count()

        def step(token_ids: Tensor, state: DecoderState) -> StepResult:
            return self._step(token_ids, state, weights if gaze.covers(next(places)) else None)

        return step

    def _step(self, token_ids: Tensor, state: DecoderState, gaze: Tensor | None = None) -> StepResult:
        step = self.decoder.step(token_ids, state, gaze)
        log_probs = step.logits.float().log_softmax(-1)  # (G, R, V)
        return StepResult(log_probs, step.attention, step.gate.mean(dim=-1), step.state)

    def _sent(self, pixels: Tensor) -> Tensor:
        """The pixels on the captioner's device; on their way to a GPU this thread goes on."""
        if self.device.type != "cuda" or pixels.is_cuda:
            return pixels.to(self.device)
        return pixels.pin_memory().to(self.device, non_blocking=True)

    def _tokens(self, any_token: bool = False) -> SearchTokens:
        words = self.vocabulary
        return SearchTokens(words.start, words.end, () if any_token else (words.pad, words.start, words.unk))

    def _top_words(self, log_probs: Tensor, count: int = 5) -> tuple[tuple[str, float], ...]:
        banned = list(self._tokens().banned)
        masked = log_probs.clone()
        masked[banned] = -torch.inf
        values, ids = masked.topk(min(count, len(masked) - len(banned)))
        return tuple(zip(self.vocabulary.decode(ids.tolist()), values.tolist(), strict=True))
