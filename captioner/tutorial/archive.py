"""Where a PyTorch file keeps its pickle and its numbers: a zip archive since 1.6, one stream after another before."""

from __future__ import annotations

import io
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import torch
from torch import Tensor

from captioner.errors import CheckpointError
from captioner.tutorial.pickles import read_pickle, read_storage, say
from captioner.tutorial.stand_ins import StandIn, Storage, StoredTensor

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_LENGTH_BYTES = 8  # before each storage of a legacy file: how many numbers follow, little-endian
MAX_PICKLE = 1 << 30  # bytes


class Archive(ABC):
    """An open checkpoint file: its object tree at once, its numbers on demand.

    Attributes:
        content: what was pickled, as plain values, `StandIn`s and `StoredTensor`s.
    """

    content: Any

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @abstractmethod
    def _numbers(self, storage: Storage) -> bytearray:
        """The bytes of a storage."""

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Read one tensor; floating numbers come as float32.

        Raises:
            CheckpointError: the file ends too early, or the numbers are damaged.
        """
        storage = stored.check().storage
        numbers = self._numbers(storage)
        if len(numbers) != storage.length * storage.dtype.itemsize:
            raise CheckpointError("the checkpoint ends before its numbers do: get the file again")
        if not numbers:
            return torch.zeros(stored.size, dtype=storage.dtype)
        flat = torch.frombuffer(numbers, dtype=storage.dtype)
        tensor = flat.as_strided(stored.size, stored.stride, stored.offset)
        return (tensor.float() if tensor.is_floating_point() else tensor).contiguous()


def open_archive(path: Path) -> Archive:
    """Open a file that torch.save wrote; a context manager.

    Raises:
        CheckpointError: it is missing, damaged, of another kind, or holds what is not on the allow-list.
    """
    try:
        file = path.open("rb")
    except OSError as problem:
        raise CheckpointError(f"{path.name} cannot be opened: give the path of a .pth.tar checkpoint") from problem
    try:
        kind = _ZipArchive if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC else _LegacyArchive
        file.seek(0)
        return kind(file)
    except CheckpointError as problem:
        file.close()
        raise CheckpointError(f"{path.name}: {problem}") from problem
    except BaseException:
        file.close()
        raise


class _ZipArchive(Archive):
    """`NAME/data.pkl` and one uncompressed entry `NAME/data/KEY` per storage."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
            raise CheckpointError("the archive is damaged: get the file again") from problem
        pickles = [name for name in self._zip.namelist() if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise CheckpointError("this is no archive written by torch.save: give the .pth.tar checkpoint itself")
        self._folder = pickles[0].removesuffix("data.pkl")
        order = f"{self._folder}byteorder"
        if order in self._zip.namelist() and self._entry(order, 16).strip() != b"little":
            raise CheckpointError("its numbers are big-endian: save it again on an ordinary computer")
        self.content = read_pickle(io.BytesIO(self._entry(pickles[0], MAX_PICKLE)), read_storage)

    def _numbers(self, storage: Storage) -> bytearray:
        return bytearray(self._entry(f"{self._folder}data/{storage.key}", storage.length * storage.dtype.itemsize))

    def _entry(self, name: str, limit: int) -> bytes:
        """The bytes of an entry, of which there may be `limit`; a compressed one could hold far more than it seems."""
        try:
            entry = self._zip.getinfo(name)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > limit:
                raise CheckpointError(f"expected {name!r:.60} uncompressed and no larger than {limit} bytes")
            return self._zip.read(entry)
        except (KeyError, EOFError, OSError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error) as problem:
            if isinstance(problem, CheckpointError):
                raise
            raise CheckpointError(f"{name!r:.60} in the archive is missing or damaged: get the file again") from problem


@dataclass(frozen=True)
class _Place:
    """Where a legacy storage lies: the first byte of its numbers, and how many numbers there are."""

    begin: int
    length: int


class _LegacyArchive(Archive):
    """Pickles one after another (magic number, version, machine, content, storage keys), then the storages."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        try:
            first = read_pickle(file, _refuse_id)
        except CheckpointError as problem:
            if str(problem).startswith("refused"):
                raise
            raise CheckpointError("this is no file written by torch.save: give the .pth.tar checkpoint") from problem
        if type(first) is not int or first != _LEGACY_MAGIC:
            raise CheckpointError("this is no file written by torch.save: give the .pth.tar checkpoint")
        version, machine = read_pickle(file, _refuse_id), read_pickle(file, _refuse_id)
        if version != _LEGACY_PROTOCOL or not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise CheckpointError("its container is of another kind than PyTorch 0.4 to 1.5 wrote: save it again")
        self._seen: dict[str, Storage] = {}
        self.content = read_pickle(file, self._resolve)
        self._places = self._find_storages(read_pickle(file, _refuse_id))

    def _resolve(self, pid: object) -> object:
        """Storages, and the containers whose source text PyTorch kept beside them: the text is dropped."""
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            if isinstance(pid[1], type) and issubclass(pid[1], StandIn):
                return pid[1]
            raise CheckpointError(f"refused: the checkpoint names {say(pid[1])} as a module")
        storage = read_storage(pid)
        return self._seen.setdefault(storage.key, storage)

    def _find_storages(self, keys: object) -> Mapping[str, _Place]:
        if not isinstance(keys, list) or not all(isinstance(key, str) and key in self._seen for key in keys):
            raise CheckpointError("its list of numbers is damaged: get the file again")
        places: dict[str, _Place] = {}
        position = self._file.tell()
        end = self._file.seek(0, io.SEEK_END)
        for key in keys:
            self._file.seek(position)
            length = int.from_bytes(self._file.read(_LENGTH_BYTES), "little", signed=True)
            storage = self._seen[key]
            begin = position + _LENGTH_BYTES
            position = begin + length * storage.dtype.itemsize
            if length != storage.length or position > end:
                raise CheckpointError("the checkpoint ends before its numbers do: get the file again")
            places[key] = _Place(begin, length)
        return places

    def _numbers(self, storage: Storage) -> bytearray:
        place = self._places.get(storage.key)
        if place is None:
            raise CheckpointError(f"the numbers {storage.key!r:.60} are missing: get the file again")
        self._file.seek(place.begin)
        return bytearray(self._file.read(place.length * storage.dtype.itemsize))


def _refuse_id(pid: object) -> object:
    raise CheckpointError(f"refused: the checkpoint keeps something outside its pickle too early: {say(pid)}")
