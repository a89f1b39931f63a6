"""What a decoder is made like; a checkpoint carries it as JSON."""

from __future__ import annotations

from dataclasses import dataclass

from captioner.errors import DecoderError


@dataclass(frozen=True)
class DecoderOptions:
    """Sizes and variants of the decoder; the variants are off in tutorial checkpoints.

    Attributes:
        vocabulary_size: V, number of tokens.
        annotation_dim: D, channels of an annotation vector.
        embedding_dim: E, length of a word vector.
        hidden_dim: length of the LSTM's hidden and cell state.
        attention_dim: A, length of the space in which annotations and hidden state are compared.
        dropout: probability that a value is dropped in training, 0 to below 1.
        normalise_annotations: layer-normalise each annotation before anything else reads it.
        deep_output: the next word is read from hidden state, context and previous word (Xu et al. 2015,
            equation 7) instead of the hidden state alone.
        tied_embeddings: the output layer shares its matrix with the word vectors (Press and Wolf 2017); needs
            deep_output, whose output layer reads vectors of length E.
    """

    vocabulary_size: int
    annotation_dim: int
    embedding_dim: int = 512
    hidden_dim: int = 512
    attention_dim: int = 512
    dropout: float = 0.5
    normalise_annotations: bool = False
    deep_output: bool = False
    tied_embeddings: bool = False

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "annotation_dim", "embedding_dim", "hidden_dim", "attention_dim"):
            if getattr(self, name) < 1:
                raise DecoderError(f"expected {name} of 1 or more, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise DecoderError(f"expected a dropout of 0 to below 1, got {self.dropout}")
        if self.tied_embeddings and not self.deep_output:
            raise DecoderError("expected deep_output together with tied_embeddings, got tied_embeddings alone")

    def count_weights(self) -> int:
        """Numbers in the decoder's state, where tied layers both have theirs."""
        d, e, h, v, a = (
            self.annotation_dim,
            self.embedding_dim,
            self.hidden_dim,
            self.vocabulary_size,
            self.attention_dim,
        )
        attention, start, gate = (d + h + 3) * a + 1, 2 * (d + 1) * h, (h + 1) * d
        lstm, output = 4 * h * (e + d + h + 2), ((e if self.deep_output else h) + 1) * v
        return attention + start + gate + lstm + v * e + output + self.deep_output * (h + 1 + d) * e
