"""What the frozen stages of the encoder give, computed once and kept on disk as float16.

Every view of a photo is kept, so that training can mirror and crop without running the frozen stages again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.folded import fold
from captioner.photo import PhotoSettings, open_photo, prepare_photo
from captioner.training.data import Example
from captioner.training.views import View

CHUNK = 64  # views between two looks at the clock


def see(example: Example, view: View, settings: PhotoSettings) -> Tensor:
    """Pixels (3, S, S) of a photo in one view."""
    return prepare_photo(view.show(open_photo(example.path)), settings)


class FeatureCache:
    """Features of the photos of `examples`, in their order, each in its own `views`.

    `array` is (N, V, h, w, C) float16, memory-mapped; V is the largest number of views, and the places of views that
    a photo does not have stay empty. `fill` can be stopped and started again: it goes on after the last written view.
    """

    def __init__(
        self,
        folder: Path,
        examples: Sequence[Example],
        views: Sequence[Sequence[View]],
        encoder: Encoder,
        stage: int,
        settings: PhotoSettings,
    ) -> None:
        self.examples, self.views, self.encoder, self.stage, self.settings = examples, views, encoder, stage, settings
        key = self._key()
        self.path = folder / f"features-{key}.npy"
        self.done_path = folder / f"features-{key}.done"
        with torch.no_grad():
            parameter = next(encoder.parameters())
            blank = torch.zeros(1, 3, settings.size, settings.size, device=parameter.device)
            _, channels, height, width = encoder.until(blank, stage).shape
        shape = (len(examples), max(map(len, views)), height, width, channels)
        folder.mkdir(parents=True, exist_ok=True)
        mode = "r+" if self.path.exists() else "w+"
        self.array = np.lib.format.open_memmap(self.path, mode=mode, dtype=np.float16, shape=shape)

    def _key(self) -> str:
        """Names everything the features depend on, so that a changed encoder never meets old features."""
        digest = hashlib.sha256()
        for stage in self.encoder.stages[: self.stage]:
            for tensor in stage.state_dict().values():
                kept = tensor.detach().half() + 0  # as a checkpoint keeps them; averaging makes a 0 of -0
                digest.update(kept.cpu().numpy().tobytes())
        description = [asdict(self.encoder.options), asdict(self.settings), self.stage]
        shown = [
            [example.filename, [asdict(view) for view in own]]
            for example, own in zip(self.examples, self.views, strict=True)
        ]
        digest.update(json.dumps([description, shown]).encode())
        return digest.hexdigest()[:16]

    def fill(self) -> None:
        """Compute what is missing, with a progress bar.

        A CPU runs one view per core, each through the encoder with batch norms folded: what lies between the layers
        of a single photo stays in the core's cache, and no core waits for another.
        """
        device = next(self.encoder.parameters()).device
        encoder = fold(self.encoder)  # the same numbers but for rounding
        jobs = [(index, view) for index, own in enumerate(self.views) for view in range(len(own))]
        done = int(self.done_path.read_text()) if self.done_path.exists() else 0

        def run(job: tuple[int, int]) -> NDArray[np.float16]:
            index, view = job
            pixels = see(self.examples[index], self.views[index][view], self.settings)  # (3, S, S)
            with torch.inference_mode():
                features = encoder.until(pixels.unsqueeze(0).to(device), self.stage)[0]  # (C, h, w)
                return features.permute(1, 2, 0).half().cpu().numpy()

        bar = tqdm(initial=done, total=len(jobs), desc="features", mininterval=10)
        workers = torch.get_num_threads() if device.type == "cpu" else 1
        with bar, ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for first in range(done, len(jobs), CHUNK):
                chunk = jobs[first : first + CHUNK]
                for (index, view), value in zip(chunk, pool.map(run, chunk), strict=True):
                    self.array[index, view] = value
                bar.update(len(chunk))
                if first // CHUNK % 10 == 9 or first + CHUNK >= len(jobs):
                    self.array.flush()
                    self.done_path.write_text(str(first + len(chunk)))

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32, channels last in memory, of photos `indices` in the given views."""
        chosen = torch.from_numpy(self.array[list(indices), list(views)])  # (P, h, w, C) float16
        return chosen.permute(0, 3, 1, 2).float()


class PhotoReader:
    """Features straight from the photos, batch by batch: nothing on disk, the frozen stages run every time.

    With `stage` 0 the "features" are the pixels themselves, and the whole encoder can learn.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        views: Sequence[Sequence[View]],
        encoder: Encoder,
        stage: int,
        settings: PhotoSettings,
    ) -> None:
        self.examples, self.views, self.encoder, self.stage, self.settings = examples, views, encoder, stage, settings

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32 of photos `indices` in the given views."""
        pixels = torch.stack(
            [
                see(self.examples[index], self.views[index][view], self.settings)
                for index, view in zip(indices, views, strict=True)
            ]
        )  # (P, 3, S, S)
        with torch.no_grad():
            return self.encoder.until(pixels.to(next(self.encoder.parameters()).device), self.stage)
