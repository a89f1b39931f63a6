"""Which file may be downloaded: a photo in the folder of uploads, at exactly the address its visitor was told.

The address holds a hash of the photo with a secret of this installation, and the file's name: it can neither be guessed
nor listed. Who has the very same photo finds out the hash by uploading it. All that tells them is whether somebody else
uploaded it too, under a name they would have to guess, and all they get is what they have.
"""

from __future__ import annotations

import re
from pathlib import Path

HASH = re.compile(r"[0-9a-f]{64}")


def is_upload(uploads: Path, path: str) -> bool:
    """Whether `path` names a whole, uploaded file: uploads/hash/name, reached by no link and no detour."""
    file = Path(path)
    if ".." in file.parts or "\0" in path or file.name.startswith(".") or not HASH.fullmatch(file.parent.name):
        return False
    try:
        straight = uploads.resolve() / file.parent.name / file.name
        return file.resolve() == straight and file.parent.parent.resolve() == uploads.resolve() and file.is_file()
    except (OSError, RuntimeError):  # too long, or links that go round in a circle
        return False
