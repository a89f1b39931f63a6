"""How much memory opening each file takes, measured in a process of its own: `python -m corpus.memory`, on Linux."""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import tempfile
import warnings
from pathlib import Path

from captioner.errors import PhotoError
from captioner.photo import open_photo
from corpus.cases import Case, all_cases

FORGET_PEAK = Path("/proc/self/clear_refs")  # "5" written to it makes VmHWM the memory of now (proc(5))


def resident(field: str) -> int:
    """VmRSS, memory now, or VmHWM, the peak since it was forgotten: bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


def measure(case: Case, folder: Path) -> tuple[int, str | None]:
    """By how much the peak lies above what there was before, in bytes; and what is wrong with the outcome."""
    path = folder / f"photo{case.ending}"
    path.write_bytes(case.make())
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    FORGET_PEAK.write_text("5", encoding="ascii")
    before = resident("VmRSS")
    try:
        photo = open_photo(path)
    except PhotoError as problem:
        return resident("VmHWM") - before, case.objection(str(problem))
    finally:
        path.unlink()
    return resident("VmHWM") - before, case.objection(photo)


def main() -> None:
    """A JSON line for each case: its name, the growth, the objection."""
    warnings.simplefilter("ignore")
    cases = all_cases()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("PNG", "JPEG", "TIFF LZW", "WebP", "GIF", "HEIC", "AVIF"):
            measure(cases[kind], Path(folder))  # what is loaded on first use is none of a file's doing
        for case in cases.values():
            growth, objection = measure(case, Path(folder))
            sys.stdout.write(json.dumps([case.name, growth, objection]) + "\n")


if __name__ == "__main__":
    main()
