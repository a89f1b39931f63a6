"""`python -m captioner watch`: add what a finished model says to the record of a training."""

from __future__ import annotations

import argparse
from pathlib import Path

from captioner.commands.model_flags import add_model_flags, load_model

DESCRIPTION = """\
Add, as its last moment, what a finished model says of the same photos to the record that train --watch wrote. The page
shows the record in assets/learning.json under "Watch it learn".

  python -m captioner watch runs/first/learning.json --photos assets/examples
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "watch",
        help="add a finished model to the record of a training",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("record", type=Path, metavar="FILE", help="learning.json, as train --watch wrote it")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="the folder that was watched")
    add_model_flags(parser)
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Add and save; returns the exit code."""
    from captioner.learning import Learning
    from captioner.training.watching import add_finished

    learning = Learning.load(options.record)
    captioner = load_model(options)
    grown = add_finished(learning, captioner, options.photos)
    grown.save(options.record)
    for moment in grown.moments:
        name = moment.model if moment.step is None else f"step {moment.step}"
        print(f"{name}: {' | '.join(' '.join(telling.words) for telling in moment.tellings)}")
    return 0
