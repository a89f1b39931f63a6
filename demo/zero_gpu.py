"""ZeroGPU: a GPU that Hugging Face lends a page for a few seconds at a time, and the processor when none is to be had.

What is asked of the GPU runs in a process forked from this one: pixels and options are pickled on the way there, the
description on the way back. A visitor's time on the GPU is charged as it was requested, not as it was used.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from PIL import Image

from captioner.caption import Floats
from captioner.captioner import Captioner
from captioner.checkpoint import Checkpoint, load_checkpoint
from captioner.description import Description
from captioner.errors import CheckpointError
from captioner.photo import prepare_photo
from captioner.search_options import SearchOptions

LOG = logging.getLogger(__name__)
SECONDS = 5  # requested for a photo; a visitor without an account has about 120 a day

Describe: TypeAlias = Callable[[Floats, SearchOptions, tuple[str, ...]], Description]


class LentCaptioner(Captioner):
    """A captioner on the processor that can have a photo described on a lent GPU.

    Args:
        checkpoint: the model's parts, for the processor.
        on_gpu: the same model, on the GPU.
        lend: makes a function that runs where the GPU is, as `spaces.GPU` does.
    """

    def __init__(self, checkpoint: Checkpoint, on_gpu: Captioner, lend: Callable[[Describe], Describe]) -> None:
        super().__init__(checkpoint, "cpu")
        home = os.getpid()

        def describe(pixels: Floats, options: SearchOptions, prefix: tuple[str, ...]) -> Description:
            if os.getpid() != home:
                torch.set_num_threads(1)  # the threads PyTorch had started were not forked: it would wait for them
            grid = on_gpu.encode_pixels(torch.from_numpy(pixels))
            return on_gpu.search(grid, options, prefix)[0]

        self._describe_there = lend(describe)

    @classmethod
    def borrow(cls, path: Path | str) -> LentCaptioner:
        """Read a checkpoint file, on ZeroGPU and before the page is served: only what is there by then is moved to
        the GPU.

        Raises:
            CheckpointError: the file is no checkpoint, or `spaces` is not installed.
        """
        try:
            import spaces  # at ZeroGPU's it is always there, elsewhere it is of no use
        except ImportError as problem:
            raise CheckpointError("ZeroGPU needs the package spaces: pip install spaces") from problem
        lend: Callable[[Describe], Describe] = spaces.GPU(duration=SECONDS)
        on_gpu = Captioner.load(path, "cuda", record=False)  # every photo has a process of its own: no second photo
        return cls(load_checkpoint(Path(path)), on_gpu, lend)

    def look(self, photo: Image.Image, options: SearchOptions, prefix: Sequence[str] = ()) -> tuple[Description, bool]:
        """Describe a photo on the GPU, or here where that fails for whatever reason.

        Returns:
            what `describe` says, and whether it was done without the GPU.

        Raises:
            PhotoError: the photo is not RGB.
            SearchError: the prefix cannot be said.
        """
        self.known_ids(prefix)  # what is wrong costs nobody time on the GPU
        pixels = prepare_photo(photo, self.photo_settings)[None].numpy()  # (1, 3, S, S)
        try:
            return self._describe_there(pixels, options, tuple(prefix)), False
        except Exception as problem:  # its time is used up, none is free, it broke: `spaces` raises Gradio's errors
            LOG.warning("A photo is described without the GPU: %s", problem)
        return self.describe(photo, options, prefix), True
