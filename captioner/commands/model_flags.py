"""Which model a command uses, and where it runs: the flags that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.hub import Source, locate, source_argument

if TYPE_CHECKING:
    from captioner.captioner import Captioner


def add_model_flags(parser: argparse.ArgumentParser) -> None:
    """Add --checkpoint, --device and --precision."""
    parser.add_argument(
        "--checkpoint",
        type=source_argument,
        default=None,
        metavar="FILE",
        help="model, a file or hf://owner/name[@revision] (default: the one shipped)",
    )
    parser.add_argument("--device", default="auto", help="auto (a GPU where there is one; default), cpu, cuda, ...")
    parser.add_argument(
        "--precision",
        default="float32",
        metavar="P",
        help="of the encoder: float32 (default), float16 or bfloat16, which change a word here and there",
    )


def portable(source: Source) -> str:
    """A checkpoint's place as other processes and machines can be told it."""
    return str(source.resolve() if isinstance(source, Path) else source)


def load_model(options: argparse.Namespace) -> Captioner:
    """The captioner that those flags name.

    Raises:
        CheckpointError: it cannot be loaded or fetched, or the device is not to be had.
        EncoderError: there is no such precision.
    """
    from captioner.captioner import Captioner
    from captioner.checkpoint import default_checkpoint

    return Captioner.load(locate(options.checkpoint or default_checkpoint()), options.device, options.precision)
