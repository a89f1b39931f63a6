"""The command line, `python -m captioner COMMAND`: see DESCRIPTION below."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence

from captioner.commands import average, bench, calibrate, caption, convert, evaluate, probe, push, serve, train, watch
from captioner.console import discard_output, settle_streams
from captioner.errors import CaptionerError

DESCRIPTION = """\
Say what is in a photo and show where every word looked.

  caption    caption photos with a trained model
  convert    convert a checkpoint of the PyTorch captioning tutorial
  train      train a model on captioned photos
  watch      add a finished model to the record of a training
  average    average epochs of one training
  calibrate  teach a model to say when it is guessing
  evaluate   score a model on captioned photos
  bench      measure speed and memory on this machine
  probe      measure what the experiments on maps are worth
  push       put a checkpoint on the Hugging Face Hub
  serve      serve captions from several copies of a model

Start with:  python -m captioner caption PHOTO.jpg
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m captioner", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="{caption,convert,train,watch,average,calibrate,evaluate,bench,probe,push,serve}",
    )
    for module in (caption, convert, train, watch, average, calibrate, evaluate, bench, probe, push, serve):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 2 something given cannot be used, 130 stopped by the user."""
    settle_streams()
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has had enough: `... | head`
        discard_output()
        return 0
    except OSError as problem:
        if problem.errno != errno.ENOSPC:
            raise
        print("captioner: the disk is full: make room, then give the same command again", file=sys.stderr)
        discard_output()
        return 2


def _run(arguments: Sequence[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run_command(options)
    except CaptionerError as problem:
        print(f"captioner: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("captioner: stopped", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
