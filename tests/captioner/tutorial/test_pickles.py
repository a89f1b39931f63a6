"""Files that would do something are refused by name, in both containers; damaged ones end in one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import socket
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from captioner.errors import CheckpointError
from captioner.tutorial.archive import open_archive
from captioner.tutorial.convert import convert_tutorial
from captioner.tutorial.stand_ins import StandIn
from tutorial_models import save_tutorial, tutorial_modules, word_map

MARK = "SAYWHERE_PICKLE_RAN"


class Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


class RunsOnState:
    """Pickles as an object of a foreign class with a state to set."""

    def __reduce__(self) -> Any:
        return (io.StringIO, (), ("text", "\n", 0, None))


ATTACKS: dict[str, tuple[Callable[[], object], str]] = {
    "a command": (lambda: Runs(os.system, f"touch {MARK}"), "system"),
    "a file": (lambda: Runs(open, MARK, "w"), "open"),
    "a connection": (lambda: Runs(socket.create_connection, ("127.0.0.1", 9)), "create_connection"),
    "python": (lambda: Runs(eval, f"open('{MARK}', 'w')"), "eval"),
    "an attribute": (lambda: Runs(getattr, "text", "upper"), "getattr"),
    "a state": (RunsOnState, "StringIO"),
    "torch.load": (lambda: Runs(torch.load, MARK), "load"),
}


def nested(value: object) -> dict[str, object]:
    """Deep inside, where only the unpickler comes."""
    return {"encoder": OrderedDict(a=[({"b": value},)]), "decoder": {}}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrap", [lambda value: value, nested], ids=["top", "nested"])
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, wrap: Any, legacy: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    make, said = ATTACKS[name]
    torch.save(wrap(make()), tmp_path / "bad.pth.tar", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match=rf"^bad\.pth\.tar: refused: the checkpoint names [\w.]*{said}"):
        open_archive(tmp_path / "bad.pth.tar")
    assert not (tmp_path / MARK).exists()


def test_a_command_in_front_of_a_real_checkpoint_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    encoder, decoder = tutorial_modules()
    path = save_tutorial(tmp_path / "c", encoder, decoder, zz=Runs(os.system, f"touch {MARK}"))
    (tmp_path / "W.json").write_text(json.dumps(word_map()))
    with pytest.raises(CheckpointError, match=r"names posix\.system"):
        convert_tutorial(path, tmp_path / "W.json", "m", "")
    assert not (tmp_path / MARK).exists()


def zipped(path: Path, content: bytes, **entries: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        for name, data in entries.items():
            archive.writestr(f"archive/{name.replace('__', '/')}", data)
    return path


class Outside(pickle.Pickler):
    """Writes every set as a persistent id, which the set's only item is."""

    def persistent_id(self, obj: object) -> object:
        return next(iter(obj)) if isinstance(obj, frozenset) else None


def outside(pid: object) -> bytes:
    buffer = io.BytesIO()
    Outside(buffer, protocol=2).dump({"encoder": frozenset([pid])})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "pid",
    ["file:///etc/passwd", ("module", "os", "x", "y"), ("storage", "os", "0", "cpu", 4), ("storage",), 7],
)
def test_a_persistent_id_that_names_no_numbers_is_refused(tmp_path: Path, pid: object) -> None:
    with pytest.raises(CheckpointError, match="refused: the checkpoint keeps something other than numbers"):
        open_archive(zipped(tmp_path / "bad", outside(pid)))


def test_a_registered_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="registered extension 1"):
        open_archive(zipped(tmp_path / "bad", b"\x80\x02\x82\x01."))


def test_a_persistent_id_in_the_protocol_of_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="refused"):
        open_archive(zipped(tmp_path / "bad", b"Psomething\n."))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"\x80\x02]",  # no end
        b"\x80\x02r\xff\xff\xff\x7f.",  # wants two thousand million places of memory
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # and eight million million million bytes
        b"\x80\x02K\x01K\x02R.",  # calls a number
        b"\x80\x02ccollections\nOrderedDict\n}q\x00X\x01\x00\x00\x00aK\x01s\x86b.",  # sets the state of a class
        b"\x80\x02}]]s.",  # a list as a key
    ],
)
def test_a_damaged_pickle_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"damaged|larger than any"):
        open_archive(zipped(tmp_path / "bad", content))


