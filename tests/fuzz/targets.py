"""What the fuzzer feeds: each takes any bytes, and only a CaptionerError may come of them.

Target functions return nothing for what is refused with one sentence, and check what is accepted.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from builders import tiny_checkpoint
from captioner import checkpoint as checkpoint_module
from captioner.checkpoint import load_checkpoint, save_checkpoint
from captioner.errors import CaptionerError
from captioner.photo import MAX_PIXELS, MIN_SIDE, open_photo
from captioner.tutorial.archive import open_archive
from captioner.tutorial.stand_ins import StoredTensor
from corpus.cases import all_cases

Target = Callable[[bytes], None]
LONGEST_SEED = 20_000  # bytes


def fuzz_photo(data: bytes) -> None:
    """Open them as a photo."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            photo = open_photo(data)
        except CaptionerError as problem:
            _check_sentence(problem)
            return
    assert (photo.mode, photo.info) == ("RGB", {})
    assert min(photo.size) >= MIN_SIDE
    assert photo.width * photo.height <= MAX_PIXELS
    assert len(photo.resize((2, 2)).tobytes()) == 12


def fuzz_checkpoint(data: bytes) -> None:
    """Load them as a checkpoint; behind a first byte "D", as a description beside a small model's weights, signed."""
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        path = Path(folder) / "fuzzed.safetensors"
        path.write_bytes(_sign(data[1:]) if data[:1] == b"D" else data)
        try:
            loaded = load_checkpoint(path)
        except CaptionerError as problem:
            _check_sentence(problem)
            return
    assert len(loaded.vocabulary) == loaded.decoder.options.vocabulary_size


def fuzz_tutorial(data: bytes) -> None:
    """Open them as a PyTorch archive, and read every tensor in it."""
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as folder:
        path = Path(folder) / "fuzzed.pth.tar"
        path.write_bytes(data)
        try:
            with open_archive(path) as archive:
                for stored in _tensors(archive.content):
                    assert archive.tensor(stored).shape == torch.Size(stored.size)
        except CaptionerError as problem:
            _check_sentence(problem)


TARGETS: dict[str, Target] = {"photo": fuzz_photo, "checkpoint": fuzz_checkpoint, "tutorial": fuzz_tutorial}


def seeds(name: str) -> Iterable[bytes]:
    """Inputs to start from."""
    if name == "photo":
        small = (case for name, case in all_cases().items() if "megapixels" not in name)
        return [data for case in small if len(data := case.make()) <= LONGEST_SEED]
    if name == "checkpoint":
        whole, description = _tiny_file()
        return [whole[:LONGEST_SEED], b"D" + description, b"", b"D{}", b"D[]"]
    with tempfile.TemporaryDirectory() as folder:
        return [path.read_bytes() for path in _small_archives(Path(folder))]


def _check_sentence(problem: CaptionerError) -> None:
    said = str(problem)
    assert said
    assert "\n" not in said


def _memory_folder() -> str | None:
    """Where files need no disk, if there is such a place."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@cache
def _tiny_file() -> tuple[bytes, bytes]:
    """A small model's file, and the description in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save_checkpoint(tiny_checkpoint(), path, torch.float16)
        whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    return whole, json.loads(whole[8 : 8 + length])["__metadata__"]["description"].encode()


@cache
def _tiny_tensors() -> dict[str, torch.Tensor]:
    return load(_tiny_file()[0])


def _sign(description: bytes) -> bytes:
    """A checkpoint with another description, whose digest is right."""
    text = description.decode("utf-8", "replace")
    tensors = _tiny_tensors()
    digest = checkpoint_module._digest(tensors, text)
    try:
        return save(tensors, {"format": checkpoint_module.FORMAT, "description": text, "digest": digest})
    except SafetensorError:  # too long a header
        return b""


def _tensors(content: object, depth: int = 6) -> Iterable[StoredTensor]:
    """The tensors of an archive, those of its stand-ins too, as far as `depth`."""
    if isinstance(content, StoredTensor):
        yield content
    elif depth:
        inner: Iterable[object] = ()
        if isinstance(content, dict):
            inner = content.values()
        elif isinstance(content, (list, tuple, set)):
            inner = content
        elif hasattr(content, "__dict__"):
            inner = vars(content).values()
        for item in inner:
            yield from _tensors(item, depth - 1)


def _small_archives(folder: Path) -> Iterable[Path]:
    """One of each container: a state of two tensors, an ordered dictionary and plain values."""
    state = {"epoch": 3, "weight": torch.arange(6.0).reshape(2, 3), "half": torch.ones(4, dtype=torch.float16)}
    for name, modern in (("zip", True), ("legacy", False)):
        path = folder / name
        torch.save(state, path, _use_new_zipfile_serialization=modern)
        yield path
