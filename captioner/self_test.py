"""Whether a model's captions and maps say anything: one short run at the start, for any checkpoint.

It finds the failures that give no error: the encoder sees black whatever the photo (pixels scaled twice, a mean and
deviation of another range), the decoder says the same of every photo, every word has the same map, the search never
ends. A model that passes may still caption badly; one that does not pass has something broken.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioner.attention_health import LEAST_WORD_DIFFERENCE, attention_health
from captioner.photo import PhotoSettings, prepare_photo
from captioner.search_options import SearchOptions

if TYPE_CHECKING:
    from captioner.caption import Caption
    from captioner.captioner import Captioner

Finding = Literal["black", "same_caption", "same_maps", "flat_maps", "endless", "silent"]

REASONS: dict[Finding, str] = {
    "black": "the encoder gets nearly the same pixels whatever the photo: check the mean and deviation of its photos",
    "same_caption": "it says the same of photos that have nothing in common",
    "same_maps": "every word of a caption has the same map",
    "flat_maps": "the maps are flat: every word looks everywhere alike",
    "endless": "its captions do not end by themselves",
    "silent": "it ends its captions before the first word",
}
LEAST_CONTRAST = 0.1  # standard deviations of the training photos; real photos have about 1
SIDE = 96  # pixels of a test photo
OPTIONS = SearchOptions(widths=(1,), min_words=0)  # the plainest search: nothing of its own hides what the model does


@dataclass(frozen=True)
class SelfTest:
    """What the run found.

    Attributes:
        findings: in the order of `REASONS`; none where all is well.
        seconds: what it took.
    """

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def reason(self) -> str:
        """One sentence for people: what was found, or that nothing was."""
        if self.healthy:
            return "It sees photos, tells them apart, moves its gaze from word to word, and its captions end."
        sentence = "; ".join(REASONS[finding] for finding in self.findings)
        return f"{sentence[0].upper()}{sentence[1:]}."


def self_test(captioner: Captioner) -> SelfTest:
    """Caption the test photos and judge what comes out; greedy, so that it takes well under a second, and one after the
    other, so that it takes no more memory than any photo."""
    started = time.perf_counter()
    photos = make_photos()
    captions = [captioner.describe(photo, OPTIONS).at_width(1)[0] for photo in photos]
    found = set(judge_captions(captions))
    if contrast(photos, captioner.photo_settings) < LEAST_CONTRAST:
        found.add("black")
    return SelfTest(tuple(finding for finding in REASONS if finding in found), time.perf_counter() - started)


def make_photos() -> tuple[Image.Image, ...]:
    """Three pictures without anything in common: a sunny landscape, a night of lights, a patterned cloth."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE  # (S, S), 0 to 1
    return tuple(
        Image.fromarray(np.rint(picture).astype(np.uint8))
        for picture in (_landscape(x, y), _lights(x, y), _cloth(x, y))
    )


def contrast(photos: tuple[Image.Image, ...], settings: PhotoSettings) -> float:
    """The standard deviation of the pixels that the encoder gets, mean of red, green and blue; near 0 when it sees
    one colour only."""
    pixels = np.stack([prepare_photo(photo, settings).numpy() for photo in photos])  # (P, 3, S, S)
    return float(pixels.std(axis=(0, 2, 3)).mean())


def judge_captions(captions: list[Caption]) -> list[Finding]:
    """What the best captions of photos that have nothing in common show of their model."""
    found: list[Finding] = []
    if not any(caption.finished for caption in captions):
        found.append("endless")
    if not any(caption.words for caption in captions):
        return [*found, "silent"]
    if len({caption.words for caption in captions}) == 1:
        found.append("same_caption")
    health = attention_health(captions)
    if health.flat:
        found.append("flat_maps")
    elif health.word_difference is not None and health.word_difference < LEAST_WORD_DIFFERENCE:
        found.append("same_maps")
    return found


def _landscape(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Blue sky with a sun over a green meadow."""
    sky = np.stack([110 + 100 * y, 170 + 60 * y, np.full_like(y, 240)], axis=-1)
    meadow = np.stack([60 + 30 * np.sin(40 * x) ** 2, 150 - 60 * (y - 0.55), np.full_like(y, 40)], axis=-1)
    picture = np.where((y > 0.55 + 0.05 * np.sin(7 * x))[..., None], meadow, sky)
    return np.where((np.hypot(x - 0.75, y - 0.2) < 0.1)[..., None], [255.0, 240.0, 160.0], picture)


def _lights(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of lit windows in the dark."""
    lit = (
        (np.mod(x * 8, 1) < 0.4)
        & (np.mod(y * 10, 1) < 0.4)
        & (np.mod(np.floor(x * 8) * 3 + np.floor(y * 10) * 5, 7) < 3)
    )
    return np.where((lit & (y > 0.3))[..., None], [250.0, 210.0, 120.0], [10.0, 12.0, 30.0])


def _cloth(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """A red and white chequered cloth with a plate on it."""
    light = (np.floor(x * 6) + np.floor(y * 6))[..., None]
    cloth = np.where(np.mod(light, 2) > 0, [235.0, 230.0, 225.0], [190.0, 30.0, 40.0])
    away = np.hypot(x - 0.5, y - 0.5)[..., None]
    return np.where(away < 0.22, [205.0, 140.0, 60.0], np.where(away < 0.36, [250.0, 250.0, 250.0], cloth))
