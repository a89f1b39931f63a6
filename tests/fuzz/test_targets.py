"""The functions that the fuzzer calls let no other error out, and do notice one; Atheris is not needed."""

from __future__ import annotations

import random

import pytest

from captioner.errors import PhotoError
from fuzz import targets
from fuzz.targets import TARGETS, seeds


@pytest.mark.parametrize(("name", "share"), [("photo", 12), ("checkpoint", 1), ("tutorial", 1)])
def test_seeds_and_altered_seeds_give_no_fault(name: str, share: int) -> None:
    chance = random.Random(0)
    for seed in list(seeds(name))[::share]:
        TARGETS[name](seed)
        if seed:
            altered = bytearray(seed)
            altered[chance.randrange(len(altered))] ^= 1 << chance.randrange(8)
            TARGETS[name](bytes(altered))


def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise KeyError("nobody foresaw this")

    monkeypatch.setattr(targets, "open_photo", fail)
    with pytest.raises(KeyError):
        TARGETS["photo"](b"")

    def say_two_lines(_: bytes) -> None:
        raise PhotoError("one\ntwo")

    monkeypatch.setattr(targets, "open_photo", say_two_lines)
    with pytest.raises(AssertionError):
        TARGETS["photo"](b"")
