"""`python -m captioner calibrate`: a model that says when it is guessing."""

from __future__ import annotations

import argparse
from pathlib import Path

DESCRIPTION = """\
Fit how familiar photos look to a model, and write that into its checkpoint: page, API and command line then say so when
a photo is unlike those the model was trained on. Give the folders it was trained on; photos known by labels, none of
which the model has a word for, show how well it works.
Needs the packages in captioner/training/requirements.txt.

  python -m captioner calibrate --data flickr8k photos --checkpoint model.safetensors
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "calibrate",
        help="teach a model to say when it is guessing",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+", metavar="DIR", help="folders it was trained on")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="FILE", help="model, written again")
    parser.add_argument("--photos", type=int, default=4000, help="most training photos to look at (default 4000)")
    parser.add_argument("--false-alarms", type=float, default=0.02, metavar="SHARE",
                        help="share of familiar photos that may be called unfamiliar (default 0.02)")  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto (a GPU where there is one; default), cpu, cuda, ...")
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Calibrate and say how well it works; returns the exit code."""
    from captioner.finding import expand
    from captioner.training.calibrate import CalibrateOptions, calibrate

    done = calibrate(
        CalibrateOptions(
            data=tuple(expand(options.data)),
            checkpoint=options.checkpoint,
            photos=options.photos,
            false_alarms=options.false_alarms,
            device=options.device,
        )
    )
    for name, auroc in done.auroc.items():
        print(f"{name}: AUROC {auroc:.3f}, called unfamiliar {100 * done.false_alarms[name]:.1f} %")
    print(f"photos of new things ({done.new_photos}): called unfamiliar {100 * done.found:.1f} %")
    return 0
