"""Write or check assets/LICENCES.md: every package that requirements.txt brings along, and its licence.

python .ci/licences.py            check, as CI does: none unknown, none that binds what it is used in
python .ci/licences.py --write    write the list anew
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "assets" / "LICENCES.md"
HEAD = """\
# Licences of what SayWhere needs

Every package that `pip install -r requirements.txt` installs on Linux, as it states its own licence. NVIDIA's come
with PyTorch's build for GPUs; its build for CPUs alone leaves them out. Written by `python .ci/licences.py --write`;
CI checks that none is unknown, GPL or AGPL.

| package | licence |
|---|---|
"""
# The same licence by the names that people give it.
SAME = {
    r"mit( license)?": "MIT",
    r"apache( software license|[- ]2\.0| license,? (version )?2\.0)": "Apache-2.0",
    r"bsd 3-clause license|bsd-3-clause": "BSD-3-Clause",
    r"bsd( license)?": "BSD",
    r"isc license( \(iscl\))?": "ISC",
    r"mozilla public license 2\.0 \(mpl 2\.0\)": "MPL-2.0",
    r"python software foundation license": "PSF-2.0",
    r"(licenseref-)?nvidia[- ]proprietary( software)?": "NVIDIA proprietary",
}
FORBIDDEN = re.compile(r"(?<!L)\bA?GPL|affero|(?<!lesser )general public", re.IGNORECASE)
STATED_ELSEWHERE = {"cuda-toolkit": "NVIDIA proprietary"}  # an empty package that names NVIDIA's; it states none


def installed(requirements: str) -> dict[str, Distribution]:
    """Name -> package, for everything that lines of requirements bring along on this machine.

    Raises:
        PackageNotFoundError: one of them is not installed.
    """
    found: dict[str, Distribution] = {}
    open_ends = [Requirement(line) for line in _lines(requirements)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while open_ends:
        requirement = open_ends.pop()
        name, extras = _normal(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = distribution(requirement.name)
        brought = map(Requirement, found[name].requires or ())
        open_ends += [needed for needed in brought if _applies(needed, extras)]
    return dict(sorted(found.items()))


def licence_of(name: str, told: PackageMetadata) -> str:
    """What a package states: its expression, else a short licence field, else its classifiers; "" where none."""
    expression = told.get("License-Expression")
    field = (told.get("License") or "").strip()
    kinds = [kind.split(" :: ")[-1] for kind in told.get_all("Classifier") or () if kind.startswith("License ::")]
    if "\n" in field or len(field) > 60 or field.startswith("Copyright") or field.upper() == "UNKNOWN":
        field = ""  # the whole text of a licence
    stated = expression or field or ", ".join(kinds) or STATED_ELSEWHERE.get(name, "")
    return ", ".join(map(_usual, stated.split(", ")))


def wrong(licences: dict[str, str]) -> Iterator[str]:
    """A sentence for each package that may not be used, or not without being looked at."""
    for name, licence in licences.items():
        if not licence:
            yield f"{name} states no licence: look it up, and add it to STATED_ELSEWHERE."
        elif FORBIDDEN.search(licence):
            yield f"{name} is under {licence}: SayWhere may not depend on it."


def unlisted(licences: dict[str, str], listed: str) -> list[str]:
    """The packages that are not in the list: no fault, another Python or a newer version brings others."""
    return [name for name in licences if f"| {name} |" not in listed]


def main(arguments: list[str]) -> int:
    """0 when all is well, 1 when not."""
    try:
        packages = installed((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    except PackageNotFoundError as problem:
        print(f"{problem.name} is not installed: pip install -r requirements.txt")
        return 1
    licences = {name: licence_of(name, package.metadata) for name, package in packages.items()}
    if arguments == ["--write"]:
        LIST.write_text(
            HEAD + "".join(f"| {name} | {licence} |\n" for name, licence in licences.items()), encoding="utf-8"
        )
    new = unlisted(licences, LIST.read_text(encoding="utf-8"))
    if new:
        print(f"Not yet in {LIST.name} (python .ci/licences.py --write): {', '.join(new)}")
    problems = list(wrong(licences))
    print("\n".join(problems) or f"{len(licences)} packages, every licence known and allowed")
    return 1 if problems else 0


def _applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def _lines(requirements: str) -> Iterator[str]:
    for line in requirements.splitlines():
        stated = line.partition("#")[0].strip()
        if stated and not stated.startswith("-"):
            yield stated


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _usual(licence: str) -> str:
    return next((usual for pattern, usual in SAME.items() if re.fullmatch(pattern, licence.strip().lower())), licence)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
