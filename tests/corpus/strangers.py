"""Files that are no photos, or more than a photo, or have another name than they should."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import partial

from corpus.cases import UNKNOWN, Case, Pixels, Refused
from corpus.making import QUARTERS, encode, quartered

SIZE = (48, 32)
TOLERANCES = {"JPEG": 40, "PNG": 0, "WEBP": 60, "GIF": 0, "BMP": 0, "TIFF": 0, "HEIF": 6, "AVIF": 60}
SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='90' height='60'/>"
SCRIPT = b"<html><script>alert(1)</script></html>"


def cases() -> Iterator[Case]:
    yield from _no_photos()
    yield from _other_pictures()
    yield from _wrong_names()
    yield from _polyglots()


def _no_photos() -> Iterator[Case]:
    for name, content in (
        ("one byte", b"\xff"),
        ("text", b"hello"),
        ("zeros", bytes(100_000)),
        ("ones", b"\xff" * 100_000),
        ("HTML", SCRIPT),
        ("SVG", SVG),
        ("SVG that asks for a file", b"<!DOCTYPE s [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + SVG),
        ("PDF", b"%PDF-1.7\n1 0 obj\n"),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n"),
        ("zip", b"PK\x03\x04" + bytes(60)),
        ("gzip", b"\x1f\x8b\x08" + bytes(60)),
        ("pickle", pickle.dumps({"a": 1})),
        ("program", b"\x7fELF" + bytes(60)),
        ("Windows program", b"MZ" + bytes(60)),
        ("video", b"\0\0\0\x20ftypisom" + bytes(60)),
        ("sound", b"RIFF\x24\0\0\0WAVEfmt " + bytes(28)),
        ("safetensors", struct.pack("<Q", 2) + b"{}"),
        ("JSON", b'{"photo": 1}'),
        ("script", b"#!/bin/sh\nrm -rf /\n"),
        ("signature of JPEG", b"\xff\xd8\xff"),
        ("signature of PNG", b"\x89PNG\r\n\x1a\n"),
        ("signature of GIF", b"GIF89a"),
        ("signature of BMP", b"BM"),
        ("signature of TIFF", b"II*\0"),
        ("signature of WebP", b"RIFF\x04\0\0\0WEBP"),
        ("signature of AVIF", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"),
        ("signature of HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
    ):
        yield Case(name, partial(bytes, content), Refused(UNKNOWN), ".jpg")
    too_large = Refused("is larger than 12 MB: save it as JPEG and try again")
    yield Case("13 MB of WebP", partial(b"RIFF\x04\0\0\0WEBP".ljust, 13_000_000, b"\0"), too_large, ".webp")


def _other_pictures() -> Iterator[Case]:
    for kind in ("PPM", "ICO", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "EPS", "PDF"):
        yield Case(
            f"picture of the kind {kind}",
            partial(encode, quartered(), kind),
            Refused(UNKNOWN),
            ".png",
        )


def _four(kind: str) -> Callable[[], bytes]:
    return lambda: encode(quartered("P" if kind == "GIF" else "RGB"), kind)


def _wrong_names() -> Iterator[Case]:
    kinds = list(TOLERANCES)
    for kind, other in zip(kinds, [*kinds[1:], kinds[0]], strict=True):
        expected = Pixels(SIZE, QUARTERS, TOLERANCES[kind])
        yield Case(f"{kind} that is called {other}", _four(kind), expected, f".{other.lower()}")
    png = Pixels(SIZE, QUARTERS)
    for name, ending in (("no ending", ""), ("two endings", ".jpg.exe"), ("the ending of a page", ".html")):
        yield Case(f"PNG with {name}", _four("PNG"), png, ending)


def _polyglots() -> Iterator[Case]:
    """Photos that are something else, too: they are what they begin as."""
    for kind, tolerance in TOLERANCES.items():
        yield Case(
            f"{kind} that is a zip archive, too",
            partial(_joined, _four(kind), _archive),
            Pixels(SIZE, QUARTERS, tolerance),
            f".{kind.lower()}",
        )
        yield Case(
            f"{kind} that is a page, too",
            partial(_joined, _four(kind), lambda: SCRIPT),
            Pixels(SIZE, QUARTERS, tolerance),
            ".html",
        )
    yield Case("PNG that is a JPEG, too", lambda: _four("PNG")() + _four("JPEG")(), Pixels(SIZE, QUARTERS))
    yield Case("GIF that is a script, too", _gif_script, Pixels((10_799, 32), ((255, 0, 0),) * 4))
    yield Case("PDF that is a JPEG, too", lambda: b"%PDF-1.4\n" + _four("JPEG")(), Refused(UNKNOWN), ".pdf")
    yield Case("page that is a PNG, too", lambda: SCRIPT + _four("PNG")(), Refused(UNKNOWN), ".png")
    yield Case("archive that is a JPEG, too", lambda: _archive() + _four("JPEG")(), Refused(UNKNOWN), ".jpg")


def _joined(*makers: Callable[[], bytes]) -> bytes:
    return b"".join(make() for make in makers)


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("photo.js", (2000, 1, 1, 0, 0, 0)), "alert(1)")
    return buffer.getvalue()


def _gif_script() -> bytes:
    """Its width is the beginning of a comment: 10799 pixels."""
    data = _four("GIF")()
    return data[:6] + b"/*" + data[8:] + b"*/=1;alert(1)"
