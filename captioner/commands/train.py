"""`python -m captioner train`: a model out of captioned photos."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.encoder import ENCODER_NAMES, RESNET_BLOCKS, EncoderOptions
from captioner.errors import DataError
from captioner.hub import locate, source_argument
from captioner.names import plain
from captioner.photo import PhotoSettings

if TYPE_CHECKING:
    from captioner.training.watching import WatchOptions

DESCRIPTION = """\
Train a captioner on folders of captioned photos (captions.json and images/, or a Karpathy JSON and its photos).

The frozen part of the encoder is run once and what it gives is kept in the --run-dir folder. Stop the command when you
like: the same command goes on where it was. The best epoch by validation CIDEr is always in --out; a log and a
learning curve are in the --run-dir folder. On several GPUs: torchrun --nproc-per-node 2 -m captioner train ...
Needs the packages in captioner/training/requirements.txt.

  python -m captioner train --data flickr8k --out model.safetensors --run-dir runs/first

The model of the well-known PyTorch captioning tutorial, a ResNet-101 whose 8 x 8 cells are stretched to 14 x 14; its
ImageNet weights are downloaded by torchvision, once:

  python -m captioner train --data coco --out coco.safetensors --run-dir runs/coco --encoder resnet101 \\
    --tutorial-decoder --size 256 --detail 0 --stretch 14 --attention-dim 512 --doubly-stochastic 1 \\
    --learning-rate 4e-4 --encoder-learning-rate 1e-4
