"""Captioners that people would pick instead, in their published sizes with random weights: photo in, words out.

They give words and no maps, ours gives both. Their weights are random, so their words mean nothing: what is compared
is how long a caption of the same length takes at the same beam width. Nothing is fetched.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from captioner.bench.harness import Pair, compare_all
from captioner.bench.report import Section
from captioner.bench.task import Task
from captioner.captioner import Captioner
from captioner.checkpoint import default_checkpoint
from captioner.description import Description
from captioner.search_options import SearchOptions

BEAM = 5
LIBRARY = "transformers"
INSTALL = "pip install -r captioner/bench/requirements.txt"


@dataclass(frozen=True)
class PeerSizes:
    """How large the peers are; these are the published ones' sizes.

    Attributes:
        hidden: length of a state, a multiple of 12 (their heads).
        layers: of each half.
        words: tokens of ViT-GPT2's vocabulary, and of BLIP's; 3 or more.
        sides: pixels of the photo ViT-GPT2 sees, and BLIP; multiples of 16.
        seed: of the weights.
    """

    hidden: int = 768
    layers: int = 12
    words: tuple[int, int] = (50257, 30524)
    sides: tuple[int, int] = (224, 384)
    seed: int = 1


@dataclass(frozen=True)
class Peer:
    """A captioner to measure against.

    Attributes:
        name: in the table.
        weights: how many numbers it has.
        say: a photo to the ids of its words.
    """

    name: str
    weights: int
    say: Callable[[Image.Image], list[int]]


@dataclass(frozen=True)
class NotMeasured:
    """An entry whose libraries are not installed; that is no fault."""

    name: str
    reason: str
    same: bool = True

    def record(self) -> dict[str, str]:
        """As plain JSON values."""
        return {"not measured": self.reason}

    def lines(self) -> list[str]:
        """To be read."""
        return [f"{self.name:55s} not measured: {self.reason}"]


def measure_peers(task: Task) -> Section:
    """The shipped model with its maps against each peer without any, as many words and as wide a beam; or why not."""
    if importlib.util.find_spec(LIBRARY) is None:
        return NotMeasured("peers", INSTALL)
    captioner = Captioner.load(default_checkpoint(), str(task.device))
    return compare_all(peer_pairs(captioner, task, PeerSizes()), task.options.rounds, task.tell)


def peer_pairs(captioner: Captioner, task: Task, sizes: PeerSizes) -> Iterator[Pair[Description, list[int]]]:
    """One pair for each peer, made when its turn comes: two of them in memory would be 2 GB."""
    photo, search = task.photo, SearchOptions(widths=(BEAM,))
    length = len(captioner.describe(photo, search).at_width(BEAM)[0].words)
    for make in (vit_gpt2, blip):
        peer = make(sizes, length, task.device)
        name = f"{length} words with maps, against {peer.name} ({peer.weights / 1e6:.0f} M)"
        yield Pair(name, lambda: captioner.describe(photo, search), lambda say=peer.say: say(photo))  # type: ignore[misc]


def vit_gpt2(sizes: PeerSizes, length: int, device: torch.device) -> Peer:
    """ViT and GPT-2 as in nlpconnect/vit-gpt2-image-captioning."""
    transformers = _library()
    hidden, layers, words, side = sizes.hidden, sizes.layers, sizes.words[0], sizes.sides[0]
    seeing = transformers.ViTConfig(
        hidden_size=hidden, num_hidden_layers=layers, intermediate_size=4 * hidden, image_size=side
    )
    speaking = transformers.GPT2Config(
        vocab_size=words,
        n_embd=hidden,
        n_layer=layers,
        bos_token_id=words - 1,
        eos_token_id=words - 1,
        is_decoder=True,
        add_cross_attention=True,
    )
    torch.manual_seed(sizes.seed)
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(seeing, speaking)
    model = transformers.VisionEncoderDecoderModel(config=config)
    for options in (model.config, model.generation_config):
        options.decoder_start_token_id = options.eos_token_id = options.pad_token_id = words - 1
    processor = transformers.ViTImageProcessor(size={"height": side, "width": side})
    return _peer("ViT-GPT2", model, processor, length, device)


def blip(sizes: PeerSizes, length: int, device: torch.device) -> Peer:
    """BLIP as in Salesforce/blip-image-captioning-base."""
    transformers = _library()
    hidden, layers, words, side = sizes.hidden, sizes.layers, sizes.words[1], sizes.sides[1]
    seeing = {"hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": 4 * hidden, "image_size": side}
    speaking = {
        "vocab_size": words,
        "hidden_size": hidden,
        "encoder_hidden_size": hidden,
        "intermediate_size": 4 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 12,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "sep_token_id": words - 1,
        "pad_token_id": 0,
    }
    torch.manual_seed(sizes.seed)
    config = transformers.BlipConfig(text_config=speaking, vision_config=seeing)
    model = transformers.BlipForConditionalGeneration(config)
    processor = transformers.BlipImageProcessor(size={"height": side, "width": side})
    return _peer("BLIP base", model, processor, length, device)


def _peer(name: str, model: Any, processor: Any, length: int, device: torch.device) -> Peer:
    model = model.eval().to(device)

    def say(photo: Image.Image) -> list[int]:
        pixels = processor(images=photo, return_tensors="pt")["pixel_values"].to(device)
        with torch.inference_mode():
            ids = model.generate(
                pixel_values=pixels, num_beams=BEAM, do_sample=False, min_new_tokens=length, max_new_tokens=length
            )
        said: list[int] = ids[0].tolist()
        return said[1:]  # without the token that begins a caption

    return Peer(name, sum(weights.numel() for weights in model.parameters()), say)


def _library() -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import transformers

    transformers.logging.set_verbosity_error()
    return transformers
