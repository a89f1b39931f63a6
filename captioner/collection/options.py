"""How a collection is captioned, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass

from captioner.errors import SearchError
from captioner.search_options import SearchOptions


@dataclass(frozen=True)
class CollectionOptions:
    """How a collection is captioned.

    Attributes:
        search: with one beam width.
        batch: photos that are encoded and searched together, 1 or more.
        readers: threads that open photos, 1 or more.
        maps: write the attention of every word of the best caption too: about 20 times the space.
        retry: try photos again that were refused before; their old lines are dropped.
        part: photos in a file of a Parquet folder, 1 or more; a kill loses less than so many.

    Raises:
        SearchError: a number is out of its range, or the search has several widths.
    """

    search: SearchOptions
    batch: int = 16
    readers: int = 2
    maps: bool = False
    retry: bool = False
    part: int = 256

    def __post_init__(self) -> None:
        if min(self.batch, self.readers, self.part) < 1:
            raise SearchError(
                "expected a batch of 1 photo, 1 reader and parts of 1 photo or more, "
                f"got {self.batch}, {self.readers} and {self.part}"
            )
        if len(self.search.widths) != 1:
            raise SearchError(f"expected one beam width, got {self.search.widths}")


@dataclass(frozen=True)
class Tally:
    """What became of a collection's photos: captioned now, refused now, found written already."""

    captioned: int
    refused: int
    kept: int