"""

RESNET_TUNE_FROM = 2  # the tutorial's: all but the stem and the first residual layer learn
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# flag, type, help; the defaults are those of TrainOptions.
NUMBERS = (
    ("epochs", int, "passes over the training photos"),
    ("frozen_epochs", int, "epochs before the encoder starts to learn"),
    ("photos_per_batch", int, "photos per optimiser step, each with all its captions"),
    ("views", int, "ways each photo is shown: 1 whole, 2 mirrored too, more add crops"),
    ("pointing", float, "weight of the supervised attention term, where words have boxes"),
    ("lone_weight", float, "weight of a photo with one caption, beside those with several"),
    ("label_weight", float, "weight of the words of labels; 0 leaves photos of labels alone out"),
    ("learning_rate", float, "highest learning rate of the decoder"),
    ("encoder_learning_rate", float, "highest learning rate of the encoder"),
    ("weight_decay", float, "AdamW weight decay"),
    ("label_smoothing", float, "share of the target spread over all words"),
    ("dropout", float, "dropout of the decoder"),
    ("word_dropout", float, "probability that a given word is hidden"),
    ("self_critical", float, "share of the word loss that rewards sampled captions for their CIDEr"),
    ("repeat_penalty", float, "taken off that CIDEr for every content word said again"),
    ("samples", int, "captions sampled for each photo, with --self-critical"),
    ("doubly_stochastic", float, "weight of the penalty that spreads attention over all cells"),
    ("average", float, "decay of the running weight average"),
    ("clip_norm", float, "longest gradient"),
    ("embedding_dim", int, "length of a word vector"),
    ("hidden_dim", int, "length of the LSTM state"),
    ("attention_dim", int, "length of the attention space"),
    ("min_count", int, "times a word must occur to be learnt"),
    ("max_words", int, "longer captions are cut"),
    ("patience", int, "epochs without improvement before stopping"),
    ("save_minutes", float, "minutes between resumable states"),
    ("seed", int, "of everything random"),
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    from captioner.training.options import TrainOptions

    defaults = {item.name: item.default for item in fields(TrainOptions)}
    parser = commands.add_parser(
        "train",
        help="train a model on captioned photos",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+", metavar="DIR", help="folders of photos")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="checkpoint to write (.safetensors)")
    parser.add_argument(
        "--run-dir", type=Path, default=Path("runs/train"), metavar="DIR", help="state, cache, log, curve"
    )
    parser.add_argument("--start-from", type=source_argument, default=None, metavar="FILE",
                        help="go on from this checkpoint, a file or hf://owner/name[@revision]")  # fmt: skip
    parser.add_argument("--encoder", choices=ENCODER_NAMES, default="tf_efficientnet_lite2", help="which encoder")
    parser.add_argument("--output-stride", type=int, choices=(16, 32), default=32, help="photo pixels per cell side")
    parser.add_argument("--stretch", type=int, default=None, help="stretch the grid to N x N cells (the tutorial: 14)")
    parser.add_argument("--size", type=int, default=448, help="side of the square the encoder sees, in pixels")
    parser.add_argument("--detail", type=int, default=224, help="reduce photos to this side first; 0 for no reduction")
    parser.add_argument("--from-scratch", action="store_true", help="start the encoder from random weights")
    parser.add_argument("--frozen", action="store_true", help="never train the encoder")
    parser.add_argument(
        "--tune-from",
        type=int,
        default=None,
        metavar="STAGE",
        help="first encoder stage that learns: of a ResNet 0 is the stem, 1 to 4 its residual layers, 5 none "
        f"(default {RESNET_TUNE_FROM}, as in the tutorial); of EfficientNet-Lite 0 is the stem, then come its blocks "
        f"(default {defaults['tune_from']})",
    )
    parser.add_argument("--no-cache", action="store_true", help="run the frozen stages every epoch, keep nothing")
    parser.add_argument("--tune-depthwise", action="store_true", help="let depthwise convolutions learn too")
    parser.add_argument("--keep-epochs", action="store_true", help="keep every epoch's checkpoint in --run-dir")
    parser.add_argument("--tutorial-decoder", action="store_true", help="the tutorial's decoder, without our options")
    parser.add_argument("--compile", action="store_true", help="speed up with torch.compile")
    parser.add_argument(
        "--watch",
        type=Path,
        default=None,
        metavar="DIR",
        help="caption the photos of DIR again and again while it learns: learning.json in --run-dir",
    )
    parser.add_argument(
        "--watch-at", default=None, metavar="STEPS", help="when: 0,10,30 and epochs' ends (default 0,1,2,3,5,7,10,...)"
    )
    parser.add_argument("--name", type=plain, default="saywhere", help="the model's name")
    parser.add_argument("--trained-on", type=plain, default="", help="one line about the photos, shown on the page")
    for name, kind, explanation in NUMBERS:
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=kind, default=defaults[name], help=f"{explanation} (default %(default)s)")
    parser.set_defaults(run_command=run)


def run(options: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    from captioner.finding import expand
    from captioner.training.options import TrainOptions
    from captioner.training.train import train

    data = tuple(expand(options.data))
    resnet = options.encoder in RESNET_BLOCKS
    progress = train(
        TrainOptions(
            data=data,
            out=options.out,
            run=options.run_dir,
            start_from=None if options.start_from is None else locate(options.start_from),
            encoder=EncoderOptions(options.encoder, options.output_stride, options.stretch),
            photo=PhotoSettings(
                size=options.size,
                detail=options.detail or None,
                mean=IMAGENET_MEAN if resnet else (0.5, 0.5, 0.5),
                deviation=IMAGENET_DEVIATION if resnet else (0.5, 0.5, 0.5),
                resampling="bilinear" if resnet else "bicubic",
            ),
            pretrained=not options.from_scratch,
            tune_from=None if options.frozen else first_tuned(options.tune_from, resnet),
            cache_features=not options.no_cache,
            tune_depthwise=options.tune_depthwise,
            tutorial_decoder=options.tutorial_decoder,
            compile=options.compile,
            keep_epochs=options.keep_epochs,
            watch=watched(options.watch, options.watch_at),
            name=options.name,
            trained_on=options.trained_on or "the photos of " + ", ".join(plain(folder.name) for folder in data),
            **{name: getattr(options, name) for name, _, _ in NUMBERS},
        )
    )
    print(f"best validation CIDEr {progress.best_cider:.3f} at epoch {progress.best_epoch + 1}: {options.out}")
    return 0


def first_tuned(asked: int | None, resnet: bool) -> int | None:
    """The first stage that learns: what was asked for, else what suits the encoder."""
    from captioner.training.options import TrainOptions

    if asked is not None:
        return asked
    return RESNET_TUNE_FROM if resnet else TrainOptions.tune_from


def watched(folder: Path | None, steps: str | None) -> WatchOptions | None:
    """What the flags say about watching."""
    from captioner.training.watching import WatchOptions, read_steps

    if folder is None:
        if steps is not None:
            raise DataError("expected --watch DIR with --watch-at: name the folder of the photos to caption")
        return None
    return WatchOptions(folder) if steps is None else WatchOptions(folder, read_steps(steps))
