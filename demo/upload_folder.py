"""A folder for the photos of one process, which a later one deletes where that process was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "saywhere-"
LOCK = ".lock"  # locked as long as the process lives, which no process id tells: those are given again
_HELD: list[int] = []  # open locks


def make_folder() -> str:
    """A new folder that only this user may read; those of processes that have ended are deleted."""
    _delete_dead()
    folder = tempfile.mkdtemp(prefix=PREFIX)
    with contextlib.suppress(ImportError, OSError):  # no locks here: then nobody deletes the folder of another
        import fcntl

        handle, unnamed = tempfile.mkstemp(dir=folder)
        fcntl.flock(handle, fcntl.LOCK_EX)
        Path(unnamed).rename(Path(folder, LOCK))  # nobody sees it unlocked
        _HELD.append(handle)
    return folder


def _delete_dead() -> None:
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(ImportError, OSError):  # another user's, or a living process's
            import fcntl

            handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if lock.parent.is_symlink() or lock.parent.stat().st_uid != os.getuid():
                    continue
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(handle)
