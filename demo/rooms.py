"""The rooms open on this server, in memory alone: who may enter them, how many there may be, and when they are gone.

A room is entered by a code of six signs, which pupils type; after that each holds a pass of 128 bits. Codes and passes
are looked up by a digest under a key of this process, so that the time an answer takes tells nothing of them. Wrong
codes are limited by visitor and in all: who uses up every limit for two hours, with `most` rooms open all the time, has
come upon one of them with a chance of about 1 in 2,000.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from demo import text
from demo.allowance import Allowance
from demo.room import PHASES, Lesson, Phase, Point, Room, Round, Sight, conclude
from demo.room_rules import NoRoomError, RoomError, RoomLimits, new_code, read_code

SWEEP = 60.0  # seconds between looks for rooms whose time is up


@dataclass(frozen=True)
class Entry:
    """Somebody in a room: the teacher, or a pupil by the digest of the pass."""

    room: Room
    pupil: bytes | None  # None: the teacher


class Rooms:
    """All rooms of a server; every method may be called from any thread. `clock` gives seconds that only grow."""

    def __init__(self, limits: RoomLimits | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or RoomLimits()
        self._clock = clock
        self._lock = threading.RLock()
        self._secret = secrets.token_bytes(32)
        self._codes: dict[bytes, Room] = {}
        self._passes: dict[bytes, Entry] = {}
        self._guesses = Allowance(self.limits.guesses, self.limits.all_guesses, clock)
        self._openings = Allowance(self.limits.openings, self.limits.all_openings, clock)
        self._sweeper: threading.Thread | None = None

    def __len__(self) -> int:
        """How many rooms are open."""
        return len(self._codes)

    def open(self, lesson: Lesson, place: int, visitor: str) -> str:
        """The teacher's pass of a new room, on the word at `place`.

        Raises:
            RoomError: there are too many rooms, or this visitor opens too many.
        """
        with self._lock:
            self.sweep()
            if len(self._codes) >= self.limits.most or not self._openings.left(visitor):
                raise RoomError(text.TOO_MANY_ROOMS)
            self._openings.spend(visitor)
            code = new_code()
            while self._digest(code) in self._codes:
                code = new_code()
            now = self._clock()
            room = Room(lesson, code, opened=now, touched=now, place=place)
            self._codes[self._digest(code)] = room
            self._start_sweeper()
            return self._admit(room, teacher=True)

    def change(self, key: str, lesson: Lesson, place: int) -> None:
        """Another photo or caption for a room, whose pupils stay. Teachers only.

        Raises:
            NoRoomError: see `turn`.
        """
        with self._lock:
            room = self._taught(key)
            room.lesson, room.place, room.rounds = lesson, place, {}
            room.version += 1
            room.lessons += 1

    def join(self, code: str, visitor: str) -> str:
        """A new pupil's pass for the room of a code.

        Raises:
            NoRoomError: there is no such room, or no longer.
            RoomError: the room is full, or there were too many wrong codes.
        """
        with self._lock:
            self.sweep()
            if not self._guesses.left(visitor):
                raise RoomError(text.TOO_MANY_CODES)
            room = self._codes.get(self._digest(read_code(code)))
            if room is None:
                self._guesses.spend(visitor)
                raise NoRoomError(text.NO_ROOM)
            if len(room.pupils) >= self.limits.pupils:
                self._make_place(room)
            return self._admit(room, teacher=False)

    def look(self, key: str) -> Sight:
        """What the holder of a pass may be shown now.

        Raises:
            NoRoomError: it is nobody's, or the room is gone.
        """
        with self._lock:
            entry = self._enter(key)
            room = entry.room
            own = None if entry.pupil is None else room.round.points.get(entry.pupil)
            return Sight(
                lesson=room.lesson,
                code=room.code,
                teaching=entry.pupil is None,
                version=room.version,
                lessons=room.lessons,
                place=room.place,
                phase=room.round.phase,
                present=room.present(self._clock()),
                pointed=len(room.round.points),
                own=own,
                outcome=room.round.outcome,
            )

    def point(self, key: str, place: int, point: Point) -> None:
        """Take a pupil's point for the word at `place`, in the stead of an earlier one.

        Raises:
            NoRoomError: see `look`.
            RoomError: another word is on show by now, its map is shown already, or the teacher points.
        """
        with self._lock:
            entry = self._enter(key)
            room = entry.room
            if entry.pupil is None or place != room.place or room.round.phase != "point":
                raise RoomError(text.POINT_LATE)
            room.round.points[entry.pupil] = point

    def turn(self, key: str, place: int, again: bool = False) -> None:
        """Put another word on show, as it was left; or the same `again`, without its points. Teachers only.

        Raises:
            NoRoomError: see `look`; a pupil's pass opens nothing here.
            RoomError: there is no such word.
        """
        with self._lock:
            room = self._taught(key)
            if not 0 <= place < len(room.lesson.words):
                raise RoomError(text.UNKNOWN_QUESTION)
            room.place = place
            if again:
                room.rounds[place] = Round()
            room.version += 1

    def reveal(self, key: str, phase: Phase) -> None:
        """Go on to a later phase of the word on show; then nobody points any more. Teachers only.

        Raises:
            NoRoomError: see `turn`.
        """
        with self._lock:
            room = self._taught(key)
            turn = room.round
            turn.phase = max(turn.phase, phase, key=PHASES.index)
            if turn.outcome is None and turn.phase != "point":
                turn.outcome = conclude(turn.points.values(), room.lesson.attention[room.place])
            room.version += 1

    def close(self, key: str) -> None:
        """End a room and forget all of it. Teachers only.

        Raises:
            NoRoomError: see `turn`.
        """
        with self._lock:
            self._forget(self._taught(key))

    def sweep(self) -> None:
        """Forget the rooms whose time is up."""
        with self._lock:
            now, limits = self._clock(), self.limits
            for room in list(self._codes.values()):
                if now - room.opened >= limits.lifetime or now - room.touched >= limits.idle:
                    self._forget(room)

    def _enter(self, key: str) -> Entry:
        """Whose pass this is; it counts as a sign of life."""
        self.sweep()
        entry = self._passes.get(self._digest(key))
        if entry is None:
            raise NoRoomError(text.NO_ROOM)
        if entry.pupil is None:
            entry.room.touched = self._clock()
        else:
            entry.room.pupils[entry.pupil] = self._clock()
        return entry

    def _taught(self, key: str) -> Room:
        entry = self._enter(key)
        if entry.pupil is not None:
            raise NoRoomError(text.NO_ROOM)
        return entry.room

    def _admit(self, room: Room, teacher: bool) -> str:
        key = secrets.token_urlsafe(16)
        digest = self._digest(key)
        self._passes[digest] = Entry(room, None if teacher else digest)
        if not teacher:
            room.pupils[digest] = self._clock()
        return key

    def _make_place(self, room: Room) -> None:
        """Let the pupil go who has not been heard of for longest, if that was long ago, and with its points."""
        pupil = min(room.pupils, key=room.pupils.__getitem__)
        if self._clock() - room.pupils[pupil] < self.limits.gone:
            raise RoomError(text.ROOM_FULL)
        del room.pupils[pupil], self._passes[pupil]
        for turn in room.rounds.values():
            turn.points.pop(pupil, None)

    def _forget(self, room: Room) -> None:
        self._codes = {digest: other for digest, other in self._codes.items() if other is not room}
        self._passes = {digest: entry for digest, entry in self._passes.items() if entry.room is not room}

    def _digest(self, said: str) -> bytes:
        return hashlib.blake2b(said.encode("utf-8", "replace"), key=self._secret, digest_size=16).digest()

    def _start_sweeper(self) -> None:
        if self._sweeper is None:
            self._sweeper = threading.Thread(target=self._sweep_on, name="rooms", daemon=True)
            self._sweeper.start()

    def _sweep_on(self) -> None:
        """A photo does not stay in memory for want of a visitor; the thread ends with the last room."""
        while True:
            time.sleep(SWEEP)
            with self._lock:
                self.sweep()
                if not self._codes:
                    self._sweeper = None
                    return
