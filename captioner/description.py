"""All that the captioner says of one photo; it saves and loads as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captioner.branches import Branch, check_tree
from captioner.caption import Caption
from captioner.errors import RecordError, SearchError
from captioner.glimpses import NO_GLIMPSES, Glimpses
from captioner.json_file import read_json
from captioner.records import (
    MapTable,
    branch_from_record,
    branch_to_record,
    caption_from_record,
    caption_to_record,
    floats,
    glimpses_from_record,
    glimpses_to_record,
)
from captioner.whole_file import write_whole

RECORD_FORMAT = "saywhere-description-2"


@dataclass(frozen=True, eq=False)
class Description:
    """Everything said about one photo, at every beam width searched.

    Attributes:
        captions: the distinct captions of all widths.
        ranking: width to places in `captions`, best first.
        trees: width to every branch its search looked at, parents before children.
        grid: (rows, columns) of the attention maps.
        native: (rows, columns) the encoder really computed; differs from `grid` when stretched.
        model: name of the model that spoke.
        strangeness: how unlike the training photos this one is (see `Familiarity`), 0 or more, above 1 when the model
            is guessing; None when the model cannot tell.
        glimpses: what the decoder said before each branch's word, maps on the same grid; all widths share them.

    Raises:
        RecordError: the parts do not hold together.
    """

    captions: tuple[Caption, ...]
    ranking: Mapping[int, tuple[int, ...]]
    trees: Mapping[int, Sequence[Branch]]
    grid: tuple[int, int]
    native: tuple[int, int]
    model: str
    strangeness: float | None = None
    glimpses: Glimpses[str] = NO_GLIMPSES

    def __post_init__(self) -> None:
        if self.strangeness is not None and not self.strangeness >= 0:
            raise RecordError(f"expected a strangeness of 0 or more, got {self.strangeness}")
        if not self.captions or not self.ranking or any(not places for places in self.ranking.values()):
            raise RecordError("expected at least one caption at every beam width")
        wrong = {p for places in self.ranking.values() for p in places if not 0 <= p < len(self.captions)}
        if wrong:
            raise RecordError(f"expected rankings over {len(self.captions)} captions, got place {min(wrong)}")
        seen = [self.glimpses.attention] if len(self.glimpses) else []
        for attention in (*(caption.attention for caption in self.captions), *seen):
            if attention.shape[1:] != self.grid:
                raise RecordError(f"expected maps of {self.grid} cells, got {attention.shape[1:]}")
        if self.trees.keys() != self.ranking.keys():
            raise RecordError(f"expected a tree for each width of {self.widths}, got {tuple(sorted(self.trees))}")
        for tree in self.trees.values():
            check_tree(tree, len(self.glimpses))

    @property
    def widths(self) -> tuple[int, ...]:
        """The beam widths that were searched, ascending."""
        return tuple(sorted(self.ranking))

    @property
    def guessing(self) -> bool:
        """Whether the photo is unlike those the model was trained on; False when the model cannot tell."""
        return self.strangeness is not None and self.strangeness > 1

    def at_width(self, width: int) -> tuple[Caption, ...]:
        """The captions found with a beam of `width`, best first.

        Raises:
            SearchError: that width was not searched.
        """
        if width not in self.ranking:
            raise SearchError(f"expected a beam width out of {self.widths}, got {width}")
        return tuple(self.captions[place] for place in self.ranking[width])

    def to_json(self, width: int) -> dict[str, Any]:
        """The public form, for the API: the captions of one width with their words and maps."""
        return {
            "captions": [_public(caption) for caption in self.at_width(width)],
            "grid": list(self.grid),
            "model": self.model,
            "guessing": self.guessing,
            "strangeness": self.strangeness,
        }

    def to_record(self) -> dict[str, Any]:
        """The whole of it as plain JSON values: what `save` writes and `from_record` reads."""
        table = MapTable()
        return {
            "format": RECORD_FORMAT,
            "captions": [caption_to_record(caption, table) for caption in self.captions],
            "ranking": {str(width): list(places) for width, places in self.ranking.items()},
            "trees": {str(width): [branch_to_record(branch) for branch in tree] for width, tree in self.trees.items()},
            "grid": list(self.grid),
            "native": list(self.native),
            "model": self.model,
            "strangeness": self.strangeness,
            "glimpses": glimpses_to_record(self.glimpses, table),
            "maps": table.maps,
        }

    def save(self, path: Path) -> None:
        """Write the whole record as JSON; the file appears whole or not at all."""
        write_whole(path, json.dumps(self.to_record(), ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> Description:
        """Read a saved record.

        Raises:
            RecordError: the file is missing, no record, or does not hold together.
        """
        try:
            record = read_json(path)
        except (OSError, ValueError) as problem:
            raise RecordError(f"{path.name} cannot be read back as a description: save it again") from problem
        return cls.from_record(record, path.name)

    @classmethod
    def from_record(cls, record: object, name: str) -> Description:
        """Read what a saved record holds; keys that are none of its own are left alone.

        Args:
            record: as JSON gives it.
            name: what the message calls it.

        Raises:
            RecordError: it is no record, or does not hold together.
        """
        if not isinstance(record, dict) or record.get("format") != RECORD_FORMAT:
            raise RecordError(f"{name} is no saved description: expected format {RECORD_FORMAT}")
        try:
            rows, columns = record["grid"]
            maps = floats(record["maps"]).reshape(len(record["maps"]), rows, columns)
            return cls(
                captions=tuple(caption_from_record(item, maps) for item in record["captions"]),
                ranking={int(width): tuple(places) for width, places in record["ranking"].items()},
                trees={int(width): tuple(map(branch_from_record, tree)) for width, tree in record["trees"].items()},
                grid=(rows, columns),
                native=(record["native"][0], record["native"][1]),
                model=str(record["model"]),
                strangeness=None if record.get("strangeness") is None else float(record["strangeness"]),
                glimpses=glimpses_from_record(record["glimpses"], maps),
            )
        except RecordError:
            raise
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as problem:
            raise RecordError(f"{name} cannot be read back as a description: save it again") from problem


def _public(caption: Caption) -> dict[str, Any]:
    words = [
        {
            "word": word,
            "probability": float(caption.probabilities[index]),
            "gate": float(caption.gate[index]),
            "attention": caption.attention[index].astype(float).tolist(),
        }
        for index, word in enumerate(caption.words)
    ]
    return {"text": caption.text, "score": caption.score, "finished": caption.finished, "words": words}
