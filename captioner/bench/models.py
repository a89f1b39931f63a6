"""The same random weights twice: as the textbook's modules, and as a captioner converted from them."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from captioner.bench.options import ModelSizes
from captioner.bench.textbook import DecoderWithAttention, Encoder
from captioner.captioner import Captioner
from captioner.tutorial.convert import convert_tutorial

START, END, UNKNOWN, PAD = "<start>", "<end>", "<unk>", "<pad>"


@dataclass(frozen=True)
class Models:
    """Two captioners of the same weights.

    Attributes:
        encoder, decoder: the textbook's.
        captioner: ours.
    """

    encoder: Encoder
    decoder: DecoderWithAttention
    captioner: Captioner


def make_models(sizes: ModelSizes, words: int | None, device: str) -> Models:
    """Build both.

    Args:
        sizes: of the networks.
        words: captions end after about so many; None: they never end.
        device: see `Captioner`; the textbook's modules are moved there too.
    """
    torch.manual_seed(sizes.seed)
    encoder, decoder = random_encoder(sizes), random_decoder(sizes)
    _end_after(decoder, word_map(sizes.words)[END], words)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, numbers = Path(folder) / "random.pth.tar", Path(folder) / "WORDMAP.json"
        torch.save({"encoder": encoder.state_dict(), "decoder": decoder.state_dict()}, checkpoint)
        numbers.write_text(json.dumps(word_map(sizes.words)), encoding="utf-8")
        captioner = Captioner(
            convert_tutorial(checkpoint, numbers, "random", "nothing: its weights are random"), device
        )
    return Models(encoder.to(captioner.device), decoder.to(captioner.device), captioner)


def word_map(words: int) -> dict[str, int]:
    """`words` tokens as the tutorial numbers them: padding first, then words, then the other special ones."""
    spoken = {f"word{number}": number for number in range(1, words - 3)}
    return {PAD: 0, **spoken, UNKNOWN: words - 3, START: words - 2, END: words - 1}


def random_encoder(sizes: ModelSizes) -> Encoder:
    """A ResNet-101 whose features are of a trained one's size: its statistics are those of soft random pictures."""
    encoder = Encoder(width=sizes.width)
    for name, module in encoder.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches seen, here of one
            if name.endswith("bn3"):  # branches add little, lest what they add up to explode with depth
                nn.init.constant_(module.weight, 0.2)
    pictures = nn.functional.interpolate(torch.randn(8, 3, 8, 8), 128, mode="bilinear") + torch.randn(8, 3, 1, 1)
    with torch.no_grad():
        encoder.train()(pictures)
    return encoder.eval()


def random_decoder(sizes: ModelSizes) -> DecoderWithAttention:
    """Weights large enough that what is said depends on the photo and on the words before."""
    decoder = DecoderWithAttention(sizes.words, sizes.decoder, sizes.decoder, sizes.decoder, encoder_dim=2048)
    with torch.no_grad():
        for parameter in decoder.parameters():
            spread = 1.5 / math.sqrt(parameter.shape[-1]) if parameter.dim() == 2 else 0.1
            parameter.normal_(0, spread)
        decoder.embedding.weight.normal_(0, 2)
        decoder.decode_step.weight_hh.mul_(0.3)  # lest a rounding error grow from step to step until words change
        decoder.fc.weight.mul_(4)
    return decoder.eval()


def _end_after(decoder: DecoderWithAttention, end: int, words: int | None) -> None:
    """Let the first cell of the LSTM count words, from -1 upwards, and <end> be likely once the count is above 0.

    Args:
        end: the id of <end>.
        words: what it counts to; None: <end> is never likely.
    """
    size = decoder.decode_step.hidden_size
    cell = decoder.decode_step
    with torch.no_grad():
        decoder.fc.weight[end] = 0
        decoder.fc.bias[end] = -100
        if words is None:
            return
        step = math.atanh(min(1 / words, 0.9))
        for gate, bias in enumerate((20.0, 20.0, step, 20.0)):  # input, forget, candidate, output
            for tensor in (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh):
                tensor[gate * size] = 0
            cell.bias_ih[gate * size] = bias
        decoder.init_c.weight[0], decoder.init_c.bias[0] = 0, -1.0
        decoder.fc.weight[:, 0] = 0
        decoder.fc.weight[end, 0], decoder.fc.bias[end] = 60.0, 10.0
