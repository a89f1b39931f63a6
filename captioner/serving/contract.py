"""What travels between a machine that asks and a replica that captions.

    POST /describe?options=JSON&begin=JSON   the photo's bytes   -> the record of its Description
    GET  /info                                                   -> Info
    GET  /health                                                 -> 200; a replica whose self test fails is replaced

What cannot be done is {"error": one sentence} with a status of 400 (the options), 404, 413 or 422 (the photo), 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, get_args

from captioner.errors import CaptionerError, SearchError, ServingError
from captioner.photo import PhotoSettings
from captioner.search_options import SearchOptions
from captioner.self_test import Finding, SelfTest

MAX_PHOTO = 30_000_000  # bytes of one photo
MAX_BEGINNING = 100  # words
MAX_HYPOTHESES = 220  # of all beams together; widths 1 to 20 have 210
MAX_STEPS = 100
MAX_TOP_WORDS = 50

BAD_OPTIONS, NOT_FOUND, TOO_LARGE, BAD_PHOTO, FAULT = 400, 404, 413, 422, 500


@dataclass(frozen=True)
class Asked:
    """How a photo is to be described.

    Attributes:
        options: of the search, in the bounds that one visitor of many may use.
        begin: words that every caption begins with.

    Raises:
        SearchError: a bound is passed.
    """

    options: SearchOptions = field(default_factory=SearchOptions)
    begin: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        asked = self.options
        if len(self.begin) > MAX_BEGINNING:
            raise SearchError(f"expected a beginning of at most {MAX_BEGINNING} words, got {len(self.begin)}")
        if sum(asked.widths) > MAX_HYPOTHESES:
            raise SearchError(f"expected beam widths that add up to at most {MAX_HYPOTHESES}, got {sum(asked.widths)}")
        if asked.max_steps > MAX_STEPS or asked.top_words > MAX_TOP_WORDS:
            raise SearchError(
                f"expected at most {MAX_STEPS} steps and {MAX_TOP_WORDS} top words, "
                f"got {asked.max_steps} and {asked.top_words}"
            )

    def query(self) -> dict[str, str]:
        """The two values of an address's query."""
        return {"options": json.dumps(asdict(self.options)), "begin": json.dumps(self.begin)}

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Asked:
        """What `query` wrote; what is left out is the default's.

        Raises:
            SearchError: it is something else.
        """
        options = _json(query.get("options", "{}"))
        begin = _json(query.get("begin", "[]"))
        if not isinstance(options, dict) or not isinstance(begin, list):
            raise SearchError("expected options as a JSON object and begin as a JSON list of words")
        if not all(isinstance(word, str) for word in begin):
            raise SearchError("expected begin to be a list of words")
        return cls(read_options(options), tuple(begin))


@dataclass(frozen=True)
class Card:
    """What people should know of the model behind a service; see `ModelCard`."""

    name: str
    trained_on: str


@dataclass(frozen=True)
class Info:
    """What a service says of its model.

    Attributes:
        card: who speaks.
        words: how many words it knows.
        photo_settings: how it sees a photo, so that no more need be sent than it looks at.
        self_test: what the replica that answered found when it started.
    """

    card: Card
    words: int
    photo_settings: PhotoSettings
    self_test: SelfTest

    def to_record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: object) -> Info:
        """What `to_record` wrote.

        Raises:
            ServingError: it is something else.
        """
        try:
            assert isinstance(record, dict), "no object"
            settings, test = record["photo_settings"], record["self_test"]
            pixels = {**settings, "mean": tuple(settings["mean"]), "deviation": tuple(settings["deviation"])}
            findings = tuple(finding for finding in test["findings"] if finding in get_args(Finding))
            return cls(
                Card(str(record["card"]["name"]), str(record["card"]["trained_on"])),
                int(record["words"]),
                PhotoSettings(**pixels),
                SelfTest(findings, float(test["seconds"])),
            )
        except (AssertionError, CaptionerError, KeyError, TypeError, ValueError) as problem:
            raise ServingError(
                "the other machine says nothing SayWhere understands: check the address, and that both have one version"
            ) from problem


def read_options(values: Mapping[str, Any]) -> SearchOptions:
    """Search options that came from outside.

    Raises:
        SearchError: there is no such option, or its value cannot be.
    """
    defaults = {item.name: getattr(SearchOptions(), item.name) for item in fields(SearchOptions)}
    chosen: dict[str, Any] = {}
    for name, value in values.items():
        if name not in defaults:
            raise SearchError(f"expected options out of {', '.join(defaults)}, got {name!r}")
        chosen[name] = _fitting(name, value, defaults[name])
    return SearchOptions(**chosen)


def _fitting(name: str, value: Any, default: object) -> object:
    """The value in the type its default has."""
    if isinstance(default, tuple) and isinstance(value, list) and all(type(item) is int for item in value):
        return tuple(value)
    if isinstance(default, float) and type(value) in (int, float):
        return float(value)
    if not isinstance(default, tuple) and type(value) is type(default):
        return value
    raise SearchError(f"expected a value such as {json.dumps(default)} for {name}, got {str(value)[:50]!r}")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise SearchError("expected options and begin as JSON") from problem
