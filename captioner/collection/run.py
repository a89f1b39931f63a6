"""A whole collection: photos in, a line of captions for each out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from captioner.caption import Caption
from captioner.captioner import Captioner
from captioner.collection.lines import LineFile
from captioner.collection.options import CollectionOptions, Tally
from captioner.collection.parquet import ENDING, ParquetFolder
from captioner.collection.reading import Read, read_ahead
from captioner.collection.writing import Line, Store, Writer
from captioner.description import Description
from captioner.errors import PhotoError
from captioner.names import plain


def caption_collection(captioner: Captioner, photos: Sequence[Path], out: Path, options: CollectionOptions) -> Tally:
    """Add a line to `out` for every photo that has none, in their order; a photo given twice is one photo.

    A photo that cannot be used gets a line with its "error", and the others are captioned.

    Args:
        captioner: who captions.
        photos: their files.
        out: a file of JSON lines, or a folder of Parquet files when it ends in ".parquet".
        options: how.

    Raises:
        RecordError: `out` cannot be read, holds something else, or cannot be written; or Parquet is asked for and
            pyarrow is not installed.
    """
    store = open_store(out, options)
    done = store.resume(options.retry)
    waiting = [path for path in dict.fromkeys(photos) if plain(path) not in done]
    counts = {True: 0, False: 0}
    with Writer(store) as writer, ThreadPoolExecutor(options.readers) as pool:
        for batch in read_ahead(pool, waiting, captioner.photo_settings, options):
            for line in batch_lines(captioner, batch, options):
                counts["error" in line] += 1
                writer.put(line)
    return Tally(captioned=counts[False], refused=counts[True], kept=len(photos) - len(waiting))


def open_store(out: Path, options: CollectionOptions) -> Store:
    """Where lines go, by the ending of a name; see `caption_collection`."""
    return ParquetFolder(out, options.part) if out.suffix == ENDING else LineFile(out)


def batch_lines(captioner: Captioner, batch: Sequence[Read], options: CollectionOptions) -> list[Line]:
    """A line for each photo of a batch; those that could be opened run through the model together."""
    pixels = [read for _, read in batch if isinstance(read, Tensor)]
    described = iter(captioner.search(captioner.encode_pixels(torch.stack(pixels)), options.search) if pixels else ())
    lines = []
    for path, read in batch:
        if isinstance(read, PhotoError):
            lines.append({"photo": plain(path), "error": plain(str(read))})
        else:
            lines.append({"photo": plain(path), **_line(next(described), options)})
    return lines


def _line(description: Description, options: CollectionOptions) -> Line:
    captions = description.at_width(options.search.widths[0])
    line: Line = {
        "caption": captions[0].text,
        "captions": [_short(caption) for caption in captions],
        "model": description.model,
        "guessing": description.guessing,
        "strangeness": description.strangeness,
    }
    if options.maps:
        line["grid"] = list(description.grid)
        line["attention"] = captions[0].attention.round(6).astype(float).tolist()
    return line


def _short(caption: Caption) -> Line:
    return {
        "text": caption.text,
        "score": round(caption.score, 5),
        "finished": caption.finished,
        "probabilities": [round(float(value), 5) for value in caption.probabilities],
        "gate": [round(float(value), 4) for value in caption.gate],
    }
