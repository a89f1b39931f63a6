"""`python -m captioner evaluate`: a model's scores and the health of its attention on one split."""

from __future__ import annotations

import argparse
from pathlib import Path

from captioner.commands.model_flags import add_model_flags, load_model
from captioner.errors import DataError, SearchError

DESCRIPTION = """\
Score a model on captioned photos with the official scorer (BLEU, METEOR, ROUGE-L, CIDEr), and report how varied its
captions are and whether its maps are worth looking at. Needs the packages in captioner/training/requirements.txt,
and Java for the official tokenizer and METEOR.

Where photos have labels (`labels` in captions.json), it also reports how many captions name a thing that is there and
how many name one that is not (CHAIR). With --grounding, and phrase_boxes.json beside captions.json, it reports whether
the maps lie on what the words name, beside maps that know nothing of the photo.

  python -m captioner evaluate --data flickr8k --split test --beam-width 1,3,5,10 --json scores.json
  python -m captioner evaluate --data flickr8k --beam-width 3 --grounding --plot grounding.png
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "evaluate",
        help="score a model on captioned photos",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of captioned photos")
    parser.add_argument("--split", default="val", help="train, val (default) or test")
    parser.add_argument("--beam-width", default="1,3,5,10", metavar="K,K", help="widths to score (default 1,3,5,10)")
    add_model_flags(parser)
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="photos described together")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N photos")
    parser.add_argument("--tokenizer", default="ptb", help="ptb (official, needs Java; default) or simple")
    parser.add_argument("--grounding", action="store_true", help="hold the maps against the boxes of phrases")
    parser.add_argument(
        "--plot", type=Path, default=None, metavar="FILE", help="draw the grounding as PNG (default: beside the JSON)"
    )
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--captions", action="store_true", help="put every caption into the JSON too")
    parser.set_defaults(run_command=run)


def parse_widths(text: str) -> tuple[int, ...]:
    """Beam widths written as "1,3,5", ascending.

    Raises:
        SearchError: something that is no whole number.
    """
    try:
        return tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as problem:
        raise SearchError(f"expected beam widths such as 1,3,5, got {text!r}") from problem


def run(options: argparse.Namespace) -> int:
    """Evaluate; returns the exit code."""
    from captioner.training.data import load_data
    from captioner.training.evaluate import EvaluateOptions, evaluate
    from captioner.training.report import write_report

    if options.plot is not None and not options.grounding:
        raise DataError("--plot draws what --grounding measures: give both")
    chosen = EvaluateOptions(
        options.split,
        parse_widths(options.beam_width),
        options.batch_size,
        options.limit,
        options.tokenizer,
        options.grounding,
    )
    data = load_data(options.data)
    captioner = load_model(options)
    report = evaluate(captioner, data, chosen)
    print(report.table())
    if options.json is not None:
        write_report(report, options.json, options.captions)
        print(f"written to {options.json}")
    picture = options.plot or (options.json and options.json.with_suffix(".png"))
    if report.grounding is not None and picture is not None:
        from captioner.training.grounding_chart import draw_grounding

        draw_grounding(report.grounding, f"{report.model}: {report.photos} photos of {report.split}", picture)
        print(f"drawn to {picture}")
    return 0
