"""An upload that ends before its end, on a full disk or with the page: what Gradio has written of it is deleted.

Gradio itself deletes that only when an upload is malformed.
"""

from __future__ import annotations

import contextlib
import errno
import traceback
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(problem: OSError) -> bool:
    """Whether there was no room on the disk, or no more for this user."""
    return problem.errno in FULL


def discard(problem: BaseException) -> None:
    """Delete the files of the upload that ended in this problem: its parser, on the way of the exception, has them."""
    for frame, _ in traceback.walk_tb(problem.__traceback__):
        parser = frame.f_locals.get("multipart_parser")
        for file in getattr(parser, "_files_to_close_on_error", ()):
            with contextlib.suppress(OSError):  # what it still holds back finds no room either
                file.close()
            with contextlib.suppress(OSError):
                Path(file.name).unlink(missing_ok=True)
