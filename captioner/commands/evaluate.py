"""`python -m captioner evaluate`: a model's scores and the health of its attention on one split."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.commands.model_flags import add_model_flags, load_model
from captioner.errors import DataError, SearchError

if TYPE_CHECKING:
    from captioner.training.data import Example
    from captioner.training.report import EvaluationReport

DESCRIPTION = """\
Score a model on captioned photos with the official scorer (BLEU, METEOR, ROUGE-L, CIDEr), and report how varied its
captions are, how many say a word twice (and how many of people's own do), and whether its maps are worth looking at.
Needs the packages in captioner/training/requirements.txt, and Java for the official tokenizer and METEOR.

Where photos have labels (`labels` in captions.json), it also reports how many captions name a thing that is there and
how many name one that is not (CHAIR). With --grounding, and phrase_boxes.json beside captions.json, it reports whether
the maps lie on what the words name, beside maps that know nothing of the photo.

  python -m captioner evaluate --data flickr8k --split test --beam-width 1,3,5,10 --json scores.json
  python -m captioner evaluate --data flickr8k --beam-width 3 --grounding --plot grounding.png
  python -m captioner evaluate --data coco --beam-width 5 --limit 200 --captions said.json --sheet read.jpg
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
    parser.add_argument(
        "--captions",
        type=Path,
        nargs="?",
        const=True,
        metavar="FILE",
        help="write every caption, and the words it repeats, as JSON (default: into the report's)",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help="draw the photos with their captions below, 20 a page: read.jpg becomes read-01.jpg and so on",
    )
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
    """Evaluate; returns the exit code.

    Raises:
        DataError: something could not be scored; the report has been given out.
    """
    from captioner.training.contact_sheet import check_sheet
    from captioner.training.data import load_data
    from captioner.training.evaluate import EvaluateOptions, evaluate

    if options.plot is not None and not options.grounding:
        raise DataError("--plot draws what --grounding measures: give both")
    if options.captions is True and options.json is None:
        raise DataError("--captions alone puts the captions into the JSON report: give --json too, or --captions FILE")
    if options.sheet is not None:
        check_sheet(options.sheet)
    chosen = EvaluateOptions(
        options.split,
        parse_widths(options.beam_width),
        options.batch_size,
        options.limit,
        options.tokenizer,
        options.grounding,
    )
    data = load_data(options.data)
    report = evaluate(load_model(options), data, chosen)
    print(report.table())
    _write_files(options, report, data.split(chosen.split)[: chosen.limit])
    if report.problem:
        raise DataError(f"not everything was scored: {report.problem}")
    return 0


def _write_files(options: argparse.Namespace, report: EvaluationReport, examples: Sequence[Example]) -> None:
    """Write what was asked for beside the table; `examples` are the photos that were evaluated."""
    from captioner.training.report import write_captions, write_report

    if options.json is not None:
        write_report(report, options.json, captions=options.captions is True)
        print(f"written to {options.json}")
    if isinstance(options.captions, Path):
        write_captions(report, options.captions)
        print(f"written to {options.captions}")
    picture = options.plot or (options.json and options.json.with_suffix(".png"))
    if report.grounding is not None and picture is not None:
        from captioner.training.grounding_chart import draw_grounding

        draw_grounding(report.grounding, f"{report.model}: {report.photos} photos of {report.split}", picture)
        print(f"drawn to {picture}")
    if options.sheet is not None:
        from captioner.training.contact_sheet import draw_contact_sheets

        sheets = draw_contact_sheets(examples, {own.width: own.captions for own in report.widths}, options.sheet)
        print(f"drawn to {' '.join(map(str, sheets))}")
