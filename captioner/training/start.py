"""What a training run starts from: fresh parts on ImageNet features, or a checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from captioner.checkpoint import load_checkpoint
from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.encoder import Encoder
from captioner.errors import VocabularyError
from captioner.photo import PhotoSettings
from captioner.training.data import Example
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


def make_start(options: TrainOptions, examples: Sequence[Example]) -> Start:
    """Build the parts the options ask for.

    Args:
        examples: of the training split; a fresh vocabulary is counted on their captions and, where labels have a
            weight, on their labels. A checkpoint brings its own words, sizes and photo settings, which then go before
            those of the options; words of the examples that it lacks are added to its own.

    Raises:
        CheckpointError: the checkpoint to start from cannot be used.
        EncoderError: ImageNet weights are asked for and not to be had.
    """
    if options.start_from is not None:
        return _from_checkpoint(options, options.start_from, examples)
    vocabulary = Vocabulary.from_captions(_texts(examples, options.label_weight > 0), options.min_count)
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


def _texts(examples: Sequence[Example], labels: bool) -> Iterator[str]:
    for example in examples:
        yield from example.captions
        if labels:
            yield from (label.name for label in example.labels)


def _from_checkpoint(options: TrainOptions, path: Path, examples: Sequence[Example]) -> Start:
    parts = load_checkpoint(path)
    try:
        counted = Vocabulary.from_captions(_texts(examples, options.label_weight > 0), options.min_count).tokens
    except VocabularyError:  # no word is frequent enough to be added
        counted = ()
    added = tuple(token for token in counted if token not in parts.vocabulary)
    vocabulary = Vocabulary(parts.vocabulary.tokens + added)
    sizes = replace(parts.decoder.options, dropout=options.dropout, vocabulary_size=len(vocabulary))
    decoder = AttentionDecoder(sizes)
    weights = decoder.state_dict()  # what a word that is added keeps is its random start
    for name, tensor in parts.decoder.state_dict().items():
        known = tuple(slice(side) for side in tensor.shape)
        weights[name][known].copy_(tensor)
    before = parts.card.provenance.get("encoder_start", "unknown weights")
    source = f"{before}, trained on as {parts.card.name}"
    return Start(parts.encoder, decoder, vocabulary, parts.photo_settings, source)
