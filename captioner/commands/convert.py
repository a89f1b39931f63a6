"""`python -m captioner convert`: a checkpoint of the PyTorch image-captioning tutorial into one of SayWhere's."""

from __future__ import annotations

import argparse
from pathlib import Path

from captioner.names import plain

DESCRIPTION = """\
Convert a checkpoint of the well-known PyTorch image-captioning tutorial, written by PyTorch 0.4 or any later version.
Nothing that is pickled in it is executed: a file that names anything a checkpoint has no use for is refused.
With --preset tutorial the captions, log-probabilities and maps are the tutorial's own; without it, <unk> is never said
and long captions are not at a disadvantage.

  python -m captioner convert BEST_checkpoint_coco_5_cap_per_img_5_min_word_freq.pth.tar \\
    --word-map WORDMAP_coco_5_cap_per_img_5_min_word_freq.json --out coco.safetensors
  python -m captioner caption beach.jpg --checkpoint coco.safetensors --preset tutorial
  python app.py --checkpoint coco.safetensors
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "convert",
        help="convert a checkpoint of the PyTorch captioning tutorial",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", type=Path, metavar="CHECKPOINT.pth.tar", help="what the tutorial's train.py saved")
    parser.add_argument("--word-map", type=Path, required=True, metavar="WORDMAP.json", help="its words and their ids")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint to write (.safetensors)")
    parser.add_argument(
        "--name", type=plain, default="show-attend-and-tell", help="the model's name (default %(default)s)"
    )
    parser.add_argument(
        "--trained-on",
        type=plain,
        default="photos its checkpoint says nothing about",
        help="one line about the photos it was trained on, shown on the page",
    )
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Convert; returns the exit code."""
    from captioner.checkpoint import save_checkpoint
    from captioner.tutorial.convert import convert_tutorial

    checkpoint = convert_tutorial(options.source, options.word_map, options.name, options.trained_on)
    save_checkpoint(checkpoint, options.out)
    encoder = checkpoint.encoder.options
    print(
        f"{options.out}: {encoder.name}, a grid of {encoder.stretch} x {encoder.stretch}, "
        f"{len(checkpoint.vocabulary)} tokens"
    )
    return 0
