"""Every file is built here, in memory, with known colours."""

from __future__ import annotations

import io
import math
import os
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

import builders
from captioner import photo_file as photo_file_module
from captioner.errors import PhotoError
from captioner.photo import CellGeometry, PhotoSettings, is_preview, open_photo, prepare_photo, reduce_photo
from corpus.making import (
    BLUE,
    RED,
    WHITE,
    animate,
    encode,
    plain,
    png_chunk,
    quarters,
    raw_png,
    store,
    with_bytes,
)
from corpus.tiffs import raw_with_preview

ORIENTATION_TAG = 274


def grey(values: Any, kind: type[np.generic]) -> Image.Image:
    """Ten rows of these values."""
    return Image.fromarray(np.tile(np.asarray(values, dtype=kind), (10, 1)))


def close(photo: Image.Image, x: int, y: int, colour: tuple[int, int, int], tolerance: int) -> bool:
    got = photo.getpixel((x, y))
    assert isinstance(got, tuple)
    return all(abs(int(a) - b) <= tolerance for a, b in zip(got, colour, strict=True))


half_red = plain("RGBA", (255, 0, 0, 128))
clear_palette = Image.new("P", (20, 10), 1)
clear_palette.putpalette([0, 0, 0, 255, 0, 0])
palette_alpha = clear_palette.copy().convert("RGBA").convert("PA")
palette_alpha.putalpha(0)
deep_row = struct.pack(">HHH", 13759, 65535, 0) * 20
WHOLE_FILES = {
    "JPEG": (encode(plain("RGB", (200, 40, 40)), "JPEG"), (200, 40, 40), 3),
    "PNG": (encode(plain("RGB", (200, 40, 40)), "PNG"), (200, 40, 40), 0),
    "WEBP": (encode(plain("RGB", (200, 40, 40)), "WEBP"), (200, 40, 40), 6),
    "BMP": (encode(plain("RGB", (200, 40, 40)), "BMP"), (200, 40, 40), 0),
    "TIFF": (encode(plain("RGB", (200, 40, 40)), "TIFF"), (200, 40, 40), 0),
    "TIFF, LZW": (encode(plain("RGB", (200, 40, 40)), "TIFF", compression="tiff_lzw"), (200, 40, 40), 0),
    "HEIC": (encode(plain("RGB", (200, 40, 40)), "HEIF"), (200, 40, 40), 3),
    "AVIF": (encode(plain("RGB", (200, 40, 40)), "AVIF"), (200, 40, 40), 6),
    "MPO": (animate("MPO", quality=95), RED, 3),
    "grey": (encode(plain("L", 70), "PNG"), (70, 70, 70), 0),
    "1-bit black": (encode(plain("1", 0), "PNG"), (0, 0, 0), 0),
    "1-bit white": (encode(plain("1", 1), "TIFF"), WHITE, 0),
    "CMYK JPEG": (encode(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), RED, 3),
    "CMYK TIFF": (encode(plain("CMYK", (0, 255, 255, 0)), "TIFF"), RED, 0),
    "YCbCr JPEG": (encode(plain("YCbCr", (76, 85, 255)), "JPEG", quality=100), (254, 0, 0), 3),
    "LAB": (encode(plain("LAB", (255, 128, 128)), "TIFF"), WHITE, 2),
    "palette": (encode(plain("RGB", (1, 2, 3)).quantize(4), "PNG"), (1, 2, 3), 0),
    "clear palette PNG": (encode(clear_palette, "PNG", transparency=1), WHITE, 0),
    "clear palette GIF": (encode(clear_palette, "GIF", transparency=1), WHITE, 0),
    "other palette colour clear": (encode(clear_palette, "PNG", transparency=0), RED, 0),
    "clear RGB colour": (encode(plain("RGB", RED), "PNG", transparency=RED), WHITE, 0),
    "RGBA half": (encode(half_red, "PNG"), (255, 127, 127), 1),
    "RGBA clear": (encode(plain("RGBA", (9, 9, 9, 0)), "WEBP", lossless=True), WHITE, 0),
    "RGBA clear HEIC": (encode(plain("RGBA", (255, 0, 0, 0)), "HEIF"), WHITE, 3),
    "LA half": (encode(plain("LA", (0, 128)), "PNG"), (127, 127, 127), 1),
    "PA clear": (encode(palette_alpha, "TIFF"), WHITE, 0),
    "animated GIF": (animate("GIF"), RED, 0),
    "animated WebP": (animate("WEBP", lossless=True), RED, 0),
    "APNG": (animate("PNG"), RED, 0),
    "several pages": (animate("TIFF"), RED, 0),
    "16-bit grey PNG": (encode(grey([13759] * 20, np.uint16), "PNG"), (54, 54, 54), 0),
    "16-bit grey white": (encode(grey([65535] * 20, np.uint16), "PNG"), WHITE, 0),
    "16-bit grey TIFF, big-endian": (encode(plain("I;16B", 13759), "TIFF"), (54, 54, 54), 0),
    "32-bit grey, 16-bit range": (encode(plain("I", 13759), "TIFF"), (54, 54, 54), 0),
    "32-bit grey, 8-bit range": (encode(plain("I", 200), "TIFF"), (200, 200, 200), 0),
    "16-bit RGB": (raw_png(20, 10, 16, 2, deep_row), (53, 255, 0), 0),
    "16-bit grey with alpha": (raw_png(20, 10, 16, 4, struct.pack(">HH", 0, 32768) * 20), (127, 127, 127), 1),
}


