"""Fuzz one target with Atheris, which Python 3.11 to 3.13 on Linux has: pip install -r tests/fuzz/requirements.txt.

    python tests/fuzz/run.py photo --minutes 5
    python tests/fuzz/run.py checkpoint --minutes 5 --corpus somewhere/kept

What breaks a target is written to the folder the command runs in, as crash-*, timeout-* or oom-*.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = ("photo", "checkpoint", "tutorial")
INSTRUMENTED = ["captioner", "PIL", "pillow_heif", "zipfile", "pickle"]  # Python code; that in C is not seen into
LONGEST_INPUT = 40_000  # bytes
SECONDS = 20  # an input may take
MEGABYTES = 1500  # the process may take


def main() -> None:
    """Run until the minutes are over or something breaks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--corpus", type=Path, default=None, help="folder of inputs, grown (default: a new one)")
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    with atheris.instrument_imports(include=INSTRUMENTED):
        from fuzz.targets import TARGETS, seeds
    with tempfile.TemporaryDirectory() as temporary:
        corpus = options.corpus or Path(temporary)
        corpus.mkdir(parents=True, exist_ok=True)
        for seed in seeds(options.target):
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        limits = [f"-max_total_time={int(options.minutes * 60)}", f"-max_len={LONGEST_INPUT}", f"-timeout={SECONDS}"]
        atheris.Setup([sys.argv[0], str(corpus), *limits, f"-rss_limit_mb={MEGABYTES}"], TARGETS[options.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
