"""SayWhere's captioner: a photo in; captions, where each word looked, and what else could have been said, out.

The road a photo takes, and who owns each part of it:

    photo file, upload, webcam
      | open_photo, prepare_photo          captioner.photo
    pixels (3, S, S)                       the whole photo, upright, squashed to the square the model knows
      | Encoder                            captioner.encoder
    FeatureGrid                            annotations (P, L, D): L = H * W cells of P photos
      | beam_search                        captioner.beam_search
      |   AttentionDecoder, one step       captioner.decoder
    SearchResult                           hypotheses best first, and the whole tree
      | Familiarity                        captioner.familiarity: is the photo like those the model was trained on?
      | Captioner                          captioner.captioner
    Description                            captioner.description
      |   Caption                          captioner.caption: words, log-probabilities, maps (T, H, W), alternatives
      |   Branch                           one word the search looked at, pruned ones included
      |   Glimpses                         what the decoder said before each: map, gate, best words; widths share them
      | render_overlays, overlay_sheet     captioner.overlay, captioner.sheet
      |   unstretch                        captioner.stretch: a stretched grid's maps on the cells really computed
    coloured layers on the photo           one shared scale; the page multiplies the same matrices in the browser

What happens on the way can be looked at: captioner.activations records what the encoder's layers give, captioner.inside
works one step of the decoder out with every number in between. captioner.search_turns is one turn of a search, which
captioner.recorder records and replays on a GPU. captioner.self_test finds out at the start whether a
model's captions and maps say anything; captioner.attention_health measures maps.

Words and token ids meet in captioner.vocabulary; a model's one file is captioner.checkpoint; every error is in
captioner.errors. `python -m captioner` is the command line; captioner.training is for those who train,
captioner.serving for more machines than one, captioner.tutorial reads the checkpoints of the PyTorch tutorial.

    captioner = Captioner.load("model.safetensors")
    description = captioner.describe(open_photo("dog.jpg"))
    best = description.at_width(5)[0]
    best.text, best.attention.shape        # "a dog runs on the grass", (6, 14, 14)
    captioner.describe(open_photo("dog.jpg"), prefix=("a", "black"))    # every caption goes on from there
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from captioner.branches import Branch
    from captioner.caption import Caption
    from captioner.captioner import Captioner
    from captioner.checkpoint import Checkpoint, ModelCard, load_checkpoint, save_checkpoint
    from captioner.description import Description
    from captioner.encoder import FeatureGrid
    from captioner.errors import (
        CaptionerError,
        CheckpointError,
        DataError,
        DecoderError,
        EncoderError,
        PhotoError,
        RecordError,
        SearchError,
        ServingError,
        VocabularyError,
    )
    from captioner.glimpses import Glimpses
    from captioner.photo import CellGeometry, PhotoSettings, open_photo
    from captioner.search_options import SearchOptions

__all__ = [
    "Branch",
    "Caption",
    "Captioner",
    "CaptionerError",
    "CellGeometry",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "DecoderError",
    "Description",
    "EncoderError",
    "FeatureGrid",
    "Glimpses",
    "ModelCard",
    "PhotoError",
    "PhotoSettings",
    "RecordError",
    "SearchError",
    "SearchOptions",
    "ServingError",
    "VocabularyError",
    "load_checkpoint",
    "open_photo",
    "save_checkpoint",
]

# Imported when first asked for: overlays and errors then need no torch, and `--help` answers at once.
_NAMES = {
    "captioner.branches": ("Branch",),
    "captioner.caption": ("Caption",),
    "captioner.captioner": ("Captioner",),
    "captioner.checkpoint": (
        "Checkpoint",
        "ModelCard",
        "load_checkpoint",
        "save_checkpoint",
    ),
    "captioner.description": ("Description",),
    "captioner.encoder": ("FeatureGrid",),
    "captioner.errors": (
        "CaptionerError",
        "CheckpointError",
        "DataError",
        "DecoderError",
        "EncoderError",
        "PhotoError",
        "RecordError",
        "SearchError",
        "ServingError",
        "VocabularyError",
    ),
    "captioner.glimpses": ("Glimpses",),
    "captioner.photo": (
        "CellGeometry",
        "PhotoSettings",
        "open_photo",
    ),
    "captioner.search_options": ("SearchOptions",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Find a public name in its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
