"""`python -m captioner bench`: how fast it is beside a plain textbook loop, and what memory a conversion takes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from captioner.bench.options import ENTRIES
from captioner.errors import DataError

DESCRIPTION = """\
Measure speed and memory on this machine. What is compared takes turns in one process: the table gives the median of the
rounds' ratios, its quartiles, and whether both gave the same answer. All of it takes some minutes, and 1 GB of disk.

  python -m captioner bench
  python -m captioner bench --entries speed --rounds 11 --json bench.json
  python -m captioner bench --entries precision --data flickr8k --split val --limit 300

entries:
""" + "\n".join(f"  {name:<11} {told}" for name, told in ENTRIES.items())


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
    parser.add_argument(
        "--data", type=Path, default=None, metavar="DIR", help="captioned photos for precision (default: the examples)"
    )
    parser.add_argument("--split", default="val", help="of --data: train, val (default) or test")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="only the first N photos of --data")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write everything measured as JSON")
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Measure; returns 0, or 1 when both sides of a pair should have said the same and did not."""
    from captioner.bench.options import BenchOptions

    entries = tuple(dict.fromkeys(part.strip() for part in options.entries.split(",") if part.strip()))
    asked = BenchOptions(entries, options.rounds, options.device, photos=_photos(options))
    from captioner.bench.run import bench
    from captioner.checkpoint import default_checkpoint
    from captioner.photo import open_photo
    from captioner.whole_file import write_whole

    photo = open_photo(options.photo or default_checkpoint().parent / "examples" / "astronaut.jpg")
    report = bench(asked, photo, lambda name: print(f"measuring: {name}", file=sys.stderr, flush=True))
    print(report.table())
    if options.json is not None:
        write_whole(options.json, json.dumps(report.record(), indent=2) + "\n")
    return 0 if report.same else 1


def _photos(options: argparse.Namespace) -> tuple[Path, ...]:
    """Those of the data set, none without one."""
    if options.limit is not None and options.limit < 1:
        raise DataError(f"expected a limit of 1 photo or more, got {options.limit}")
    if options.data is None:
        return ()
    from captioner.training.data import load_data

    return tuple(example.path for example in load_data(options.data).split(options.split)[: options.limit])
