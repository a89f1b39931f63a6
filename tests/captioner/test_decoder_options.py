from __future__ import annotations

import math

import pytest

from builders import tiny_decoder
from captioner.decoder_options import DecoderOptions
from captioner.errors import DecoderError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocabulary_size": 0}, "vocabulary_size of 1 or more, got 0"),
        ({"annotation_dim": -1}, "annotation_dim of 1 or more, got -1"),
        ({"embedding_dim": 0}, "embedding_dim of 1 or more, got 0"),
        ({"hidden_dim": 0}, "hidden_dim of 1 or more, got 0"),
        ({"attention_dim": 0}, "attention_dim of 1 or more, got 0"),
        ({"dropout": 1.0}, "dropout of 0 to below 1, got 1.0"),
        ({"dropout": -0.1}, "dropout of 0 to below 1, got -0.1"),
        ({"dropout": math.nan}, "dropout of 0 to below 1, got nan"),
        ({"tied_embeddings": True}, "deep_output together with tied_embeddings"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, float], message: str) -> None:
    with pytest.raises(DecoderError, match=message):
        DecoderOptions(**{"vocabulary_size": 16, "annotation_dim": 6, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("ours", [False, True])
def test_weights_are_counted_without_a_decoder(ours: bool) -> None:
    decoder = tiny_decoder(ours=ours)
    assert decoder.options.count_weights() == sum(tensor.numel() for tensor in decoder.state_dict().values())
