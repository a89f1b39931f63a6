"""A restricted unpickler: a fixed list of names may appear in the file, and each becomes a thing that does nothing."""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import torch

from captioner.errors import CheckpointError
from captioner.tutorial.stand_ins import StandIn, Storage, StoredTensor

MAX_OPERATIONS = 20_000_000  # the tutorial's largest files have some 100,000

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

# Objects of these classes become stand-ins. The tutorial's classes lie in `models`, or where somebody moved that file.
_CLASSES = {
    "models": ("Encoder", "DecoderWithAttention", "Attention"),
    "__main__": ("Encoder", "DecoderWithAttention", "Attention"),
    "torch.nn.modules.activation": ("ReLU", "Sigmoid", "Softmax", "Tanh"),
    "torch.nn.modules.batchnorm": ("BatchNorm2d",),
    "torch.nn.modules.container": ("Sequential", "ModuleList"),
    "torch.nn.modules.conv": ("Conv2d",),
    "torch.nn.modules.dropout": ("Dropout",),
    "torch.nn.modules.linear": ("Linear", "Identity"),
    "torch.nn.modules.pooling": ("MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d"),
    "torch.nn.modules.rnn": ("LSTMCell",),
    "torch.nn.modules.sparse": ("Embedding",),
    "torch.nn.parallel.data_parallel": ("DataParallel",),
    "torch.optim.adam": ("Adam",),
    "torch.optim.adamw": ("AdamW",),
    "torch.optim.sgd": ("SGD",),
    "torchvision.models.resnet": ("ResNet", "Bottleneck", "BasicBlock"),
}

PersistentLoad = Callable[[object], object]


def read_pickle(file: BinaryIO, persistent_load: PersistentLoad) -> Any:
    """Rebuild the pickle that begins where `file` stands as plain values and stand-ins; leaves the file behind it.

    Args:
        file: binary, seekable.
        persistent_load: gives what a persistent id stands for, or raises a CheckpointError.

    Raises:
        CheckpointError: the pickle is damaged, names anything outside the allow-list, or wants an absurd amount of
            memory.
    """
    data = _whole_pickle(file)
    try:
        return _Unpickler(data, persistent_load).load()
    except CheckpointError:
        raise
    # What a made-up pickle can end in: the operations are Python's, on our values.
    except (pickle.UnpicklingError, ArithmeticError, AttributeError, EOFError, ImportError, LookupError) as problem:
        raise _damaged() from problem
    except (MemoryError, RecursionError, TypeError, ValueError) as problem:
        raise _damaged() from problem


def _damaged() -> CheckpointError:
    return CheckpointError("the pickle in the checkpoint is damaged: get the file again")


def _whole_pickle(file: BinaryIO) -> bytes:
    """The bytes of one pickle, read operation by operation, so that no length in it is believed before it is seen."""
    begin = file.tell()
    try:
        for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
            if operation.name.startswith("EXT"):
                raise CheckpointError(f"refused: the pickle asks for the registered extension {argument}")
            # What is remembered is numbered one after the other; a large number would only reserve memory.
            absurd = operation.name in ("LONG_BINPUT", "PUT") and int(argument or 0) > count
            if absurd or count > MAX_OPERATIONS:
                raise CheckpointError("the pickle in the checkpoint is larger than any captioner's: get the file again")
    except CheckpointError:
        raise
    except (ValueError, ArithmeticError, LookupError, MemoryError, TypeError) as problem:
        raise _damaged() from problem
    end = file.tell()
    file.seek(begin)
    return file.read(end - begin)


class _Unpickler(pickle.Unpickler):
    """Looks names up in its own table and nowhere else."""

    def __init__(self, data: bytes, persistent_load: PersistentLoad) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="replace")
        self._resolve = persistent_load
        self._names = _allowed_names()

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a global.

        Raises:
            CheckpointError: it is not on the list.
        """
        found = self._names.get((module, name))
        if found is None:
            raise CheckpointError(
                f"refused: the checkpoint names {module}.{name}, which a tutorial checkpoint has no use for; "
                "nothing in it was executed"
            )
        return found

    def persistent_load(self, pid: object) -> object:
        """What stands for an object that is kept outside the pickle."""
        return self._resolve(pid)


def _allowed_names() -> dict[tuple[str, str], Any]:
    """The allow-list with what each name becomes. Classes and functions are made anew every time: a pickle may set
    attributes on whatever it holds, and nothing one file does may outlive its reading."""

    def rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
        return StoredTensor(storage, offset, size, stride).check()

    def first(value: Any, *_: Any) -> Any:
        return value

    def nothing(*_: Any) -> None:
        return None

    def empty_dict(*_: Any) -> dict[Any, Any]:
        return {}

    names: dict[tuple[str, str], Any] = {
        (module, name): type(name, (StandIn,), {}) for module, found in _CLASSES.items() for name in found
    }
    for name, dtype in _DTYPES.items():
        names["torch", name] = names["torch.cuda", name] = dtype
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2"):
        names["torch._utils", name] = rebuild_tensor
    names["torch._utils", "_rebuild_parameter"] = first
    names["torch", "Size"] = tuple
    names["torch", "device"] = nothing
    names["torch.nn.backends.thnn", "_get_thnn_function_backend"] = nothing  # PyTorch 0.4 kept it in every module
    names["collections", "OrderedDict"] = OrderedDict
    names["collections", "defaultdict"] = empty_dict
    for builtins in ("builtins", "__builtin__"):
        names[builtins, "dict"], names[builtins, "set"], names[builtins, "list"] = dict, set, list
    return names


def read_storage(pid: object) -> Storage:
    """The storage that a persistent id names, in either container.

    Raises:
        CheckpointError: the id names something else.
    """
    parts = pid if isinstance(pid, tuple) else ()
    if len(parts) in (5, 6) and parts[0] == "storage" and (len(parts) == 5 or parts[5] is None):
        dtype, key, length = parts[1], parts[2], parts[4]
        if isinstance(dtype, torch.dtype) and isinstance(key, str) and type(length) is int and length >= 0:
            return Storage(key, dtype, length)
    name = parts[0] if parts else pid
    raise CheckpointError(f"refused: the checkpoint keeps something other than numbers outside its pickle: {say(name)}")


def say(value: object) -> str:
    """A value from a pickle in a message: never its repr, which a made-up one can make endless."""
    return repr(value[:60]) if isinstance(value, str) else f"a {type(value).__name__}"
