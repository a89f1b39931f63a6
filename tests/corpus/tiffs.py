"""TIFFs of every layout: bits, signs and real numbers, planes, compressions, byte orders, tiles, colours, alpha."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from corpus.cases import Case, Colour, Pixels, Refused
from corpus.making import QUARTERS, encode, plain, quarters
from corpus.tiff_writer import (
    CMYK,
    DEFLATE,
    LAB,
    LZW,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    NONE,
    PACKBITS,
    PALETTE,
    REAL,
    RGB,
    SIGNED,
    UNSIGNED,
    YCBCR,
    Layout,
    Values,
    assemble,
    pack_blocks,
    write_tiff,
)

Four = tuple[Colour, Colour, Colour, Colour]
KIND = "is a kind of TIFF that is not read: save it as PNG or JPEG and try again"
SIZE = (48, 32)
SHADES = (0, 85, 170, 255)  # thirds, which every number of bits but 1 has
COLOURS: Four = ((255, 0, 85), (0, 255, 170), (85, 170, 255), (255, 255, 255))
ORDERS: tuple[Literal["<", ">"], ...] = ("<", ">")
WAYS = ((1, ORDERS[0]), (2, ORDERS[0]), (2, ORDERS[1]))  # planes and byte order
RAMP = tuple(shade * 257 for shade in range(256))


def cases() -> Iterator[Case]:
    yield from _greys()
    yield from _colours()
    yield from _ycbcr()
    yield from _alpha()
    yield from _others()


def in_quarters(four: tuple[tuple[float, ...], ...], top: float, kind: np.dtype) -> Values:
    """(32, 48, samples): a share of `top` in each quarter, from 0 to 255."""
    shares = np.array(four, dtype=float) / 255 * top  # (4, samples)
    rounded = shares if kind.kind == "f" else np.rint(shares)
    upper, lower = (np.repeat(rounded[at : at + 2], SIZE[0] // 2, axis=0) for at in (0, 2))  # (48, samples)
    return np.repeat(np.stack([upper, lower]), SIZE[1] // 2, axis=0).astype(kind)


def top_of(layout: Layout) -> float:
    """The brightest number."""
    if layout.sample_format == REAL:
        return 1.0
    return (1 << (layout.bits - (layout.sample_format == SIGNED))) - 1


def kind_of(layout: Layout) -> np.dtype:
    """NumPy's type that holds a sample."""
    bits = next(bits for bits in (8, 16, 32, 64) if layout.bits <= bits)
    return np.dtype({UNSIGNED: "u", SIGNED: "i", REAL: "f"}[layout.sample_format] + str(bits // 8))


def _case(name: str, four: tuple[tuple[float, ...], ...], layout: Layout, expected: Four, tolerance: int = 1) -> Case:
    values = in_quarters(four, top_of(layout), kind_of(layout))
    return Case(f"TIFF: {name}", partial(write_tiff, values, layout), Pixels(SIZE, expected, tolerance), ".tif")


def _grey_four(shades: tuple[int, ...]) -> Four:
    one, two, three, four = ((shade,) * 3 for shade in shades)
    return one, two, three, four


def _greys() -> Iterator[Case]:
    one = tuple((shade,) for shade in SHADES)
    for name, bits, sample_format in (
        ("2 bits", 2, UNSIGNED),
        ("4 bits", 4, UNSIGNED),
        ("8 bits", 8, UNSIGNED),
        ("16 bits", 16, UNSIGNED),
        ("real", 32, REAL),
    ):
        for planar, order in WAYS:
            layout = Layout(MIN_IS_WHITE, bits, sample_format, order, planar)
            expected = Pixels(SIZE, _grey_four(SHADES[::-1])) if (bits, order) != (16, ">") else Refused(KIND)
            yield replace(
                _case(f"white is 0, {name}, order {order}, planes {planar}", one, layout, _grey_four(SHADES[::-1])),
                expected=expected,
            )
    for name, layout in (
        ("8 bits with a sign", Layout(MIN_IS_BLACK, 8, SIGNED)),
        ("16 bits with a sign", Layout(MIN_IS_BLACK, 16, SIGNED)),
        ("16 bits with a sign, deflated, big-endian", Layout(MIN_IS_BLACK, 16, SIGNED, ">", compression=DEFLATE)),
        ("32 bits with a sign, LZW, big-endian", Layout(MIN_IS_BLACK, 32, SIGNED, ">", compression=LZW)),
        ("32 bits", Layout(MIN_IS_BLACK, 32)),
        ("12 bits", Layout(MIN_IS_BLACK, 12)),
        ("12 bits, PackBits", Layout(MIN_IS_BLACK, 12, compression=PACKBITS)),
        ("16 bits in one plane", Layout(MIN_IS_BLACK, 16, planar=2)),
        ("8 bits from the lowest", Layout(MIN_IS_BLACK, 8, planar=2, fill=2)),
        ("16 bits and a predictor", Layout(MIN_IS_BLACK, 16, compression=LZW, predictor=2)),
        ("real and a predictor", Layout(MIN_IS_BLACK, 32, REAL, compression=DEFLATE, predictor=3)),
        ("real, big-endian, deflated", Layout(MIN_IS_BLACK, 32, REAL, ">", compression=DEFLATE)),
    ):
        yield _case(name, one, layout, _grey_four(SHADES))
    for name, layout in (
        ("real of 16 bits", Layout(MIN_IS_BLACK, 16, REAL)),
        ("real of 64 bits", Layout(MIN_IS_BLACK, 64, REAL)),
    ):
        yield replace(_case(name, one, layout, _grey_four(SHADES)), expected=Refused(KIND))


def _colours() -> Iterator[Case]:
    for bits, order, planar, compression, block in itertools.product(
        (8, 16), ORDERS, (1, 2), (NONE, LZW, DEFLATE, PACKBITS), (None, (16, 16))
    ):
        if (bits, compression) != (8, PACKBITS):  # enough of them
            name = f"{bits} bits, order {order}, planes {planar}, compression {compression}, tiles {block}"
            layout = Layout(RGB, bits, UNSIGNED, order, planar, compression, block=block)
            yield _case(f"RGB of {name}", COLOURS, layout, COLOURS)
    inks = tuple((*(255 - shade for shade in colour), 0) for colour in COLOURS)
    for bits, planar in itertools.product((8, 16), (1, 2)):
        yield _case(f"CMYK of {bits} bits, planes {planar}", inks, Layout(CMYK, bits, planar=planar), COLOURS, 2)
    places = tuple((shade,) for shade in SHADES)
    for name, ramp in (("16 bits", RAMP), ("8 bits by mistake", tuple(range(256)))):
        layout = Layout(PALETTE, planar=2, more=((320, ramp[::-1] * 3),))
        yield _case(f"palette of {name}", places, layout, _grey_four(SHADES[::-1]))
    yield _case("LAB", ((255, 0, 0),) * 4, Layout(LAB), ((255,) * 3,) * 4, 2)
    lab = _case("LAB in planes", ((255, 0, 0),) * 4, Layout(LAB, planar=2), ((255,) * 3,) * 4)
    yield replace(lab, expected=Refused(KIND))


def _ycbcr() -> Iterator[Case]:
    for subsampling, order, compression in itertools.product(((1, 1), (2, 1), (2, 2), (4, 4)), ORDERS, (NONE, LZW)):
        layout = Layout(YCBCR, order=order, compression=compression, rows=16, more=((530, subsampling),))
        yield Case(
            f"TIFF: YCbCr {subsampling}, order {order}, compression {compression}",
            partial(_ycbcr_file, layout, subsampling),
            Pixels(SIZE, QUARTERS, 3),
            ".tif",
        )


def _ycbcr_file(layout: Layout, subsampling: tuple[int, int]) -> bytes:
    """Section 21 of the standard: the luminances of a block, then its mean colour."""
    (across, down), (width, height) = subsampling, SIZE
    red, green, blue = quarters().astype(float).transpose(2, 0, 1)
    light = 0.299 * red + 0.587 * green + 0.114 * blue
    parts = np.stack([light, (blue - light) / 1.772 + 128, (red - light) / 1.402 + 128], axis=-1)
    numbers = np.clip(np.rint(parts), 0, 255).astype(np.uint8)  # (32, 48, 3)
    strips = []
    for top in range(0, height, layout.rows):
        strip = b""
        for y, x in itertools.product(range(top, top + layout.rows, down), range(0, width, across)):
            block = numbers[y : y + down, x : x + across]
            strip += block[:, :, 0].tobytes() + block[0, 0, 1:].tobytes()  # one colour all over
        strips.append(strip)
    return assemble(pack_blocks(strips, layout), SIZE, 3, layout)


def _alpha() -> Iterator[Case]:
    half = ((255, 0, 0, 128),) * 4
    pale: Four = ((255, 127, 127),) * 4
    for bits, planar in itertools.product((8, 16), (1, 2)):
        layout = Layout(RGB, bits, planar=planar, extra=(2,))
        yield _case(f"half red of {bits} bits, planes {planar}", half, layout, pale, 2)
        multiplied = ((128, 0, 0, 128),) * 4
        name = f"half red, multiplied, of {bits} bits, planes {planar}"
        yield _case(name, multiplied, replace(layout, extra=(1,)), pale, 2)
        name = f"a fourth sample that is no alpha, of {bits} bits, planes {planar}"
        yield _case(name, half, replace(layout, extra=(0,)), ((255, 0, 0),) * 4)
    unnamed = Layout(RGB)
    yield _case("a fourth sample, unnamed and empty", ((255, 0, 85, 0),) * 4, unnamed, ((255, 0, 85),) * 4)
    yield _case("a fourth sample, unnamed", half, unnamed, pale, 2)
    yield _case("wholly clear", ((9, 9, 9, 0),) * 4, Layout(RGB, extra=(2,)), ((255,) * 3,) * 4)
    grey = _case("grey and alpha in planes", ((0, 128),) * 4, Layout(MIN_IS_BLACK, planar=2, extra=(2,)), pale)
    yield replace(grey, expected=Refused(KIND))


def _others() -> Iterator[Case]:
    yield Case("DNG with a preview", raw_with_preview, Pixels(SIZE, COLOURS), ".dng")
    yield Case("TIFF of a kind that is not read", lambda: _raw_sensor(), Refused(KIND), ".dng")
    yield Case("TIFF compressed in an unknown way", lambda: _unknown_compression(), Refused(KIND), ".tif")
    grey = plain("L", 70)
    yield Case("TIFF of the other 42", lambda: b"II\0*" + encode(grey, "TIFF")[4:], Pixels((20, 10), ((70,) * 3,) * 4))


def raw_with_preview() -> bytes:
    """What a camera's raw file begins with: a small version of the photo, marked as such, and the version of DNG."""
    layout = Layout(RGB, more=((254, (1,)), (50706, (1, 4, 0, 0))))
    return write_tiff(in_quarters(COLOURS, 255, np.dtype("u1")), layout)


def _raw_sensor() -> bytes:
    return write_tiff(in_quarters(((70,),) * 4, 65535, np.dtype("u2")), Layout(32803, 16))


def _unknown_compression() -> bytes:
    return write_tiff(in_quarters(((70,),) * 4, 255, np.dtype("u1")), Layout(MIN_IS_BLACK, compression=34712))
