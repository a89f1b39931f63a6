"""Contact sheets: how many pages, what stands where, which words are marked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from captioner.errors import DataError, PhotoError, RecordError
from captioner.training.contact_sheet import GAP, LETTERS, MARGIN, PHOTO, REPEATED, draw_contact_sheets, wrap
from captioner.training.data import Example

BLUE = (0, 0, 255)
INK = (0, 0, 0)


def examples(folder: Path, count: int, size: tuple[int, int] = (288, 216)) -> list[Example]:
    made = []
    for number in range(count):
        path = folder / f"{number}.png"
        Image.new("RGB", size, BLUE).save(path)
        made.append(Example(path.name, path, "val", ("A blue wall .", "Blue .")))
    return made


def draw(folder: Path, own: list[Example], *captions: str) -> list[np.ndarray]:
    """The pages, as pixels (rows, columns, 3), of photos that all get the same captions, one a beam width."""
    by_width = {width: {example.filename: text for example in own} for width, text in enumerate(captions, 1)}
    pages = draw_contact_sheets(own, by_width, folder / "read.png", progress=False)
    return [np.asarray(Image.open(page)) for page in pages]


def colours(page: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(colour) for colour in np.unique(page.reshape(-1, 3), axis=0).tolist()}


def test_twenty_photos_a_page_in_their_order(tmp_path: Path) -> None:
    own = examples(tmp_path, 21)
    captions = {5: {example.filename: "a wall" for example in own}}
    pages = draw_contact_sheets(own, captions, tmp_path / "read.jpg", progress=False)
    assert pages == [tmp_path / "read-01.jpg", tmp_path / "read-02.jpg"]
    with Image.open(pages[0]) as full, Image.open(pages[1]) as rest:
        assert full.format == rest.format == "JPEG"
        assert full.width == rest.width == 2 * MARGIN + 5 * PHOTO[0] + 4 * GAP
        assert full.height - 2 * MARGIN == 4 * (rest.height - 2 * MARGIN) + 3 * GAP


def test_a_photo_keeps_its_shape_and_stands_on_its_words(tmp_path: Path) -> None:
    (page,) = draw(tmp_path, examples(tmp_path, 2, size=(576, 144)), "a wall")  # fits as 288 x 72
    rows, columns = np.nonzero((page == BLUE).all(axis=-1))
    assert (rows.min(), rows.max() + 1) == (MARGIN + 144, MARGIN + 216)
    second = MARGIN + PHOTO[0] + GAP
    assert sorted(set(columns.tolist())) == [*range(MARGIN, MARGIN + 288), *range(second, second + 288)]


def test_repeated_words_are_marked_and_people_are_not(tmp_path: Path) -> None:
    own = examples(tmp_path, 1)
    assert REPEATED not in colours(draw(tmp_path, own, "a wall")[0])
    assert REPEATED in colours(draw(tmp_path, own, "a wall wall")[0])
    people = [Example(own[0].filename, own[0].path, "val", ("A wall wall .",))]
    assert REPEATED not in colours(draw(tmp_path, people, "a wall")[0])


def test_widths_that_agree_share_a_line(tmp_path: Path) -> None:
    own = examples(tmp_path, 1)
    agreed, differing = draw(tmp_path, own, "a wall", "a wall")[0], draw(tmp_path, own, "a wall", "a sea")[0]
    assert differing.shape[0] > agreed.shape[0]
    assert agreed.shape == draw(tmp_path, own, "a wall")[0].shape


def test_words_wrap_within_their_room() -> None:
    font = ImageFont.load_default(LETTERS)
    words = [(word, INK) for word in ("a", "man", "incomprehensibilities", "on", "a")]
    room = int(font.getlength("a man")) + 1
    assert [[word for word, _ in line] for line in wrap(words, font, room)] == [
        ["a", "man"],
        ["incomprehensibilities"],
        ["on", "a"],
    ]
    assert list(wrap([], font, room)) == []


def test_a_long_word_does_not_run_into_the_next_photo(tmp_path: Path) -> None:
    (page,) = draw(tmp_path, examples(tmp_path, 2), "w" * 100)
    gap = page[:, MARGIN + PHOTO[0] : MARGIN + PHOTO[0] + GAP]
    assert (gap == 255).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [("read.html", r"ends in \.jpg, \.jpeg, \.png, got 'read\.html'"), ("gone/read.jpg", "gone is not a folder")],
)
def test_sheets_that_cannot_be_written_are_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw_contact_sheets(examples(tmp_path, 1), {1: {"0.png": "a wall"}}, tmp_path / name, progress=False)


def test_a_damaged_photo_is_named(tmp_path: Path) -> None:
    own = examples(tmp_path, 1)
    own[0].path.write_bytes(b"not a photo at all")
    with pytest.raises(PhotoError, match=r"0\.png"):
        draw(tmp_path, own, "a wall")
    assert not list(tmp_path.glob("read-*"))
    (tmp_path / "read-01.png").mkdir()
    with pytest.raises(RecordError, match=r"read-01\.png could not be written"):
        draw(tmp_path, examples(tmp_path, 1), "a wall")
