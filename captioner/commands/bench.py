"""`python -m captioner bench`: how fast it is beside a plain textbook loop, and what memory a conversion takes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from captioner.bench.options import ENTRIES

DESCRIPTION = """\
Measure, on this machine, a photo in and captions with their maps out: SayWhere beside a plain textbook loop of the
well-known PyTorch captioning tutorial, on the same random ResNet-101 weights with a vocabulary of 9,490 words. Both
take turns in one process; the table gives the median of the rounds' ratios, its quartiles, and whether both said the
same. "limit" holds each stage of the shipped model against what the machine's own rates for matrix products and memory
allow for work that cannot be avoided. "memory" converts a full-size checkpoint in a process of its own. "training"
takes steps of training on cached features, 8 photos with 5 captions each, beside the tutorial's, derives how long an
epoch of Flickr8k takes, and counts what is kept from the way forward for the way back. It takes some minutes, and 1 GB
of disk.

  python -m captioner bench
  python -m captioner bench --entries speed --rounds 11 --json bench.json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "bench",
        help="measure speed and memory on this machine",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--entries", default=",".join(ENTRIES), metavar="E,E", help="what to measure (default %(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="turns of each side (default %(default)s)")
    parser.add_argument("--device", default="auto", help="auto (a GPU where there is one; default), cpu, cuda, ...")
    parser.add_argument("--photo", type=Path, default=None, metavar="FILE", help="photo to describe (default: shipped)")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write everything measured as JSON")
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Measure; returns 0, or 1 when both sides of a pair should have said the same and did not."""
    from captioner.bench.options import BenchOptions

    entries = tuple(dict.fromkeys(part.strip() for part in options.entries.split(",") if part.strip()))
    asked = BenchOptions(entries, options.rounds, options.device)
    from captioner.bench.run import bench
    from captioner.caption import write_whole
    from captioner.checkpoint import default_checkpoint
    from captioner.photo import open_photo

    photo = open_photo(options.photo or default_checkpoint().parent / "examples" / "astronaut.jpg")
    report = bench(asked, photo, lambda name: print(f"measuring: {name}", file=sys.stderr, flush=True))
    print(report.table())
    if options.json is not None:
        write_whole(options.json, json.dumps(report.record(), indent=2) + "\n")
    return 0 if report.same else 1
