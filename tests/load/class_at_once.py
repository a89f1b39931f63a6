"""A class that uploads its photos at the same moment, then uses the page for a while.

    python tests/load/class_at_once.py --visitors 30 --minutes 10
    python tests/load/class_at_once.py --visitors 4 --minutes 0.2 --address http://127.0.0.1:7860 --pid 1234

Without an address it starts `python app.py` of its own, with an upload folder of its own. It ends by itself: after
the minutes no visitor begins anything new. What goes wrong is counted and printed; the exit code is 1 where a request
failed or a photo could be reached by another visitor. Only addresses of this computer are asked.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Read the command line, run, report."""
    parser = argparse.ArgumentParser(description="A class uploads at the same moment, then uses the page for a while.")
    parser.add_argument("--visitors", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--address", help="of a page that runs already on this computer; else one is started")
    parser.add_argument("--pid", type=int, help="of that page's process, to watch its memory")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    given = parser.parse_args()
    if not 1 <= given.visitors <= 200 or not 0 < given.minutes <= 60:
        parser.error("expected 1 to 200 visitors and at most 60 minutes")
    sys.path.insert(0, str(ROOT / "tests"))
    from load.own_page import served
    from load.school_class import run_class

    if given.address:
        report = run_class(given.address.rstrip("/"), given.visitors, given.minutes * 60, given.pid)
    else:
        with served() as (address, pid, folder):
            report = run_class(address, given.visitors, given.minutes * 60, pid, folder)
    load = os.getloadavg()[0]
    lines = (
        [json.dumps({**asdict(report), "load": load})] if given.json else [*report.lines(), f"load average: {load:.1f}"]
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
