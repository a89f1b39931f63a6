"""What the frozen stages of the encoder give, computed once and kept on disk as float16.

Both the photo and its mirror image are kept, so that training can flip without running the frozen stages again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from captioner.encoder import Encoder
from captioner.photo import PhotoSettings, open_photo, prepare_photo
from captioner.training.data import Example

VIEWS = 2  # as it is, and mirrored


class FeatureCache:
    """Features of N photos, both views, in the order of `examples`.

    `array` is (N, VIEWS, h, w, C) float16, memory-mapped. `fill` can be stopped and started again: it goes on after
    the last photo whose features were written.
    """

    def __init__(
        self, folder: Path, examples: Sequence[Example], encoder: Encoder, stage: int, settings: PhotoSettings
    ) -> None:
        self.examples, self.encoder, self.stage, self.settings = examples, encoder, stage, settings
        key = self._key()
        self.path = folder / f"features-{key}.npy"
        self.done_path = folder / f"features-{key}.done"
        with torch.no_grad():
            parameter = next(encoder.parameters())
            blank = torch.zeros(1, 3, settings.size, settings.size, device=parameter.device)
            _, channels, height, width = encoder.until(blank, stage).shape
        shape = (len(examples), VIEWS, height, width, channels)
        folder.mkdir(parents=True, exist_ok=True)
        mode = "r+" if self.path.exists() else "w+"
        self.array = np.lib.format.open_memmap(self.path, mode=mode, dtype=np.float16, shape=shape)

    def _key(self) -> str:
        """Names everything the features depend on, so that a changed encoder never meets old features."""
        digest = hashlib.sha256()
        for stage in self.encoder.stages[: self.stage]:
            for tensor in stage.state_dict().values():
                digest.update(tensor.detach().cpu().numpy().tobytes())
        description = [asdict(self.encoder.options), asdict(self.settings), self.stage]
        digest.update(json.dumps([description, [e.filename for e in self.examples]]).encode())
        return digest.hexdigest()[:16]

    def fill(self, compiled: bool = False) -> None:
        """Compute what is missing, with a progress bar.

        Args:
            compiled: let torch.compile fuse the frozen stages.
        """

        def run(pixels: Tensor) -> Tensor:
            return self.encoder.until(pixels, self.stage)  # (1, C, h, w)

        if compiled:
            run = torch.compile(run, options={"freezing": True})
        device = next(self.encoder.parameters()).device
        done = int(self.done_path.read_text()) if self.done_path.exists() else 0
        remaining = range(done, len(self.examples))
        with torch.inference_mode():
            for index in tqdm(remaining, initial=done, total=len(self.examples), desc="features", mininterval=5):
                photo = open_photo(self.examples[index].path)
                pixels = prepare_photo(photo, self.settings).unsqueeze(0).to(device)  # (1, 3, S, S)
                for view, seen in enumerate((pixels, pixels.flip(-1))):
                    features = run(seen.contiguous(memory_format=torch.channels_last))  # (1, C, h, w)
                    self.array[index, view] = features[0].permute(1, 2, 0).half().cpu().numpy()
                if index % 500 == 499 or index == len(self.examples) - 1:
                    self.array.flush()
                    self.done_path.write_text(str(index + 1))

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32, channels last in memory, of photos `indices` in the given views."""
        chosen = torch.from_numpy(self.array[list(indices), list(views)])  # (P, h, w, C) float16
        return chosen.permute(0, 3, 1, 2).float()


class PhotoReader:
    """Features straight from the photos, batch by batch: nothing on disk, the frozen stages run every time.

    With `stage` 0 the "features" are the pixels themselves, and the whole encoder can learn.
    """

    def __init__(self, examples: Sequence[Example], encoder: Encoder, stage: int, settings: PhotoSettings) -> None:
        self.examples, self.encoder, self.stage, self.settings = examples, encoder, stage, settings

    def batch(self, indices: Sequence[int], views: Sequence[int]) -> Tensor:
        """Features (P, C, h, w) float32 of photos `indices` in the given views."""
        pixels = [prepare_photo(open_photo(self.examples[index].path), self.settings) for index in indices]
        seen = torch.stack([p.flip(-1) if view else p for p, view in zip(pixels, views, strict=True)])
        with torch.no_grad():
            return self.encoder.until(seen.to(next(self.encoder.parameters()).device), self.stage)
