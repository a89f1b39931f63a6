"""`python -m captioner average`: several checkpoints of one training into one."""

from __future__ import annotations

import argparse
from pathlib import Path

from captioner.names import plain

DESCRIPTION = """\
Average the weights of several epochs of one training, or of runs that go on from each other, into one model: often a
better one than each of them. `train --keep-epochs` keeps them. Calibrate the result anew.

  python -m captioner average runs/first/epoch-1.safetensors runs/first/epoch-5.safetensors --out model.safetensors

A word that the training photos show far more often than people's photos do is said too often; --prior makes it rarer:

  python -m captioner average a.safetensors b.safetensors --out model.safetensors --prior dog=-1.2 dogs=-1.2
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "average",
        help="average epochs of one training",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="FILE", help="checkpoints, two or more")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint to write (.safetensors)")
    parser.add_argument("--name", type=plain, default=None, help="the model's name (default: the first one's)")
    parser.add_argument(
        "--prior",
        nargs="+",
        type=_prior,
        default=[],
        metavar="WORD=NATS",
        help="add to the word's log-probability before the softmax; below 0 makes it rarer",
    )
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Average; returns the exit code."""
    from captioner.finding import expand
    from captioner.training.soup import average_checkpoints

    checkpoints = expand(options.checkpoints)
    average_checkpoints(checkpoints, options.out, options.name, dict(options.prior))
    print(f"the mean of {len(checkpoints)} checkpoints: {options.out}")
    return 0


def _prior(value: str) -> tuple[str, float]:
    word, _, nats = value.rpartition("=")
    try:
        return word, float(nats)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected WORD=NATS, as in dog=-1.2, got {value!r}") from None
