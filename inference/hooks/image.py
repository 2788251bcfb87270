"""Bytes of a JPEG or PNG → RGB pixels.

Pillow decodes where it is installed, MXNet (OpenCV) where it is not; both give the same pixels.
"""

import io
import struct
import zlib
from typing import TYPE_CHECKING, Iterator

import numpy as np

from errors import BadImage, ImageTooLarge, UnsupportedType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MAX_PIXELS = 50_000_000  # the gateway's default, a phone's
MAX_SIDE = 16_384
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
FORMATS = {b"GIF8": "GIF", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}


def decode(data: bytes) -> "Pixels":
    """Decode an image to uint8 (H, W, 3), RGB, as stored (no EXIF rotation, as MXNet).

    Raises UnsupportedType, ImageTooLarge (before any pixel is decoded) or BadImage.
    """
    check_size(*read_header(data))
    return decode_pixels(data)


def check_size(width: int, height: int) -> None:
    """Refuse an image of more pixels than we decode."""
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageTooLarge(
            f"the image has {width}x{height} pixels, more than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE} per side"
        )


def read_header(data: bytes) -> "tuple[int, int]":
    """Return width and height from an image's header, and refuse what cannot be decoded faithfully."""
    for start, reader in ((JPEG, jpeg_header), (PNG, png_header)):
        if data.startswith(start):
            width, height = reader(data)
            break
    else:
        raise UnsupportedType(f"the image is {format_named(data)}, not JPEG or PNG")
    if not width or not height:
        raise BadImage("the image's header has no size")
    return width, height


def format_named(data: bytes) -> str:
    """Name the format of an image that is not decoded."""
    if data[8:12] == b"WEBP":
        return "WebP"
    return next((name for start, name in FORMATS.items() if data.startswith(start)), "of an unknown kind")


def png_header(data: bytes) -> "tuple[int, int]":
    """Read a PNG's header chunk, and look for its end."""
    kinds = list(png_chunks(data))
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"]:
        raise BadImage("the PNG is damaged or truncated")
    width, height, depth = struct.unpack(">IIB", data[16:25])
    if depth == 16:
        raise BadImage("the PNG has 16 bits per channel, send 8")
    return width, height


def png_chunks(data: bytes) -> "Iterator[bytes]":
    """Yield the kind of each chunk up to the end, the first truncated one, or the first damaged critical one."""
    at, kind = 8, b""
    while at + 12 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        end = at + 8 + length
        checksum = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        if end + 4 > len(data) or (kind[:1].isupper() and data[end : end + 4] != checksum):
            return
        yield kind
        at = end + 4


def jpeg_header(data: bytes) -> "tuple[int, int]":
    """Walk a JPEG's segments to the start of its frame, and look for its end."""
    size = None
    for marker, start, end in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            size = jpeg_frame(data[start:end])
        if marker == 0xDA:
            if size and data.find(b"\xff\xd9", end) >= 0:
                return size
            break
    raise BadImage("the JPEG is truncated")


def jpeg_segments(data: bytes) -> "Iterator[tuple[int, int, int]]":
    """Yield marker, start and end of the contents of each segment, as far as the data goes."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        (length,) = struct.unpack(">H", data[at + 2 : at + 4])
        yield marker, at + 4, at + 2 + length
        at += 2 + length


def jpeg_frame(segment: bytes) -> "tuple[int, int]":
    """Return width and height from a frame header."""
    if len(segment) < 6:
        raise BadImage("the JPEG is truncated")
    depth, height, width, channels = struct.unpack(">BHHB", segment[:6])
    if depth != 8 or channels not in (1, 3):
        raise BadImage(f"the JPEG has {channels} channels of {depth} bits, send RGB or greyscale of 8")
    return width, height


def decode_pixels(data: bytes) -> "Pixels":
    """Decode with whichever decoder is there; whatever it says, the client hears one sentence."""
    try:
        from PIL import Image, ImageFile
    except ImportError:
        from mxnet_engine import imdecode

        decoded: Pixels = imdecode(data)
        return decoded
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = False  # GluonCV switches it on for the whole process
        with Image.open(io.BytesIO(data)) as image:  # old versions do not take `formats`; the header has been read
            pixels: Pixels = np.asarray(image.convert("RGB"))
            return pixels
    except Exception as exc:  # Pillow raises a dozen kinds on damaged files
        raise BadImage("the image cannot be decoded: it is damaged or truncated") from exc
