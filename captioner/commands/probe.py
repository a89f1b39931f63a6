"""`python -m captioner probe`: how far a model's experiments on its maps can be trusted, measured on a split."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.commands.model_flags import add_model_flags, load_model
from captioner.errors import DataError
from captioner.json_file import read_json

if TYPE_CHECKING:
    from captioner.training.probing import ProbeReport

DESCRIPTION = """\
Run the experiments of the page's "Test this map" on photos with boxed phrases (phrase_boxes.json beside
captions.json): do words whose map mattered lose more than the others when the cells it points at are deleted, and how
often does looking at a thing that the caption does not name bring its name? Do the two pictures of "A second opinion"
show what its verdict says? Needs the packages in captioner/training/requirements.txt.

  python -m captioner probe --data flickr8k --split val --limit 400
  python -m captioner probe --data coco --only second --limit 200  # without boxes; settles the verdict's thresholds
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "probe",
        help="measure what the experiments on maps are worth",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of photos with boxed phrases")
    parser.add_argument("--split", default="val", help="train, val (default) or test")
    add_model_flags(parser)
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only N photos, picked at random")
    parser.add_argument("--seed", type=int, default=0, help="of what is picked at random (default 0)")
    parser.add_argument("--only", choices=["second"], default=None, help="only the second opinion; any photos will do")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE",
                        help="write the report as JSON; with --only, into the report that is there")  # fmt: skip
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Probe and print; returns the exit code."""
    from dataclasses import asdict

    from captioner.training.data import load_data
    from captioner.training.probing import probe
    from captioner.training.second_opinions import ask_twice, second_table
    from captioner.whole_file import write_whole

    if options.limit is not None and options.limit < 1:
        raise DataError(f"expected a limit of 1 photo or more, got {options.limit}")
    examples = load_data(options.data).split(options.split)
    captioner = load_model(options)
    if options.only == "second":
        earlier = read_report(options.json, captioner.card.name)
        second = ask_twice(captioner, examples, options.limit, options.seed)
        written = {**earlier, "second": asdict(second)}
        print(second_table(second))
    else:
        report = probe(captioner, examples, options.limit, options.seed)
        written = report.as_dict()
        print(f"{table(report)}\n\n{second_table(report.second)}")
    if options.json is not None:
        write_whole(options.json, json.dumps(written, indent=1))
        print(f"written to {options.json}")
    return 0


def read_report(file: Path | None, model: str) -> dict[str, object]:
    """The report that a part is to be written into; an empty one of this model where there is none.

    Raises:
        DataError: it is of another model, or no report.
    """
    if file is None or not file.exists():
        return {"model": model}
    try:
        report = read_json(file)
        found = report["model"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise DataError(f"{file} is no report of this command: give another file") from problem
    if found != model:
        raise DataError(f"{file} is a report of the model {found!r}, got {model!r}: give another file")
    return dict(report)


def table(report: ProbeReport) -> str:
    """The numbers, one a line."""
    verdicts, brush = report.verdicts, report.brush
    rows = {
        f"words tested, of {report.photos} photos": str(verdicts.words),
        "map mattered": f"{100 * verdicts.mattered:.1f} %",
        "map barely mattered": f"{100 * verdicts.barely:.1f} %",
        "loss when its cells are deleted, map mattered": f"{verdicts.flagged_loss:.2f} nats",
        "loss when its cells are deleted, the others": f"{verdicts.other_loss:.2f} nats",
        "AUC of that loss": f"{verdicts.auc:.3f}",
        f"of {verdicts.nouns} nouns, attention's order beats a random one": f"{100 * verdicts.beats_chance:.1f} %",
        f"of {verdicts.nouns} nouns, attention's order beats the centre": f"{100 * verdicts.beats_centre:.1f} %",
        f"brush: things not named before, of {brush.photos}, named after looking at every step": (
            f"{100 * brush.always:.1f} %"
        ),
        "brush: named after looking once, at the first noun": f"{100 * brush.once:.1f} %",
        "brush: named after looking elsewhere": f"{100 * brush.elsewhere:.1f} %",
        "brush: caption changed": f"{100 * brush.changed:.1f} %",
    }
    return "\n".join(f"{name:<82} {value:>10}" for name, value in rows.items())
