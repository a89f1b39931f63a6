"""Feature grids of the photos that visitors gave last, so that what is asked of a photo later encodes it no more."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

    from captioner.captioner import Captioner
    from captioner.encoder import FeatureGrid

GRIDS_KEPT = 32  # about a megabyte each


class GridCache:
    """The last few photos' grids. A photo is known by its upload's path, which only its visitor has, and its state on
    the disk; or by the data: address it came as."""

    def __init__(self, kept: int = GRIDS_KEPT) -> None:
        self._kept = kept
        self._grids: OrderedDict[tuple[str, ...], FeatureGrid] = OrderedDict()
        self._lock = threading.Lock()

    def find(
        self, captioner: Captioner, upload: Mapping[str, Any], open_photo: Callable[[], Image.Image]
    ) -> FeatureGrid:
        """The grid of a photo, encoded now if it is not known.

        Args:
            captioner: who encodes it.
            upload: what Gradio says of the photo's file.
            open_photo: gives the photo; called where its grid is not known.

        Raises:
            PhotoError: there is no photo, or it cannot be used.
        """
        key = _key(captioner, upload)
        with self._lock:
            if key in self._grids:
                self._grids.move_to_end(key)
                return self._grids[key]
        grid = captioner.encode([open_photo()])
        with self._lock:
            self._grids[key] = grid
            while len(self._grids) > self._kept:
                self._grids.popitem(last=False)
        return grid


def _key(captioner: Captioner, upload: Mapping[str, Any]) -> tuple[str, ...]:
    path, address = upload.get("path"), upload.get("url")
    if path is None:
        return str(id(captioner)), hashlib.sha256(str(address).encode()).hexdigest()
    try:
        state = Path(str(path)).stat()
    except (OSError, ValueError):  # gone, or no path: opening it says so
        return str(id(captioner)), str(path)
    return str(id(captioner)), str(path), str(state.st_mtime_ns), str(state.st_size)
