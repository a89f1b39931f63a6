"""Everything a training run can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from captioner.encoder import EncoderOptions
from captioner.errors import DataError
from captioner.photo import PhotoSettings
from captioner.training.watching import WatchOptions


@dataclass(frozen=True)
class TrainOptions:
    """A training run, complete: the same options and data give the same model on the same machine.

    Attributes:
        data: folders of captioned photos (see `load_data`); the photos of labels alone are used where labels have
            a weight.
        out: the checkpoint to write, best epoch so far.
        run: folder for resumable state, cached features, log and learning curve.
        start_from: checkpoint whose weights, words, sizes and photo settings the run starts with, or None.
        encoder: which encoder, and its grid.
        photo: how photos become pixels.
        pretrained: start the encoder from ImageNet weights.
        tune_from: first encoder stage that learns; None keeps all of them frozen. Of a ResNet, stage 0 is the stem
            and stages 1 to 4 are its residual layers; the tutorial tunes from 2 on.
        cache_features: keep what the frozen stages give on disk instead of running them every epoch.
        epochs: passes over the training photos; the learning rate runs one cycle over all of them.
        frozen_epochs: epochs at the start in which the encoder does not learn yet.
        photos_per_batch: photos per step of the optimiser, each with all its rows.
        learning_rate: highest rate of the decoder.
        encoder_learning_rate: highest rate of the encoder's learning stages.
        tune_depthwise: let depthwise convolutions learn too: a small share of the weights, half of the time on CPUs.
        weight_decay: of AdamW.
        label_smoothing: share of the target probability spread over all words, 0 to below 1.
        dropout: of the decoder.
        word_dropout: probability that a word given to the decoder is hidden behind `<unk>`.
        pointing: weight of the supervised attention term, where words have boxes (see `pointing_losses`).
        lone_weight: weight in the word loss of a photo that has one caption; of n captions its n-th part, 1 or more.
        label_weight: weight in the word loss of what people marked in a photo, taught as "a <label>".
        self_critical: share of the word loss, 0 to below 1, that rewards sampled captions for their CIDEr-D instead of
            teaching people's (see self_critical.py); needs a label_smoothing of 0.
        repeat_penalty: taken off the CIDEr-D of a sampled caption for every word said again (see `score_samples`).
        samples: captions sampled for each photo, where self_critical is above 0.
        doubly_stochastic: weight of the penalty that asks each cell's attention to sum to 1 over a caption
            (Xu et al. 2015, equation 14).
        average: decay per step of the running weight average that is evaluated and saved, 0 to below 1.
        clip_norm: gradients longer than this are shortened to it.
        views: ways each photo is shown: 1 is whole, 2 adds its mirror image, more add crops (see `make_views`).
        embedding_dim, hidden_dim, attention_dim: sizes of the decoder.
        tutorial_decoder: without feature normalisation, deep output and tied embeddings.
        min_count: how often a word must stand in the training captions to enter the vocabulary.
        max_words: longer captions are cut to this many words in training.
        patience: epochs without a better validation CIDEr before stopping.
        seed: of everything random.
        compile: let torch.compile fuse the attention (faster on some CPUs, slower on others).
        keep_epochs: keep the checkpoint of every epoch in `run`, to be averaged (see `average_checkpoints`).
        save_minutes: how often resumable state is written.
        watch: photos to caption now and then while the model learns, and when (see watching.py); None for none.
        name: the model's name, in its card.
        trained_on: one line about the photos it learnt from, in its card.
    """

    data: tuple[Path, ...]
    out: Path
    run: Path
    start_from: Path | None = None
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    photo: PhotoSettings = field(default_factory=PhotoSettings)
    pretrained: bool = True
    tune_from: int | None = 20
    cache_features: bool = True
    epochs: int = 10
    frozen_epochs: int = 2
    photos_per_batch: int = 32
    learning_rate: float = 6e-4
    encoder_learning_rate: float = 6e-5
    tune_depthwise: bool = False
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    dropout: float = 0.3
    word_dropout: float = 0.03
    pointing: float = 1.0
    lone_weight: float = 3.0
    label_weight: float = 1.0
    self_critical: float = 0.0
    repeat_penalty: float = 0.0
    samples: int = 5
    doubly_stochastic: float = 0.0
    average: float = 0.995
    clip_norm: float = 5.0
    views: int = 3
    embedding_dim: int = 512
    hidden_dim: int = 512
    attention_dim: int = 256
    tutorial_decoder: bool = False
    min_count: int = 5
    max_words: int = 24
    patience: int = 3
    seed: int = 1
    compile: bool = False
    keep_epochs: bool = False
    save_minutes: float = 5.0
    watch: WatchOptions | None = None
    name: str = "saywhere"
    trained_on: str = "the photos given to train"

    def __post_init__(self) -> None:
        for name, (allowed, wanted) in _RANGES.items():
            if not allowed(getattr(self, name)):
                raise DataError(f"expected {name} {wanted}, got {getattr(self, name)}")
        if self.self_critical and self.label_smoothing:
            raise DataError(f"expected label_smoothing 0 with self_critical, got {self.label_smoothing}")
        if not self.data:
            raise DataError("expected at least one data folder, got none")
        if self.out.suffix != ".safetensors":
            raise DataError(f"expected --out to end in .safetensors, got {self.out.name}")


def _ranges() -> dict[str, tuple[Callable[[float], bool], str]]:
    kinds: tuple[tuple[str, Callable[[float], bool], str], ...] = (
        ("epochs photos_per_batch views min_count max_words patience", lambda value: value >= 1, "of 1 or more"),
        ("label_smoothing dropout word_dropout average self_critical", lambda value: 0 <= value < 1, "of 0 to below 1"),
        ("samples", lambda value: value >= 2, "of 2 or more"),
        ("learning_rate encoder_learning_rate clip_norm", lambda value: value > 0, "above 0"),
        (
            "weight_decay doubly_stochastic pointing lone_weight label_weight repeat_penalty frozen_epochs seed",
            lambda value: value >= 0,
            "of 0 or more",
        ),
    )
    return {name: (allowed, wanted) for names, allowed, wanted in kinds for name in names.split()}


_RANGES = _ranges()
