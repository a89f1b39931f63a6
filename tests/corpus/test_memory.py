"""A refused file takes less than 30 MB of memory, an accepted one less than 400 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from corpus.cases import Refused, all_cases
from corpus.memory import FORGET_PEAK

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_REFUSED, MOST_ACCEPTED = 30_000_000, 400_000_000  # bytes


@pytest.mark.skipif(not FORGET_PEAK.exists(), reason="only Linux tells the peak of a process's memory bit by bit")
def test_no_file_takes_more_memory_than_it_may() -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    measured = subprocess.run(
        [sys.executable, "-m", "corpus.memory"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert measured.returncode == 0, measured.stderr
    rows = [json.loads(line) for line in measured.stdout.splitlines()]
    cases = all_cases()
    assert [name for name, _, _ in rows] == list(cases)
    most = {name: MOST_REFUSED if isinstance(case.expected, Refused) else MOST_ACCEPTED for name, case in cases.items()}
    assert [row for row in rows if row[1] >= most[row[0]] or row[2] is not None] == []
    assert max(growth for _, growth, _ in rows) > 100_000_000  # so it does measure
