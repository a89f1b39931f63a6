"""The rules for rooms: what a code is, how much of everything there may be, and what is refused."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from captioner.errors import CaptionerError
from demo.allowance import Rate

ALPHABET = "23456789BCDFGHJKLMNPQRSTVWXYZ"  # nothing to mix up (0 O, 1 I), and no vowels: no code is a word
CODE_LENGTH = 6
GUESSES, ALL_GUESSES = Rate(20, seconds=6.0), Rate(120, seconds=1.0)
OPENINGS, ALL_OPENINGS = Rate(10, seconds=60.0), Rate(60, seconds=10.0)


class RoomError(CaptionerError):
    """The room cannot be opened, found or used in this way."""


class NoRoomError(RoomError):
    """There is no such room now."""


@dataclass(frozen=True)
class RoomLimits:
    """How much of everything there may be. Times are in seconds.

    Attributes:
        most: rooms at once.
        pupils: in one room.
        lifetime: of a room.
        idle: after which it is gone if its teacher has not been heard of.
        gone: after which a pupil not heard of makes room for another.
        guesses, all_guesses: wrong codes, by visitor (a whole school may be one) and in all.
        openings, all_openings: rooms opened, likewise.
    """

    most: int = 40
    pupils: int = 200
    lifetime: float = 2 * 3600.0
    idle: float = 30 * 60.0
    gone: float = 5 * 60.0
    guesses: Rate = GUESSES
    all_guesses: Rate = ALL_GUESSES
    openings: Rate = OPENINGS
    all_openings: Rate = ALL_OPENINGS

    def __post_init__(self) -> None:
        if min(self.most, self.pupils, self.lifetime, self.idle, self.gone) <= 0:
            raise ValueError(f"expected limits above 0, got {self}")


def new_code() -> str:
    """A code nobody can foretell, one of 29 ** 6, about 29 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def read_code(code: str) -> str:
    """A code as somebody types it: capitals or not, with spaces or dashes."""
    return "".join(sign for sign in code.upper() if sign not in " -–\t")
