"""One batch of captions, and a step of training on it: ours and the textbook's, from the same weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from captioner.bench.models import END, PAD, START, word_map
from captioner.bench.options import ModelSizes
from captioner.bench.textbook import DecoderWithAttention
from captioner.bench.textbook_training import SPREAD, Captions, tutorial_loss, tutorial_step
from captioner.decoder import AttentionDecoder
from captioner.decoder_options import DecoderOptions
from captioner.encoder import Encoder, EncoderOptions
from captioner.training.model import TrainingModel
from captioner.training.numerics import running_average
from captioner.tutorial.convert import DECODER_NAMES

PHOTOS, ROWS = 8, 5  # 40 captions a step; the tutorial takes 32
SIDE, CHANNELS = 14, 2048  # of the tutorial's grid
WORDS, DEVIATION, FEWEST, MOST = 11, 3.5, 4, 24  # in a caption; about those of Flickr8k

NEAR = 1e-3  # how far a gradient may be off, as a share of its length; rounding alone

Compare = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Learnt:
    """What a step gives: the loss before it, and the gradient of every weight, by our names."""

    loss: float
    gradients: dict[str, Tensor]

    def near(self, other: Learnt, share: float = NEAR) -> bool:
        """Whether both are the same up to `share` of the other's loss and of the length of each of its gradients."""
        if self.gradients.keys() != other.gradients.keys() or abs(self.loss - other.loss) > share * abs(other.loss):
            return False
        longest = max(float(gradient.norm()) for gradient in other.gradients.values())
        return all(
            float((self.gradients[name] - gradient).norm()) <= share * (float(gradient.norm()) + 1e-3 * longest)
            for name, gradient in other.gradients.items()
        )


@dataclass(frozen=True)
class Lesson:
    """A batch of P photos and R captions each, and the decoder both sides start from.

    Attributes:
        features: (P, D, n, n), random, none below 0, as ReLU leaves them.
        token_ids: (P, R, T + 1), longest first in both directions.
        lengths: (P, R) tokens to predict.
        decoder: the textbook's, as the tutorial initialises it, without dropout: both sides must learn the same.
    """

    features: Tensor
    token_ids: Tensor
    lengths: Tensor
    decoder: DecoderWithAttention

    @property
    def captions(self) -> Captions:
        """As the textbook wants them."""
        features = self.features.permute(0, 2, 3, 1).repeat_interleave(self.lengths.shape[1], dim=0)
        return Captions(features.contiguous(), self.token_ids.flatten(0, 1), self.lengths.flatten() + 1)


def make_lesson(sizes: ModelSizes, device: torch.device) -> Lesson:
    """Draw everything at random."""
    torch.manual_seed(sizes.seed)
    numbers = word_map(sizes.words)
    lengths = (WORDS + DEVIATION * torch.randn(PHOTOS, ROWS)).round().clamp(FEWEST, MOST).long() + 1
    lengths = lengths.sort(dim=1, descending=True).values
    lengths = lengths[lengths[:, 0].argsort(descending=True)]  # (P, R)
    token_ids = torch.randint(1, sizes.words - 3, (PHOTOS, ROWS, int(lengths.max()) + 1))
    place = torch.arange(token_ids.shape[2])
    token_ids[place.expand_as(token_ids) == lengths.unsqueeze(-1)] = numbers[END]
    token_ids[place.expand_as(token_ids) > lengths.unsqueeze(-1)] = numbers[PAD]
    token_ids[:, :, 0] = numbers[START]
    decoder = DecoderWithAttention(sizes.words, sizes.decoder, sizes.decoder, sizes.decoder, CHANNELS)
    for weight in (decoder.embedding.weight, decoder.fc.weight):
        nn.init.uniform_(weight, -0.1, 0.1)
    nn.init.zeros_(decoder.fc.bias)
    decoder.dropout.p = 0.0
    features = torch.randn(PHOTOS, CHANNELS, SIDE, SIDE).relu()
    return Lesson(features.to(device), token_ids.to(device), lengths.to(device), decoder.to(device))


def our_name(theirs: str) -> str:
    """The name in our decoder of a weight of the textbook's."""
    layer, _, kind = theirs.rpartition(".")
    return f"{DECODER_NAMES[layer]}.{kind}"


class OurStep:
    """A step as `train` makes it, the running average of the weights counted in."""

    def __init__(self, lesson: Lesson, compare: Compare, bfloat16: bool = False) -> None:
        theirs = lesson.decoder
        sizes = DecoderOptions(
            vocabulary_size=theirs.vocab_size,
            annotation_dim=CHANNELS,
            embedding_dim=theirs.embedding.weight.shape[1],
            hidden_dim=theirs.decode_step.hidden_size,
            attention_dim=theirs.attention.encoder_att.weight.shape[0],
            dropout=0.0,
        )
        decoder = AttentionDecoder(sizes)
        decoder.load_state_dict({our_name(name): tensor for name, tensor in theirs.state_dict().items()})
        encoder = Encoder(EncoderOptions("resnet50", width=1))  # features are what all its stages would give
        self.model = TrainingModel(encoder, decoder, 0.0, SPREAD).to(lesson.features.device).train()
        self.average = AveragedModel(self.model, multi_avg_fn=running_average(0.995))
        decoder.attention.compare = compare
        self.optimizer = torch.optim.AdamW(decoder.parameters(), lr=4e-4)
        self.lesson, self.bfloat16 = lesson, bfloat16
        photos, rows, tokens = lesson.token_ids.shape
        learnt = torch.arange(tokens - 1, device=lesson.lengths.device) < lesson.lengths.unsqueeze(-1)  # (P, R, T)
        self.weights = learnt / lesson.lengths.sum()
        self.covers = torch.zeros(photos, rows, tokens - 1, SIDE * SIDE, device=self.weights.device)

    def loss(self) -> Tensor:
        """What is minimised."""
        lesson, stage = self.lesson, len(self.model.encoder.stages)
        token_ids = lesson.token_ids
        with torch.autocast(token_ids.device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            losses = self.model(lesson.features, token_ids, lesson.lengths, token_ids, self.weights, self.covers, stage)
        total: Tensor = losses.total
        return total

    def __call__(self) -> Learnt:
        """Forward, backward, cut the gradient, update, average."""
        decoder = self.model.decoder
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(decoder.parameters(), 5.0)
        self.optimizer.step()
        self.average.update_parameters(self.model)
        return Learnt(float(loss.detach()), _gradients(decoder, lambda name: name))


class TextbookStep:
    """The tutorial's step on a decoder of its own."""

    def __init__(self, lesson: Lesson) -> None:
        self.decoder = copy.deepcopy(lesson.decoder).train()
        self.captions = lesson.captions
        self.optimizer = torch.optim.Adam(self.decoder.parameters(), lr=4e-4)

    def loss(self) -> Tensor:
        """What is minimised."""
        return tutorial_loss(self.decoder, self.captions)

    def __call__(self) -> Learnt:
        """See `tutorial_step`."""
        loss = tutorial_step(self.decoder, self.optimizer, self.captions)
        return Learnt(loss, _gradients(self.decoder, our_name))


def _gradients(module: nn.Module, name_of: Callable[[str], str]) -> dict[str, Tensor]:
    return {name_of(name): weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
