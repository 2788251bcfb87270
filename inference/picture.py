"""Bytes of a JPEG or PNG → RGB pixels, resized as GluonCV resizes them.

Pillow decodes where it is installed, MXNet (OpenCV) where it is not; both give the same pixels.
"""

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any, Iterator  # noqa: UP035  # Python 3.6

import numpy as np

from errors import BadPicture, PictureTooLarge, UnsupportedType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MAX_PIXELS = 40_000_000
MAX_SIDE = 16_384
LONGEST = 1024  # GluonCV's cap on the longer side of the tensor
JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
FORMATS = {b"GIF8": "GIF", b"RIFF": "WebP", b"BM": "BMP", b"II*\0": "TIFF", b"MM\0*": "TIFF"}


def decode_picture(data: bytes) -> "Pixels":
    """Decode a picture to uint8 (H, W, 3), RGB, as stored (no EXIF rotation, as MXNet).

    Raises UnsupportedType, PictureTooLarge (before any pixel is decoded) or BadPicture.
    """
    width, height = read_header(data)
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise PictureTooLarge(
            f"the picture has {width}x{height} pixels, more than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE} a side"
        )
    return decode_pixels(data)


def read_header(data: bytes) -> "tuple[int, int]":
    """Return width and height from a picture's header, and refuse what cannot be decoded faithfully."""
    for start, reader in ((JPEG, jpeg_header), (PNG, png_header)):
        if data.startswith(start):
            width, height = reader(data)
            break
    else:
        names = [name for start, name in FORMATS.items() if data.startswith(start)]
        raise UnsupportedType("the picture is {}, not JPEG or PNG".format(names[0] if names else "of an unknown kind"))
    if not width or not height:
        raise BadPicture("the picture's header gives no size")
    return width, height


def png_header(data: bytes) -> "tuple[int, int]":
    """Read a PNG's header chunk, and look for its end."""
    kinds = list(png_chunks(data))
    if kinds[:1] != [b"IHDR"] or kinds[-1:] != [b"IEND"]:
        raise BadPicture("the PNG is damaged or truncated")
    width, height, depth = struct.unpack(">IIB", data[16:25])
    if depth == 16:
        raise BadPicture("the PNG has 16 bits a channel, send 8")
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
    raise BadPicture("the JPEG is truncated")


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
        raise BadPicture("the JPEG is truncated")
    depth, height, width, channels = struct.unpack(">BHHB", segment[:6])
    if depth != 8 or channels not in (1, 3):
        raise BadPicture(f"the JPEG has {channels} channels of {depth} bits, send RGB or grey of 8")
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
        raise BadPicture("the picture cannot be decoded: it is damaged or truncated") from exc


def shorten(picture: "Pixels", short: int) -> "Pixels":
    """Resize to `short` pixels on the shorter side, the longer one at most 1024, as GluonCV's transform_test."""
    size = picture.shape[0], picture.shape[1]
    new_size = shortened(size[0], size[1], short)
    return picture if new_size == size else resize(picture, *new_size)


def shortened(height: int, width: int, short: int) -> "tuple[int, int]":
    """Return the height and width that a picture is resized to."""
    scale = short / min(height, width)
    if np.round(scale * max(height, width)) > LONGEST:
        scale = LONGEST / max(height, width)
    return max(1, int(np.round(height * scale))), max(1, int(np.round(width * scale)))


def resize(picture: "Pixels", height: int, width: int) -> "Pixels":
    """Resize by OpenCV's bicubic rule, which looks at 4x4 pixels and does not smooth when it shrinks."""
    old_height, old_width = picture.shape[:2]
    rows, row_weights = bicubic(old_height, height)
    columns, column_weights = bicubic(old_width, width)
    columns = (columns[:, :, None] * 3 + np.arange(3)).reshape(4, -1)  # red, green and blue lie side by side
    column_weights = np.repeat(column_weights, 3, axis=1)
    flat = picture.reshape(old_height, -1)
    resized: Pixels = np.empty((height, width * 3), np.uint8)
    for start in range(0, height, 16):  # so few rows stay in the processor's cache
        part = slice(start, start + 16)
        tall = mixed(flat, rows[:, part], row_weights[:, part, None], axis=0)
        resized[part] = np.rint(mixed(tall, columns, column_weights, axis=1)).clip(0, 255)
    return resized.reshape(height, width, 3)


def mixed(pixels: Any, sources: Any, weights: Any, axis: int) -> Any:
    """Make rows (axis 0) or columns (axis 1), float32, each out of four; sources and weights come as (4, new ones)."""
    total = pixels.take(sources[0], axis) * weights[0]
    for tap in (1, 2, 3):
        total += pixels.take(sources[tap], axis) * weights[tap]
    return total


def bicubic(size: int, new_size: int) -> "tuple[Any, Any]":
    """Return which four pixels each new pixel is made of, (4, new_size), and their weights.

    Keys' cubic convolution with a = -0.75 in steps of 1/2048, as OpenCV; over the edge, the pixel on it counts.
    """
    centre = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    first = np.floor(centre)
    distance = np.abs((centre - first)[None] - np.arange(-1, 3, dtype=np.float32)[:, None])
    a = np.float32(-0.75)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    weights = np.rint(np.where(distance <= 1, near, far) * 2048) / 2048
    sources = first.astype(np.int64)[None] + np.arange(-1, 3)[:, None]
    return np.clip(sources, 0, size - 1), weights.astype(np.float32)
