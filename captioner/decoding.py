"""The pixels of a photo, decoded at full size or smaller."""

from __future__ import annotations

import hashlib

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.JpegImagePlugin import JpegImageFile

from captioner.file_parts import ended_parts, join_parts
from captioner.photo_file import Header, PhotoFile
from captioner.photo_limits import samples_per_pixel
from captioner.upright import convert_upright, on_white, turn

_BAND_ROWS = 16
_JPEG_END = b"\xff\xd9"
_FOLLOWING = (b"\x55\xaa" * 400, b"\xaa\x55" * 400)  # what could be pixels of a JPEG


def decode(header: Header, file: PhotoFile, scale: int) -> Image.Image:
    """An upright RGB image without metadata.

    Args:
        scale: by how much to reduce width and height, one of those the kind of file has.

    Raises:
        Exception: of any kind, where the file is damaged.
    """
    image = header.image
    if isinstance(image, JpegImageFile):
        return convert_upright(_decode_jpeg(image, header, file, scale), header.orientation)
    if scale == 1:
        image.load()
        return convert_upright(image, header.orientation)
    if isinstance(image, AvifImageFile):
        data = image._decoder.get_frame(0)[0]  # `load` would make Pillow's pixels of all at once
        mode, size = image.mode, image.size
        del image._decoder  # and the planes it keeps
        return turn(_halve(data, mode, size, size[0] * len(mode)), header.orientation)
    return _decode_heic(file)


def _decode_heic(file: PhotoFile) -> Image.Image:
    from pillow_heif import open_heif  # only now: most photos do without

    opened = open_heif(file.stream)
    return turn(_halve(opened.data, opened.mode, opened.size, opened.stride), 1)  # libheif has turned it


def _halve(data: bytes, mode: str, size: tuple[int, int], stride: int) -> Image.Image:
    """RGB at half the width and height, without Pillow's pixels of the whole.

    Args:
        stride: bytes from a row to the next.
    """
    (width, height), rows = size, memoryview(data)
    half = Image.new("RGB", (-(-width // 2), -(-height // 2)))
    for top in range(0, height, _BAND_ROWS):
        count = min(_BAND_ROWS, height - top)
        band = bytes(rows[top * stride : (top + count) * stride])
        part = Image.frombuffer(mode, (width, count), band, "raw", mode, stride, 1)
        half.paste(on_white(part).reduce(2), (0, top // 2))
    return half


def _decode_jpeg(image: JpegImageFile, header: Header, file: PhotoFile, scale: int) -> Image.Image:
    """A JPEG's pixels. Its last two bytes may be missing, where nothing else is.

    Raises:
        OSError: pixels are missing.
    """
    blocks = samples_per_pixel(image) * image.width * image.height / 64
    if file.size * 8 < blocks * (1 if "progressive" in image.info else 2):  # bits of the shortest codes there are
        raise OSError("fewer bytes than the pixels need")
    try:
        return _load_reduced(image, scale)
    except OSError:
        if header.bulky:  # nobody knows how many scans there were
            raise
        image.close()
        # What follows a whole photo changes nothing; where pixels are missing, it is taken for them.
        digests = set()
        for tail in (*_FOLLOWING, b""):
            parts = ended_parts(file.stream, header.parts, tail + _JPEG_END)
            image = _load_reduced(JpegImageFile(join_parts(file.stream, parts)), scale)
            digests.add(hashlib.sha256(image.tobytes()).digest())
        if len(digests) > 1:
            raise
        return image


def _load_reduced(image: JpegImageFile, scale: int) -> JpegImageFile:
    image.draft(None, (image.width // scale, image.height // scale))
    image.load()
    return image
