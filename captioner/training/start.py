"""What a training run starts from: fresh parts on ImageNet features, or a checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from captioner.checkpoint import load_checkpoint
from captioner.decoder import AttentionDecoder, DecoderOptions
from captioner.encoder import Encoder
from captioner.photo import PhotoSettings
from captioner.training.options import TrainOptions
from captioner.training.pretrained import load_imagenet_weights
from captioner.vocabulary import Vocabulary


@dataclass(frozen=True)
class Start:
    """The parts a run begins with, and a line that says where their weights come from."""

    encoder: Encoder
    decoder: AttentionDecoder
    vocabulary: Vocabulary
    photo: PhotoSettings
    source: str


def make_start(options: TrainOptions, captions: Iterable[str]) -> Start:
    """Build the parts the options ask for.

    Args:
        captions: of the training split; a fresh vocabulary is counted on them. A checkpoint brings its own words,
            sizes and photo settings, which then go before those of the options.

    Raises:
        CheckpointError: the checkpoint to start from cannot be used.
        EncoderError: ImageNet weights are asked for and not to be had.
    """
    if options.start_from is not None:
        return _from_checkpoint(options)
    vocabulary = Vocabulary.from_captions(captions, options.min_count)
    encoder = Encoder(options.encoder)
    source = load_imagenet_weights(encoder) if options.pretrained else "random weights"
    ours = not options.tutorial_decoder
    decoder = AttentionDecoder(
        DecoderOptions(
            vocabulary_size=len(vocabulary),
            annotation_dim=encoder.channels,
            embedding_dim=options.embedding_dim,
            hidden_dim=options.hidden_dim,
            attention_dim=options.attention_dim,
            dropout=options.dropout,
            normalise_annotations=ours,
            deep_output=ours,
            tied_embeddings=ours,
        )
    )
    return Start(encoder, decoder, vocabulary, options.photo, source)


def _from_checkpoint(options: TrainOptions) -> Start:
    assert options.start_from is not None
    parts = load_checkpoint(options.start_from)
    decoder = AttentionDecoder(replace(parts.decoder.options, dropout=options.dropout))
    decoder.load_state_dict(parts.decoder.state_dict())
    before = parts.card.provenance.get("encoder_start", "unknown weights")
    source = f"{before}, trained on as {parts.card.name}"
    return Start(parts.encoder, decoder, parts.vocabulary, parts.photo_settings, source)