@pytest.mark.parametrize("kind", WHOLE_FILES)
def test_every_kind_of_file_gives_its_colour(kind: str) -> None:
    data, colour, tolerance = WHOLE_FILES[kind]
    photo = open_photo(data)
    assert (type(photo), photo.mode, photo.size, photo.info) == (Image.Image, "RGB", (20, 10), {})
    assert close(photo, 3, 7, colour, tolerance), photo.getpixel((3, 7))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0, 0.5, 0.25], [0, 128, 64]),
        ([0, 100, 255], [0, 100, 255]),
        ([-1, 0, 1], [0, 128, 255]),
        ([0, 500, 1000], [0, 128, 255]),
        ([0, math.nan, 1], [0, 0, 255]),
        ([-math.inf, 0.2, math.inf], [51, 51, 51]),
        ([math.nan, math.nan, math.inf], [0, 0, 0]),
        ([-3e38, 0, 3e38], [0, 128, 255]),
        ([7000, 7000, 7000], [0, 0, 0]),
    ],
)
def test_real_numbers_are_scaled(values: list[float], expected: list[int]) -> None:
    photo = open_photo(encode(grey(values * 4, np.float32), "TIFF"))
    assert np.asarray(photo)[5, :3].tolist() == [[value] * 3 for value in expected]


def test_whole_numbers_beyond_16_bits_are_scaled_from_lowest_to_highest() -> None:
    photo = open_photo(encode(grey([-100_000, 0, 100_000] * 4, np.int32), "TIFF"))
    assert np.asarray(photo)[5, :3, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("portrait", [False, True])
def test_turned_photos_come_out_upright(kind: str, orientation: int, portrait: bool) -> None:
    upright = quarters().transpose(1, 0, 2) if portrait else quarters()
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    photo = open_photo(encode(store(upright, orientation), kind, exif=exif.tobytes()))
    height, width, _ = upright.shape
    assert photo.size == (width, height)
    for y, x in [(6, 6), (6, width - 7), (height - 7, 6), (height - 7, width - 7)]:
        assert close(photo, x, y, tuple(upright[y, x].tolist()), 30), (x, y, photo.getpixel((x, y)))
    assert not photo.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\0\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"]
)
def test_broken_exif_leaves_a_photo(exif: bytes) -> None:
    assert open_photo(encode(plain("RGB", RED), "JPEG", exif=exif)).size == (20, 10)


