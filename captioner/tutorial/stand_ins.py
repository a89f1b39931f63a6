"""What a pickled object leaves behind when nothing in it is executed: names, attributes, and where its numbers lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from captioner.errors import CheckpointError

MAX_DEPTH = 16  # modules within modules; the tutorial's go six deep


class Storage(NamedTuple):
    """Numbers that lie in a row in the file.

    Attributes:
        key: their name there.
        dtype: of each.
        length: how many.
    """

    key: str
    dtype: torch.dtype
    length: int


class StoredTensor(NamedTuple):
    """A tensor whose numbers are still in the file.

    Attributes:
        storage: where they are.
        offset: of the first one in the storage.
        size: the shape.
        stride: how far apart neighbours of each axis lie.
    """

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def check(self) -> StoredTensor:
        """This tensor, once it is sure that it is one and lies inside its storage.

        Raises:
            CheckpointError: it is not.
        """
        if not isinstance(self.storage, Storage) or not all(
            isinstance(part, tuple) and all(type(number) is int and number >= 0 for number in part)
            for part in (self.size, self.stride, (self.offset,))
        ):
            raise CheckpointError("expected a stored tensor with its shape, got something else")
        if len(self.size) != len(self.stride):
            raise CheckpointError(f"expected a stride for each of {len(self.size)} axes, got {len(self.stride)}")
        count = 1
        for side in self.size:
            count *= side
        last = self.offset + sum((side - 1) * stride for side, stride in zip(self.size, self.stride, strict=True))
        if count > self.storage.length or (count and last >= self.storage.length):
            raise CheckpointError(
                f"expected a tensor inside its {self.storage.length} numbers, got {self.size} from {self.offset}"
            )
        return self


class StandIn:
    """An object of a class that is not there: it has attributes and does nothing.

    Every unpickling makes subclasses of its own, so that nothing a file does to one outlives the reading.
    """

    attributes: dict[str, Any]

    def __new__(cls, *_: Any) -> StandIn:
        """Whatever the pickled constructor was given is dropped."""
        made = super().__new__(cls)
        made.attributes = {}
        return made

    def __init__(self, *_: Any) -> None:
        """Nothing to do."""

    def __setstate__(self, state: object) -> None:
        """Keep the attributes, by name; the file may say anything."""
        if isinstance(state, dict):
            self.attributes.update({key: value for key, value in state.items() if isinstance(key, str)})

    @property
    def kind(self) -> str:
        """Name of the class it stands for, without its module."""
        return type(self).__name__

    def children(self) -> dict[str, StandIn]:
        """The modules in this one, by name."""
        modules = self.attributes.get("_modules")
        found = modules if isinstance(modules, Mapping) else {}
        return {str(name): module for name, module in found.items() if isinstance(module, StandIn)}

    def modules(self, name: str = "", depth: int = 0) -> Iterator[tuple[str, StandIn]]:
        """This module and all within it, with their dotted names.

        Raises:
            CheckpointError: they go deeper than any captioner's.
        """
        if depth > MAX_DEPTH:
            raise CheckpointError(f"expected at most {MAX_DEPTH} modules within each other, got more")
        yield name, self
        for child, module in self.children().items():
            yield from module.modules(f"{name}.{child}" if name else child, depth + 1)

    def tensors(self) -> dict[str, StoredTensor]:
        """Parameters and buffers of this module and all within it, by dotted name."""
        found: dict[str, StoredTensor] = {}
        for name, module in self.modules():
            for group in ("_parameters", "_buffers"):
                own = module.attributes.get(group)
                for key, tensor in own.items() if isinstance(own, Mapping) else ():
                    if isinstance(tensor, StoredTensor):
                        found[f"{name}.{key}" if name else str(key)] = tensor.check()
        return found