def test_nothing_a_file_does_to_a_class_outlives_it(tmp_path: Path) -> None:
    attack = b"\x80\x02cmodels\nEncoder\nN}X\x04\x00\x00\x00kindX\x04\x00\x00\x00evils\x86b."
    with pytest.raises(CheckpointError):
        open_archive(zipped(tmp_path / "bad", attack))
    assert isinstance(StandIn.__dict__["kind"], property)


def test_a_compressed_entry_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bad", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"encoder": "a" * 10_000_000}, protocol=2))
    with pytest.raises(CheckpointError, match="uncompressed"):
        open_archive(tmp_path / "bad")


def test_big_endian_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="big-endian"):
        open_archive(zipped(tmp_path / "bad", b"\x80\x02}.", byteorder=b"big"))


def test_another_archive_is_told_from_a_checkpoint(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.jpg", b"x")
    for name, content in (("photo.jpg", b"\xff\xd8\xff\xe0"), ("model.h5", b"\x89HDF\r\n"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
    for name in ("photos.zip", "photo.jpg", "model.h5", "empty"):
        with pytest.raises(CheckpointError, match=rf"^{name}: this is no .* torch.save"):
            open_archive(tmp_path / name)
    with pytest.raises(CheckpointError, match="cannot be opened"):
        open_archive(tmp_path / "missing")


def rebuilt(size: tuple[int, ...], stride: tuple[int, ...], offset: int, length: int) -> bytes:
    """A tensor over a storage of `length` numbers."""

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            return ("storage", torch.FloatStorage, "0", "cpu", length) if isinstance(obj, frozenset) else None

    buffer = io.BytesIO()
    tensor = Runs(torch._utils._rebuild_tensor_v2, frozenset(), offset, size, stride, False, OrderedDict())
    Writer(buffer, protocol=2).dump(tensor)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [((5,), (1,), 0), ((2, 2), (3, 1), 0), ((2,), (1,), 3), ((4,), (1,), -1), ((10**6,), (0,), 0), ((2, 2), (1,), 0)],
)
def test_a_tensor_outside_its_numbers_is_refused(
    tmp_path: Path, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    with pytest.raises(CheckpointError, match="expected a"):
        open_archive(zipped(tmp_path / "bad", rebuilt(size, stride, offset, 4), data__0=struct.pack("<4f", 1, 2, 3, 4)))


def test_a_turned_part_of_a_storage_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "good", rebuilt((2, 2), (1, 2), 0, 4), data__0=struct.pack("<4f", 1, 2, 3, 4))
    with open_archive(path) as archive:
        assert archive.tensor(archive.content).tolist() == [[1, 3], [2, 4]]


def test_numbers_that_are_missing_or_too_few_are_told(tmp_path: Path) -> None:
    cases: dict[str, dict[str, bytes]] = {"none": {}, "few": {"data__0": b"1234"}}
    for name, entries in cases.items():
        path = zipped(tmp_path / name, rebuilt((4,), (1,), 0, 4), **entries)
        with open_archive(path) as archive, pytest.raises(CheckpointError, match=r"missing|ends before"):
            archive.tensor(archive.content)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_a_file_cut_off_anywhere_or_with_a_wrong_byte_never_crashes(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "small"
    tensors = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.arange(4))
    torch.save({"encoder": tensors, "decoder": tensors}, path, _use_new_zipfile_serialization=not legacy)
    whole, chance = path.read_bytes(), random.Random(0)
    spoilt = [whole[: len(whole) * part // 16] for part in range(16)]
    for _ in range(300):
        place = chance.randrange(len(whole))
        spoilt.append(whole[:place] + bytes([chance.randrange(256)]) + whole[place + 1 :])
    refused = 0
    for content in spoilt:
        path.write_bytes(content)
        try:
            with open_archive(path) as archive:
                for half in archive.content.values() if isinstance(archive.content, dict) else ():
                    for stored in half.values() if isinstance(half, dict) else ():
                        archive.tensor(stored)
        except CheckpointError:
            refused += 1
        except AttributeError:  # this loop's own, on a value that is no tensor
            pass
    assert refused > 20