@pytest.mark.parametrize("chunk", [b"iCCP", b"zTXt"])
def test_large_png_metadata_is_left_out_unread(chunk: bytes) -> None:
    extra = png_chunk(chunk, b"name\0\0" + zlib.compress(bytes(20_000_000), 1))
    data = raw_png(20, 10, row=bytes(RED) * 20, extra=extra)
    tracemalloc.start()
    photo = open_photo(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert photo.getpixel((0, 0)) == RED
    assert peak < 2_000_000


def test_large_jpeg_colour_profile() -> None:
    photo = open_photo(encode(plain("RGB", RED), "JPEG", icc_profile=bytes(3_000_000), quality=95))
    assert close(photo, 0, 0, RED, 3)
    assert photo.info == {}


def test_paths_bytes_and_files_give_the_same(tmp_path: Path) -> None:
    data = encode(Image.fromarray(quarters()), "PNG")
    path = tmp_path / "été; $(x).odd"
    path.write_bytes(data)
    file = io.BytesIO(data)
    file.read(100)
    for source in (path, str(path), data, file):
        assert np.array_equal(np.asarray(open_photo(source)), quarters())
    assert not file.closed
    with path.open("rb") as opened:
        assert open_photo(opened).size == (48, 32)


def test_a_pipe_is_read() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(encode(plain("RGB", RED), "PNG"))
    with os.fdopen(reader, "rb") as pipe:
        assert open_photo(pipe).size == (20, 10)


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='60'/>"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n"
UNKNOWN = "The photo cannot be recognised: use a complete JPEG, PNG, WebP, GIF, BMP, TIFF, HEIC or AVIF file"
DAMAGED = "The photo is damaged or incomplete: save or download it again and try again"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "The photo is empty: choose another file and try again"),
        (b"hello", UNKNOWN),
        (bytes(100_000), UNKNOWN),
        (b"PK\x03\x04" + bytes(60), UNKNOWN),
        (b"\0\0\0\x20ftypisom" + bytes(60), UNKNOWN),
        (SVG, UNKNOWN),
        (EPS, UNKNOWN),
        (b"%PDF-1.7\n1 0 obj\n", UNKNOWN),
        (encode(plain("RGB", RED), "PPM"), UNKNOWN),
        (encode(plain("RGB", RED), "JPEG")[:20], UNKNOWN),
        (encode(Image.effect_noise((64, 64), 50), "JPEG")[:-500], DAMAGED),
        (encode(Image.effect_noise((64, 64), 50), "PNG")[:-500], DAMAGED),
        (raw_png(20, 10), DAMAGED),
    ],
)
def test_no_photo(data: bytes, message: str) -> None:
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    assert str(caught.value) == message


def test_bad_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhotoError, match=r"gone\.png' does not exist: give the path of a photo you may read$"):
        open_photo(tmp_path / "gone.png")
    with pytest.raises(PhotoError, match="is a folder: give"):
        open_photo(str(tmp_path))
    with pytest.raises(PhotoError, match="cannot be read: give"):
        open_photo("a" * 5000)
    with pytest.raises(PhotoError, match="does not exist: give"):
        open_photo("a\0b")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PhotoError, match="is not a file: give"):
        open_photo(tmp_path / "pipe")
    (tmp_path / "text.png").write_text("no photo")
    with pytest.raises(PhotoError) as caught:
        open_photo(tmp_path / "text.png")
    assert str(caught.value).startswith("The photo 'text.png' cannot be recognised: ")

    def refuse(*_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PhotoError, match="cannot be read: give"):
        open_photo(tmp_path / "text.png")


@pytest.mark.parametrize("source", [None, 7, io.StringIO("text"), object()])
def test_no_source(source: Any) -> None:
    with pytest.raises(
        PhotoError, match="The photo cannot be read: give a path, bytes or a file open for binary reading"
    ):
        open_photo(source)


def test_closed_file() -> None:
    file = io.BytesIO(encode(plain("RGB", RED), "PNG"))
    file.close()
    with pytest.raises(PhotoError, match="cannot be read"):
        open_photo(file)


