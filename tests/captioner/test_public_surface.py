"""The names people may rely on: exactly these, typed, described, and all errors one family."""

from __future__ import annotations

import inspect

import pytest

import captioner
from captioner import errors

PUBLIC = [
    "Branch",
    "Caption",
    "Captioner",
    "CaptionerError",
    "CellGeometry",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "DecoderError",
    "Description",
    "EncoderError",
    "FeatureGrid",
    "Glimpses",
    "ModelCard",
    "PhotoError",
    "PhotoSettings",
    "RecordError",
    "SearchError",
    "SearchOptions",
    "ServingError",
    "VocabularyError",
    "load_checkpoint",
    "open_photo",
    "save_checkpoint",
]


def is_public(name: str) -> bool:
    return not name.startswith("_") and not inspect.ismodule(getattr(captioner, name))


def test_exactly_these_names_are_public() -> None:
    assert captioner.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC
    assert {name: getattr(captioner, name) for name in PUBLIC}.keys() <= set(dir(captioner))
    known = {"annotations", "importlib", "Any", "TYPE_CHECKING"}
    assert [name for name in sorted(vars(captioner)) if is_public(name) and name not in known] == PUBLIC


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Captionist'"):
        _ = captioner.Captionist


def test_every_public_name_is_described() -> None:
    for name in PUBLIC:
        described = getattr(captioner, name).__doc__
        assert described, name
        assert not described.startswith(f"{name}("), f"{name} has only the docstring dataclass makes"


def test_public_methods_are_described_and_typed() -> None:
    for name in ("Caption", "Captioner", "CellGeometry", "Description", "FeatureGrid"):
        for member_name, member in vars(getattr(captioner, name)).items():
            function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
            if inspect.isfunction(function) and not member_name.startswith("_"):
                assert function.__doc__, f"{name}.{member_name}"
                assert "return" in function.__annotations__, f"{name}.{member_name}"


def test_every_error_is_public_and_a_captioner_error() -> None:
    raised = {name: kind for name, kind in vars(errors).items() if inspect.isclass(kind)}
    assert set(raised) == {name for name in PUBLIC if name.endswith("Error")}
    for name, kind in raised.items():
        assert issubclass(kind, captioner.CaptionerError), name
        assert issubclass(kind, ValueError), name
        assert kind.__doc__, name
        assert f"{name} " in str(errors.__doc__) or name == "CaptionerError"  # the tree is complete


def test_the_package_tells_of_the_road_a_photo_takes() -> None:
    map_of_the_road = str(captioner.__doc__)
    stations = ["open_photo", "Encoder", "FeatureGrid", "beam_search", "SearchResult", "Captioner", "Description"]
    places = [map_of_the_road.index(station) for station in stations]
    assert places == sorted(places)
