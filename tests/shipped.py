"""The model that ships, as visitors meet it, and the same weights in PyTorch's own layers.

What is fast must say what is plain. Nothing here knows what the model says, so that it may be trained anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image
from torch import nn

from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint, load_checkpoint
from captioner.description import Description
from captioner.encoder import FeatureGrid
from captioner.packed import PackedLinear, PackedLSTMCell
from captioner.photo import open_photo
from captioner.search_options import SearchOptions

FEW = SearchOptions(widths=(1, 3))
NATS = 2e-3  # by which two ways of computing in float32 may differ
SHARE = 2e-4  # of a map or a gate


@cache
def shipped() -> Captioner:
    """As the page has it."""
    return Captioner.load(default_checkpoint(), "cpu")


@cache
def plain() -> Captioner:
    """The same weights: nothing folded, nothing laid out anew."""
    checkpoint = load_checkpoint(default_checkpoint())
    checkpoint.decoder.requires_grad_(False)
    _unpack(checkpoint.decoder)
    with mock.patch("captioner.captioner.fold", lambda encoder, precision: encoder):
        return Captioner(checkpoint, "cpu")


def _unpack(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, PackedLinear):
            linear = nn.Linear(child.in_features, child.out_features, child.bias is not None, device="meta")
            linear.weight, linear.bias = child.weight, child.bias
            setattr(module, name, linear)
        elif isinstance(child, PackedLSTMCell):
            cell = nn.LSTMCell(child.input_size, child.hidden_size)
            cell.load_state_dict(child.state_dict())
            setattr(module, name, cell.requires_grad_(False))
        else:
            _unpack(child)


@cache
def example_files() -> tuple[Path, ...]:
    """Photos that ship too."""
    return tuple(sorted((default_checkpoint().parent / "examples").glob("*.jpg")))


@cache
def example(place: int = 0) -> Image.Image:
    """One of them."""
    return open_photo(example_files()[place])


@cache
def grid(place: int = 0) -> FeatureGrid:
    """Its features."""
    return shipped().encode([example(place)])


@cache
def best_caption(place: int = 0) -> Caption:
    """What the model says of it first."""
    return shipped().search(grid(place), FEW)[0].at_width(3)[0]


def words() -> tuple[str, ...]:
    """Of the first photo's caption."""
    return best_caption().words


def step() -> int:
    """The place of a word in its middle."""
    return len(words()) // 2


def check_description(description: Description, place: int = 0, gaze: bool = False) -> None:
    """Every caption is what the plain layers say when they are given its words.

    Args:
        place: of the photo.
        gaze: whether its maps were brushed; then only what holds together is checked.
    """
    assert description.captions
    for caption in description.captions:
        assert set(caption.words) <= set(shipped().vocabulary.tokens)
        if not gaze and caption.words:
            check_caption(caption, plain().replay(grid(place), caption.words))


def check_caption(caption: Caption, expected: Caption) -> None:
    """Two captions of the same words are equal but for rounding."""
    assert caption.words == expected.words
    close(caption.log_probs, expected.log_probs, NATS)
    close(caption.attention, expected.attention, SHARE)
    close(caption.gate, expected.gate, SHARE)
    if caption.finished and expected.finished:
        close(caption.end_log_prob, expected.end_log_prob, NATS)
        close(caption.score, expected.score, NATS)


def close(found: object, expected: object, within: float) -> None:
    """Two arrays, sequences or numbers differ by no more than that, or by a thousandth of what they are."""
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-3, atol=within)


def missing(names: Iterable[str], cases: type) -> list[str]:
    """The names without a test of that name in the class."""
    return sorted(name for name in names if not callable(getattr(cases, f"test_{name}", None)))