def test_large_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photo_file_module, "MAX_BYTES", 2_000_000)
    with pytest.raises(PhotoError, match="is larger than 2 MB: save it as JPEG and try again"):
        open_photo(io.BytesIO(bytes(2_000_001)))


def start_of_frame(data: bytes) -> int:
    """Where a JPEG's height and width stand."""
    return data.index(b"\xff\xc0") + 5


small_jpeg = encode(plain("RGB", RED), "JPEG")
small_gif = encode(plain("P", 0), "GIF")
TOO_MANY = "at most 40 megapixels are accepted: make it smaller and try again"
TOO_LONG = "at most 20000 pixels a side are accepted: make it smaller and try again"
TOO_FEW = "at least 8 pixels a side are needed: use a larger one and try again"
BOMBS = [
    (raw_png(30000, 30000), f"The photo is 30000 x 30000 pixels; {TOO_MANY}"),
    (raw_png(12000, 12000), f"The photo is 12000 x 12000 pixels; {TOO_MANY}"),  # Pillow alone would warn
    (raw_png(8000, 5001), f"The photo is 8000 x 5001 pixels; {TOO_MANY}"),
    (raw_png(20001, 8), f"The photo is 20001 x 8 pixels; {TOO_LONG}"),
    (raw_png(8, 20001), f"The photo is 8 x 20001 pixels; {TOO_LONG}"),
    (
        with_bytes(small_jpeg, start_of_frame(small_jpeg), struct.pack(">HH", 65000, 64000)),
        f"The photo is 64000 x 65000 pixels; {TOO_MANY.replace('40', '200')}",
    ),
    (with_bytes(small_gif, 6, struct.pack("<HH", 60000, 50000)), f"The photo is 60000 x 50000 pixels; {TOO_MANY}"),
    (
        with_bytes(encode(plain("RGB", RED), "BMP"), 18, struct.pack("<ii", 100000, 100000)),
        f"The photo is 100000 x 100000 pixels; {TOO_MANY}",
    ),
    (
        with_bytes(encode(plain("RGB", RED), "WEBP"), 26, struct.pack("<HH", 16383, 16000)),
        f"The photo is 16383 x 16000 pixels; {TOO_MANY.replace('40', '22')}",
    ),
    (raw_png(7, 100), f"The photo is 7 x 100 pixels; {TOO_FEW}"),
    (raw_png(100, 1), f"The photo is 100 x 1 pixels; {TOO_FEW}"),
]


