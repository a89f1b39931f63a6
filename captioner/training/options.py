"""Everything a training run can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from captioner.encoder import EncoderOptions
from captioner.errors import DataError
from captioner.photo import PhotoSettings


@dataclass(frozen=True)
class TrainOptions:
    """A training run, complete: the same options and data give the same model on the same machine.

    Attributes:
        data: folder of captioned photos (see `load_data`).
        out: the checkpoint to write, best epoch so far.
        run: folder for resumable state, cached features, log and learning curve.
        start_from: checkpoint whose weights, words, sizes and photo settings the run starts with, or None.
        encoder: which encoder, and its grid.
        photo: how photos become pixels.
        pretrained: start the encoder from ImageNet weights.
        tune_from: first encoder stage that learns; None keeps all of them frozen.
        cache_features: keep what the frozen stages give on disk instead of running them every epoch.
        epochs: passes over the training photos; the learning rate runs one cycle over all of them.
        frozen_epochs: epochs at the start in which the encoder does not learn yet.
        photos_per_batch: photos per step of the optimiser, each with all its captions.
        learning_rate: highest rate of the decoder.
        encoder_learning_rate: highest rate of the encoder's learning stages.
        weight_decay: of AdamW.
        label_smoothing: share of the target probability spread over all words, 0 to below 1.
        dropout: of the decoder.
        word_dropout: probability that a word given to the decoder is hidden behind `<unk>`.
        doubly_stochastic: weight of the penalty that asks each cell's attention to sum to 1 over a caption
            (Xu et al. 2015, equation 14).
        average: decay per step of the running weight average that is evaluated and saved, 0 to below 1.
        clip_norm: gradients longer than this are shortened to it.
        flip: show half of the photos mirrored.
        embedding_dim, hidden_dim, attention_dim: sizes of the decoder.
        tutorial_decoder: without feature normalisation, deep output and tied embeddings.
        min_count: how often a word must stand in the training captions to enter the vocabulary.
        max_words: longer captions are cut to this many words in training.
        patience: epochs without a better validation CIDEr before stopping.
        seed: of everything random.
        compile: let torch.compile fuse the frozen stages and the attention (about twice as fast on CPUs).
        save_minutes: how often resumable state is written.
        name: the model's name, in its card.
        trained_on: one line about the photos it learnt from, in its card.
    """

    data: Path
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
    weight_decay: float = 0.02
    label_smoothing: float = 0.1
    dropout: float = 0.3
    word_dropout: float = 0.03
    doubly_stochastic: float = 0.0
    average: float = 0.995
    clip_norm: float = 5.0
    flip: bool = True
    embedding_dim: int = 512
    hidden_dim: int = 512
    attention_dim: int = 256
    tutorial_decoder: bool = False
    min_count: int = 5
    max_words: int = 24
    patience: int = 3
    seed: int = 1
    compile: bool = False
    save_minutes: float = 5.0
    name: str = "saywhere"
    trained_on: str = "the photos given to train"

    def __post_init__(self) -> None:
        for name in ("epochs", "photos_per_batch", "min_count", "max_words", "patience"):
            if getattr(self, name) < 1:
                raise DataError(f"expected {name} of 1 or more, got {getattr(self, name)}")
        for name in ("label_smoothing", "dropout", "word_dropout", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise DataError(f"expected {name} of 0 to below 1, got {getattr(self, name)}")
        for name in ("learning_rate", "encoder_learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise DataError(f"expected {name} above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "doubly_stochastic", "frozen_epochs", "seed"):
            if getattr(self, name) < 0:
                raise DataError(f"expected {name} of 0 or more, got {getattr(self, name)}")
        if self.out.suffix != ".safetensors":
            raise DataError(f"expected --out to end in .safetensors, got {self.out.name}")
