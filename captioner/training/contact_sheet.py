"""Contact sheets: photos with the model's captions and a person's below them, for those who train to read."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from captioner.errors import DataError
from captioner.photo import open_photo
from captioner.sheet import INK, PAPER, QUIET
from captioner.training.repeats import find_repeats
from captioner.vocabulary import tokenize
from captioner.whole_file import write_whole

if TYPE_CHECKING:
    from captioner.training.data import Example

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
COLUMNS, ROWS = 5, 4  # of a page: a larger one is shrunk until its captions cannot be read
PHOTO = (288, 216)  # pixels a photo is fitted into
MARGIN, GAP = 20, 16
LETTERS, LINE_HEIGHT = 16, 20
REPEATED = (194, 65, 12)  # a word that the caption repeats

Colour = tuple[int, int, int]
Words = list[tuple[str, Colour]]


def check_sheet(path: Path) -> None:
    """Find out that sheets can be written before an hour is spent on captions.

    Raises:
        DataError: the name ends in no format of `FORMATS`, or its folder does not exist.
    """
    if path.suffix.lower() not in FORMATS:
        raise DataError(f"expected a contact sheet that ends in {', '.join(FORMATS)}, got {path.name!r}")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent} is not a folder: choose one that exists for the contact sheets")


def draw_contact_sheets(
    examples: Sequence[Example], captions: Mapping[int, Mapping[str, str]], path: Path, progress: bool = True
) -> list[Path]:
    """Draw photos with their captions, `COLUMNS * ROWS` a page; words that a caption repeats are orange.

    Args:
        examples: the photos, in the order of the sheets.
        captions: beam width -> filename -> caption.
        path: gives folder, name and format: "read.jpg" becomes "read-01.jpg", "read-02.jpg" and so on.
        progress: show a progress bar with the time left.

    Returns:
        the files that were written.

    Raises:
        CaptionerError: as `check_sheet`; a photo cannot be read, or a sheet cannot be written.
    """
    check_sheet(path)
    pages = []
    firsts = range(0, len(examples), COLUMNS * ROWS)
    digits = max(2, len(str(len(firsts))))
    for number, first in enumerate(tqdm(firsts, desc="drawing", unit="sheet", disable=not progress), 1):
        tiles = [
            _tile(place, example, {width: own[example.filename] for width, own in captions.items()})
            for place, example in enumerate(examples[first : first + COLUMNS * ROWS], first + 1)
        ]
        content = io.BytesIO()
        _page(tiles).save(content, FORMATS[path.suffix.lower()], quality=88)
        pages.append(path.with_stem(f"{path.stem}-{number:0{digits}d}"))
        write_whole(pages[-1], content.getvalue())
    return pages


def _tile(place: int, example: Example, captions: Mapping[int, str]) -> Image.Image:
    """One photo and what is written below it, as wide as `PHOTO` and as high as the words need."""
    photo = open_photo(example.path)
    photo.thumbnail(PHOTO)
    widths: dict[str, list[str]] = {}
    for width, caption in captions.items():
        widths.setdefault(caption, []).append(str(width))
    passages = [_quiet(f"{place}. {example.filename}")]
    for caption, own in widths.items():
        label = _quiet(f"{', '.join(own)}:") if len(captions) > 1 else []
        passages.append(label + _mark_repeats(caption))
    passages += [_quiet(caption) for caption in example.captions[:1]]
    font = ImageFont.load_default(LETTERS)
    lines = [line for passage in passages for line in wrap(passage, font, PHOTO[0])]
    tile = Image.new("RGB", (PHOTO[0], PHOTO[1] + GAP // 2 + LINE_HEIGHT * len(lines)), PAPER)
    tile.paste(photo, (0, PHOTO[1] - photo.height))
    draw = ImageDraw.Draw(tile)
    for number, line in enumerate(lines):
        left = 0.0
        for word, colour in line:
            draw.text((left, PHOTO[1] + GAP // 2 + LINE_HEIGHT * number), word, fill=colour, font=font)
            left += font.getlength(f"{word} ")
    return tile


def _quiet(text: str) -> Words:
    return [(word, QUIET) for word in text.split()]


def _mark_repeats(caption: str) -> Words:
    repeated = {word for found in find_repeats(caption).values() for word in found}
    return [(word, INK if repeated.isdisjoint(tokenize(word)) else REPEATED) for word in caption.split()]


def wrap(words: Words, font: Font, room: int) -> Iterator[Words]:
    """Lines of words no longer than `room` pixels; a word that is longer by itself has a line of its own."""
    line: Words = []
    for word in words:
        if line and font.getlength(" ".join(text for text, _ in [*line, word])) > room:
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _page(tiles: Sequence[Image.Image]) -> Image.Image:
    rows = [tiles[first : first + COLUMNS] for first in range(0, len(tiles), COLUMNS)]
    heights = [max(tile.height for tile in row) + GAP for row in rows]
    page = Image.new("RGB", (2 * MARGIN + COLUMNS * (PHOTO[0] + GAP) - GAP, 2 * MARGIN + sum(heights) - GAP), PAPER)
    for place, tile in enumerate(tiles):
        row, column = divmod(place, COLUMNS)
        page.paste(tile, (MARGIN + column * (PHOTO[0] + GAP), MARGIN + sum(heights[:row])))
    return page