@pytest.mark.parametrize(("data", "message"), BOMBS, ids=[message for _, message in BOMBS])
def test_sizes_are_refused_before_decoding(data: bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[object] = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded.append)
    tracemalloc.start()
    with pytest.raises(PhotoError) as caught:
        open_photo(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(caught.value) == message
    assert not decoded
    assert peak < 2_000_000
    assert Image.MAX_IMAGE_PIXELS == 89478485  # Pillow's own limit is left as it was


def test_a_preview_is_told_from_a_photo(tmp_path: Path) -> None:
    assert is_preview(raw_with_preview())
    assert not any(is_preview(encode(plain("RGB", RED), kind)) for kind in ("TIFF", "JPEG", "AVIF"))
    with pytest.raises(PhotoError, match="does not exist"):
        is_preview(tmp_path / "gone.dng")


def test_sizes_at_the_limits() -> None:
    for size in ((8, 8), (20_000, 8), (8, 20_000)):
        assert open_photo(encode(plain("1", 1, size), "PNG")).size == size
    with pytest.raises(PhotoError, match="damaged"):  # so its size is accepted: it fails for having no pixels
        open_photo(raw_png(8000, 5000))


noise = Image.merge("RGB", [Image.effect_noise((40, 24), spread) for spread in (20, 60, 100)])
LONG_FILES = {
    "JPEG": encode(noise, "JPEG"),
    "progressive JPEG": encode(noise, "JPEG", progressive=True),
    "PNG": encode(noise, "PNG"),
    "GIF": encode(noise.quantize(64), "GIF", save_all=True, append_images=[noise.rotate(180).quantize(64)]),
    "WEBP": encode(noise, "WEBP"),
    "TIFF": encode(noise, "TIFF"),
    "TIFF, LZW": encode(noise, "TIFF", compression="tiff_lzw"),
    "BMP": encode(noise, "BMP"),
    "HEIC": encode(noise, "HEIF"),
    "AVIF": encode(noise, "AVIF"),
}


def open_or_refuse(data: bytes) -> Image.Image | None:
    """The photo, None for a PhotoError; anything else fails the test."""
    try:
        photo = open_photo(data)
    except PhotoError:
        return None
    assert (type(photo), photo.mode, photo.info) == (Image.Image, "RGB", {})
    return photo


@pytest.mark.filterwarnings("ignore:Truncated File Read", "ignore:Corrupt EXIF")
@pytest.mark.parametrize("kind", LONG_FILES)
def test_truncated_files_are_refused_or_right(kind: str) -> None:
    data = LONG_FILES[kind]
    whole = open_or_refuse(data)
    assert whole is not None
    outcomes = [open_or_refuse(data[:length]) for length in range(0, len(data), max(1, len(data) // 60))]
    assert outcomes.count(None) > len(outcomes) // 3
    for photo in outcomes:
        assert photo is None or np.array_equal(np.asarray(photo), np.asarray(whole))


STARTS = [
    b"",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"GIF89a",
    b"BM",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
]
STARTS += [b"RIFF\x40\0\0\0WEBPVP8 ", b"\0\0\0\x1cftypavif", b"\0\0\0\x1cftypheic", b"\0\0\0\x1cftypmif1"]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
@example(start=b"", rest=b"")
def test_random_bytes_are_refused_or_a_photo(start: bytes, rest: bytes) -> None:
    photo = open_or_refuse(start + rest)
    assert photo is None or min(photo.size) >= 8


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(LONG_FILES)), st.integers(0, 399), st.binary(min_size=1, max_size=4))
def test_altered_bytes_are_refused_or_a_photo(kind: str, place: int, new: bytes) -> None:
    photo = open_or_refuse(with_bytes(LONG_FILES[kind], place, new))
    assert photo is None or min(photo.size) >= 8


def test_threads_do_not_disturb_each_other() -> None:
    files = [data for data, _ in BOMBS[:4]] + [LONG_FILES[kind] for kind in ("PNG", "HEIC", "GIF", "JPEG")]
    with ThreadPoolExecutor(4) as pool:
        sizes = [photo and photo.size for photo in pool.map(open_or_refuse, files * 8)]
    assert sizes == [*[None] * 4, *[(40, 24)] * 4] * 8


def test_pixels_are_normalised() -> None:
    pixels = prepare_photo(plain("RGB", (0, 51, 255)), PhotoSettings(size=40, detail=32))
    assert pixels.shape == (3, 40, 40)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous()
    for channel, value in enumerate([-1.0, -0.6, 1.0]):
        torch.testing.assert_close(pixels[channel], torch.full((40, 40), value))
    other = PhotoSettings(size=32, detail=None, mean=(0.1, 0.2, 0.3), deviation=(0.5, 0.25, 2.0))
    pixels = prepare_photo(plain("RGB", (0, 51, 255)), other)
    torch.testing.assert_close(pixels[:, 5, 9], torch.tensor([-0.2, 0.0, 0.35]))


def test_the_whole_photo_is_squashed() -> None:
    halves = np.zeros((30, 90, 3), dtype=np.uint8)
    halves[:, :45], halves[:, 45:] = RED, BLUE
    for detail in (None, 32):
        settings = PhotoSettings(size=64, detail=detail)
        landscape = prepare_photo(Image.fromarray(halves), settings)
        portrait = prepare_photo(Image.fromarray(np.ascontiguousarray(halves.transpose(1, 0, 2))), settings)
        assert torch.equal(portrait, landscape.transpose(1, 2))
        for columns, colour in ((slice(0, 28), [1.0, -1.0, -1.0]), (slice(36, 64), [-1.0, -1.0, 1.0])):
            expected = torch.tensor(colour)[:, None, None].expand(3, 64, 28)
            torch.testing.assert_close(landscape[:, :, columns], expected)


def test_detail_is_not_shown() -> None:
    board = np.indices((128, 128)).sum(axis=0) % 2 * 255
    fine = Image.fromarray(board.astype(np.uint8)).convert("RGB")
    assert prepare_photo(fine, PhotoSettings(size=128, detail=None)).std() > 0.99
    flat = prepare_photo(fine, PhotoSettings(size=128, detail=32))
    assert flat.abs().max() < 0.02


def test_pixels_stay_what_models_were_trained_on() -> None:
    ramp = np.add.outer(np.arange(50) * 3, np.arange(80) * 1.3).astype(np.uint8)
    photo = Image.fromarray(np.stack([ramp, 255 - ramp, ramp // 2], axis=2))
    pixels = prepare_photo(photo, PhotoSettings(size=64, detail=40))
    levels = ((pixels + 1) * 127.5).round().int()
    assert levels[:, 0, :5].tolist() == [[1, 2, 3, 4, 6], [254, 253, 252, 251, 249], [0, 0, 1, 2, 3]]
    assert levels[:, 31, 40].tolist() == [138, 117, 68]


@pytest.mark.parametrize("resampling", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("detail", "size"), [(224, 448), (40, 64), (32, 33), (50, 50)])
def test_it_is_enlarged_as_pillow_does_it(resampling: str, detail: int, size: int) -> None:
    """Few numbers differ; by more than 1 only in hard noise, which photos are not."""
    noise = np.random.default_rng(1).integers(0, 256, (detail, detail, 3), dtype=np.uint8)
    ramp = np.add.outer(np.arange(50) * 3, np.arange(80) * 1.3).astype(np.uint8)
    for pixels, most, often in ((noise, 2, 0.05), (np.stack([ramp, 255 - ramp, ramp // 2], axis=2), 1, 0.05)):
        settings = PhotoSettings(size=size, detail=detail, resampling=resampling)
        small = reduce_photo(Image.fromarray(pixels), settings)
        way = Image.Resampling[resampling.upper()]
        expected = np.asarray(small.resize((size, size), way)).transpose(2, 0, 1).astype(int)
        given = ((prepare_photo(small, settings).numpy() + 1) * 127.5).round().astype(int)
        differences = np.abs(given - expected)
        assert differences.max() <= most
        assert (differences > 0).mean() <= often


def test_prepare_photo_takes_rgb_only() -> None:
    with pytest.raises(PhotoError, match="expected an RGB photo, got mode L: open it with open_photo"):
        prepare_photo(plain("L", 3), PhotoSettings())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 31}, "expected a photo size of 32 to 2048 pixels, got 31"),
        ({"size": 2049}, "expected a photo size of 32 to 2048 pixels, got 2049"),
        ({"size": 224, "detail": 225}, "expected a detail of 32 to 224 pixels, got 225"),
        ({"detail": 0}, "expected a detail of 32 to 448 pixels, got 0"),
        ({"mean": (0.5,)}, "expected three means"),
        ({"deviation": (0.5, 0.5, 0.0)}, "three positive deviations"),
    ],
)
def test_settings_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(PhotoError, match=message):
        PhotoSettings(**options)


def test_cells_of_a_portrait() -> None:
    geometry = CellGeometry(photo_width=60, photo_height=90, rows=3, columns=2)
    assert geometry.cell_box(0, 0) == (0, 0, 30, 30)
    assert geometry.cell_box(1, 0) == (0, 30, 30, 60)
    assert geometry.cell_box(2, 1) == (30, 60, 60, 90)
    for (x, y), cell in {
        (0, 0): (0, 0),
        (29.99, 29.99): (0, 0),
        (30, 29.99): (0, 1),
        (29.99, 30): (1, 0),
        (59.99, 89.99): (2, 1),
    }.items():
        assert geometry.cell_at(x, y) == cell


def test_cells_of_a_landscape_split_pixels() -> None:
    geometry = CellGeometry(photo_width=100, photo_height=9, rows=2, columns=8)
    assert geometry.cell_box(1, 3) == (37.5, 4.5, 50, 9)
    assert geometry.cell_at(49.9, 4.5) == (1, 3)


@pytest.mark.parametrize("position", [(60, 5), (5, 90), (-0.01, 5), (5, -0.01), (math.nan, 5), (5, math.inf)])
def test_positions_outside_belong_to_no_cell(position: tuple[float, float]) -> None:
    with pytest.raises(PhotoError, match="expected a position on 60 x 90 pixels, got "):
        CellGeometry(60, 90, 3, 2).cell_at(*position)


@pytest.mark.parametrize("cell", [(3, 0), (0, 2), (-1, 0), (0, -1)])
def test_cells_outside_the_grid(cell: tuple[int, int]) -> None:
    with pytest.raises(PhotoError, match="expected a cell of 3 rows and 2 columns, got "):
        CellGeometry(60, 90, 3, 2).cell_box(*cell)


@pytest.mark.parametrize("sides", [(0, 90, 3, 2), (60, 0, 3, 2), (60, 90, 0, 2), (60, 90, 3, -1)])
def test_empty_geometry(sides: tuple[int, int, int, int]) -> None:
    with pytest.raises(PhotoError, match="expected at least 1 pixel a side, 1 row and 1 column, got CellGeometry"):
        CellGeometry(*sides)


@settings(deadline=None)
@given(st.integers(8, 20_000), st.integers(8, 20_000), st.integers(1, 40), st.integers(1, 40), st.data())
def test_cell_at_undoes_cell_box(width: int, height: int, rows: int, columns: int, data: st.DataObject) -> None:
    geometry = CellGeometry(width, height, rows, columns)
    row, column = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, columns - 1))
    left, top, right, bottom = geometry.cell_box(row, column)
    assert math.isclose((right - left) * (bottom - top), width * height / (rows * columns))
    for x in (left, (left + right) / 2, math.nextafter(right, left)):
        for y in (top, (top + bottom) / 2, math.nextafter(bottom, top)):
            assert geometry.cell_at(x, y) == (row, column)
    assert (column == columns - 1 and right == width) or geometry.cell_at(right, top) == (row, column + 1)
    assert (row == rows - 1 and bottom == height) or geometry.cell_at(left, bottom) == (row + 1, column)


def test_a_lit_cell_of_a_turned_photo_lights_its_pixels() -> None:
    """A portrait of 60 x 90 stored lying down; its cell (2, 1) of 3 rows and 2 columns is white, all else black."""
    upright = np.zeros((90, 60, 3), dtype=np.uint8)
    left, top, right, bottom = (int(edge) for edge in CellGeometry(60, 90, 3, 2).cell_box(2, 1))
    upright[top:bottom, left:right] = 255
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    photo = open_photo(encode(store(upright, 6), "PNG", exif=exif))
    cells = prepare_photo(photo, PhotoSettings(size=36, detail=None)).reshape(3, 3, 12, 2, 18)  # (3, H, 12, W, 18)
    lit = cells[:, :, 2:-2, :, 2:-2].mean(dim=(0, 2, 4))  # (H, W), without the blurred edges
    torch.testing.assert_close(lit, torch.tensor([[-1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]))


def test_the_tutorial_s_resampling_is_pillow_s_bilinear() -> None:
    settings = PhotoSettings(size=32, detail=None, mean=(0, 0, 0), deviation=(1, 1, 1), resampling="bilinear")
    shown = builders.photo(100, 60)
    expected = np.asarray(shown.resize((32, 32), Image.Resampling.BILINEAR), np.float32) / 255
    np.testing.assert_allclose(prepare_photo(shown, settings).permute(1, 2, 0).numpy(), expected, atol=1e-6)
    with pytest.raises(PhotoError, match="expected a resampling out of bicubic, bilinear, got 'nearest'"):
        PhotoSettings(resampling="nearest")
