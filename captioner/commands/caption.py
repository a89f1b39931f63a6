"""`python -m captioner caption`: photos in, ranked captions out."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from captioner.commands.model_flags import add_model_flags, load_model, portable
from captioner.commands.save_caption import make_folder, save
from captioner.errors import PhotoError, SearchError
from captioner.names import plain, shown
from captioner.search_options import PRESETS, SearchOptions
from captioner.vocabulary import tokenize

if TYPE_CHECKING:
    from PIL import Image

    from captioner.description import Description

DESCRIPTION = """\
Caption photos. Each gets a table of its alternatives, best first: rank, score, probability, words.

  python -m captioner caption beach.jpg
  python -m captioner caption *.jpg FOLDER --beam-width 10 --json
  python -m captioner caption beach.jpg --begin "a dog"     how it goes on from there
  python -m captioner caption beach.jpg --save out     the maps as out/beach.png, the record as out/beach.json
  python -m captioner caption FOLDER --batch captions.jsonl   thousands; the same command goes on after a stop
  python -m captioner caption FOLDER --batch captions.parquet   the same as a table, in a folder of Parquet files
  python -m captioner caption s3://bucket/photos --ray out --replicas 8   by a cluster, as Parquet files in a new folder
"""

PREVIEW = "(only the small preview in this raw file was captioned: save it as JPEG to caption the whole photo)"
GUESSING = "(guessing: this photo is unlike those the model has seen)"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "caption",
        help="caption photos with a trained model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "photos",
        nargs="+",
        type=place_argument,
        metavar="PHOTO",
        help="photo files, folders of them, patterns such as '*.jpg'; s3:// addresses with --ray",
    )
    parser.add_argument(
        "--begin", default="", metavar="WORDS", help='begin every caption with these words: "a dog" (default: none)'
    )
    parser.add_argument("--beam-width", type=int, default=5, metavar="K", help="hypotheses kept (default 5)")
    add_model_flags(parser)
    parser.add_argument(
        "--preset",
        choices=PRESETS,
        default="saywhere",
        help="how to search: ours (default), or as the PyTorch tutorial does, for its converted checkpoints",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo and line")
    parser.add_argument("--save", type=Path, default=None, metavar="DIR", help="write overlay sheets and records here")
    parser.add_argument(
        "--batch",
        type=Path,
        default=None,
        metavar="FILE",
        help="add a JSON line a photo to this file, or a row to this folder of Parquet files when it ends in .parquet",
    )
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="photos run together (default 16)")
    parser.add_argument("--maps", action="store_true", help="with --batch: attention of the best caption's words, too")
    parser.add_argument("--retry", action="store_true", help="with --batch: try photos again that were refused before")
    add_ray_flags(parser)
    parser.set_defaults(run_command=run)


def add_ray_flags(parser: argparse.ArgumentParser) -> None:
    """Add what captions a collection by a cluster."""
    parser.add_argument(
        "--ray", default=None, metavar="OUT", help="caption with Ray into this new folder or s3:// address, as Parquet"
    )
    parser.add_argument("--replicas", default="1", metavar="N[-M]", help="with --ray: models (default 1)")
    parser.add_argument("--cpus", type=float, default=1.0, metavar="C", help="with --ray: cores of each (default 1)")
    parser.add_argument("--num-gpus", type=float, default=0.0, metavar="G", help="with --ray: share of a GPU, 0 to 1")
    parser.add_argument("--cluster", default=None, metavar="ADDRESS", help='with --ray: a cluster that runs, or "auto"')


def place_argument(text: str) -> Path | str:
    """A path, or an address that begins with s3://, whose slashes a path would lose.

    Raises:
        ArgumentTypeError: it is empty, which as a path would be the current folder.
    """
    if not text:
        raise argparse.ArgumentTypeError("expected the path of a photo, got an empty one")
    return text if text.startswith("s3://") else Path(text)


def run(options: argparse.Namespace) -> int:
    """Caption the photos; returns 0, or 2 when at least one of them could not be captioned."""
    search = SearchOptions.preset(options.preset, (options.beam_width,))  # refuses a bad width at once
    prefix = read_beginning(options.begin)
    if options.ray is not None:
        return run_ray(options, search)
    if any(isinstance(place, str) for place in options.photos):
        raise PhotoError("photos of s3:// addresses are captioned by a cluster: add --ray OUT")
    if options.batch is not None:
        return run_batch(options, search)
    captioner = load_model(options)
    if options.save is not None:
        make_folder(options.save)
    failures: list[str] = []
    for path, photo, preview in opened_photos(options.photos, failures):
        description = captioner.describe(photo, search, prefix)
        report = json_line if options.json else table
        print(report(path, description, options.beam_width, preview=preview), flush=True)
        if options.save is not None:
            save(description, photo, options.beam_width, options.save, path.stem)
    if failures:
        raise PhotoError("\n".join(failures))
    return 0


def opened_photos(places: Sequence[Path], failures: list[str]) -> Iterator[tuple[Path, Image.Image, bool]]:
    """The photos of files, folders and patterns, and whether each is only a preview; those that cannot be used leave a
    sentence, others come."""
    from captioner.photo import is_preview, open_photo

    for place in places:
        try:
            paths = find(place)
        except PhotoError as problem:
            failures.append(str(problem))
            continue
        for path in paths:
            try:
                photo = open_photo(path)
                preview = path.is_file() and is_preview(path)  # a pipe can be read only once
            except PhotoError as problem:
                failures.append(str(problem))
                continue
            yield path, photo, preview


def find(*places: Path) -> list[Path]:
    """The photos of files, folders and patterns; what is skipped is said.

    Raises:
        PhotoError: see `find_photos`.
    """
    from captioner.finding import find_photos

    found = find_photos(places)
    if skipped := found.told_skipped():
        print(f"captioner: {skipped}", file=sys.stderr)
    return list(found.photos)


def run_batch(options: argparse.Namespace, search: SearchOptions) -> int:
    """Caption a collection; returns 0, photos that cannot be used have a line of their own that says why."""
    from captioner.collection.options import CollectionOptions
    from captioner.collection.run import caption_collection

    chosen = CollectionOptions(search, options.batch_size, maps=options.maps, retry=options.retry)
    if options.begin or options.json or options.save is not None:
        raise SearchError("expected --batch without --begin, --json and --save: its lines hold the captions")
    photos = find(*options.photos)
    tally = caption_collection(load_model(options), photos, options.batch, chosen)
    print(f"{tally.captioned} captioned, {tally.refused} refused, {tally.kept} there already: {options.batch}")
    return 0


def run_ray(options: argparse.Namespace, search: SearchOptions) -> int:
    """Caption a collection by a cluster; returns 0, photos that cannot be used have a row that says why."""
    from captioner.serving.cluster import Cluster, require_ray

    if options.begin or options.json or options.save is not None or options.batch is not None:
        raise SearchError("expected --ray without --begin, --json, --save and --batch: its rows hold the captions")
    photos = find(*(place for place in options.photos if isinstance(place, Path)))
    places: list[Path | str] = [*photos, *(place for place in options.photos if isinstance(place, str))]
    require_ray()
    from captioner.checkpoint import default_checkpoint
    from captioner.collection.options import CollectionOptions
    from captioner.serving.dataset import caption_dataset
    from captioner.serving.options import ServingOptions, read_replicas

    least, most = read_replicas(options.replicas)
    checkpoint = portable(options.checkpoint or default_checkpoint())
    serving = ServingOptions(checkpoint, least, most, options.batch_size, cpus=options.cpus, gpus=options.num_gpus)
    chosen = CollectionOptions(search, options.batch_size, maps=options.maps)
    cluster = Cluster(options.cluster, serving.cpus * most + 1)  # one more core opens photos
    tally = caption_dataset(places, options.ray, chosen, serving, cluster)
    print(f"{tally.captioned} captioned, {tally.refused} refused: {options.ray}")
    return 0


def read_beginning(text: str) -> list[str]:
    """The words of `--begin`, none when it is empty.

    Raises:
        SearchError: there is text, and no word in it.
    """
    words = tokenize(text)
    if text.strip() and not words:
        raise SearchError(f'expected words to begin with, got {text!r}: give some such as --begin "a dog"')
    return words


def json_line(path: Path, description: Description, width: int, *, preview: bool = False) -> str:
    """The API's object of one photo, on one line, in ASCII, which is JSON in the encoding of any console."""
    more = {"preview": True} if preview else {}
    return json.dumps({"photo": plain(path), **description.to_json(width), **more})


def table(path: Path, description: Description, width: int, *, preview: bool = False) -> str:
    """The alternatives of one photo, best first."""
    lines = [shown(path), "rank   score  probability  caption"]
    if description.guessing:
        lines.insert(1, GUESSING)
    if preview:
        lines.insert(1, PREVIEW)
    for rank, caption in enumerate(description.at_width(width), start=1):
        mark = "" if caption.finished else " ..."
        probability = math.exp(caption.log_prob)
        lines.append(f"{rank:4d}  {caption.score:6.3f}  {probability:11.2e}  {shown(caption.text)}{mark}")
    return "\n".join(lines)
