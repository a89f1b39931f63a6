"""Feature grids of the photos that visitors gave last, so that what is asked of a photo later encodes it no more."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    from captioner.captioner import Captioner
    from captioner.encoder import FeatureGrid

GRIDS_KEPT = 32  # about a megabyte each


class GridCache:
    """The last few photos' grids, by the hash of the photo's file: who asks about one has the photo."""

    def __init__(self, kept: int = GRIDS_KEPT) -> None:
        self._kept = kept
        self._grids: OrderedDict[tuple[int, str], FeatureGrid] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, captioner: Captioner, content: str, open_photo: Callable[[], Image.Image]) -> FeatureGrid:
        """The grid of a photo, encoded now if it is not known.

        Args:
            captioner: who encodes it.
            content: a hash of the photo's file.
            open_photo: gives the photo; called where its grid is not known.

        Raises:
            PhotoError: there is no photo, or it cannot be used.
        """
        known = self._known(captioner, content)
        return known or self._keep(captioner, content, captioner.encode([open_photo()]))

    def find_all(self, captioner: Captioner, contents: Sequence[str], photos: Sequence[Image.Image]) -> FeatureGrid:
        """The grid of several photos, those not known encoded together.

        Args:
            captioner: who encodes them.
            contents: hashes of the photos' files.
            photos: as many.

        Raises:
            PhotoError: a photo cannot be used.
        """
        found = [self._known(captioner, content) for content in contents]
        unknown = [place for place, grid in enumerate(found) if grid is None]
        if unknown:
            encoded = captioner.encode([photos[place] for place in unknown])
            for row, place in enumerate(unknown):
                one = replace(encoded, annotations=encoded.annotations[row : row + 1].clone())
                found[place] = self._keep(captioner, contents[place], one)
        grids = [grid for grid in found if grid is not None]
        if len(grids) == 1:
            return grids[0]
        from captioner.encoder import join_grids  # which imports torch, loaded by now: the page opens before it

        return join_grids(grids)

    def _known(self, captioner: Captioner, content: str) -> FeatureGrid | None:
        key = (id(captioner), content)
        with self._lock:
            if key in self._grids:
                self._grids.move_to_end(key)
            return self._grids.get(key)

    def _keep(self, captioner: Captioner, content: str, grid: FeatureGrid) -> FeatureGrid:
        with self._lock:
            self._grids[id(captioner), content] = grid
            while len(self._grids) > self._kept:
                self._grids.popitem(last=False)
        return grid
