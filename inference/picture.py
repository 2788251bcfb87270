"""Bytes of a JPEG or PNG → RGB pixels, resized as GluonCV resizes them.

Pillow decodes where it is installed, MXNet (OpenCV) where it is not; both give the same pixels.
"""

import io
import struct
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
            "the picture has {}x{} pixels, more than {} megapixels or {} a side".format(
                width, height, MAX_PIXELS // 10**6, MAX_SIDE
            )
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
    """Read a PNG's first chunk, and look for its last."""
    if len(data) < 33 or data[12:16] != b"IHDR" or b"IEND" not in data[-64:]:
        raise BadPicture("the PNG is truncated")
    width, height, depth = struct.unpack(">IIB", data[16:25])
    if depth == 16:
        raise BadPicture("the PNG has 16 bits a channel, send 8")
    return width, height


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
        raise BadPicture("the JPEG has {} channels of {} bits, send RGB or grey of 8".format(channels, depth))
    return width, height


def decode_pixels(data: bytes) -> "Pixels":
    """Decode with whichever decoder is there; whatever it says, the client hears one sentence."""
    try:
        from PIL import Image
    except ImportError:
        from mxnet_engine import imdecode

        return imdecode(data)
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as exc:  # Pillow raises a dozen kinds on damaged files
        raise BadPicture("the picture cannot be decoded: it is damaged or truncated") from exc


def shorten(picture: "Pixels", short: int) -> "Pixels":
    """Resize to `short` pixels on the shorter side, the longer one at most 1024, as GluonCV's transform_test."""
    height, width = picture.shape[:2]
    scale = short / min(height, width)
    if round(scale * max(height, width)) > LONGEST:
        scale = LONGEST / max(height, width)
    new_height, new_width = (max(1, int(np.round(side * scale))) for side in (height, width))
    return picture if (new_height, new_width) == (height, width) else resize(picture, new_height, new_width)


def resize(picture: "Pixels", height: int, width: int) -> "Pixels":
    """Resize by OpenCV's bicubic rule, which looks at 4x4 pixels and does not smooth when it shrinks."""
    rows, row_weights = bicubic(picture.shape[0], height)
    columns, column_weights = bicubic(picture.shape[1], width)
    tall = sum(picture[rows[k]] * row_weights[k][:, None, None] for k in range(4))
    wide = sum(np.take(tall, columns[k], axis=1) * column_weights[k][:, None] for k in range(4))
    return np.clip(np.rint(wide), 0, 255).astype(np.uint8)


def bicubic(size: int, new_size: int) -> "tuple[Any, Any]":
    """Return which four pixels each new pixel is made of, (4, new_size), and their weights.

    Keys' cubic convolution with a = -0.75; pixels over the edge repeat the one on it.
    """
    centre = (np.arange(new_size) + 0.5) * (size / new_size) - 0.5
    first = np.floor(centre).astype(np.int64)
    distance = np.abs((centre - first)[None] - np.arange(-1, 3)[:, None])
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    weights = np.where(distance <= 1, near, far).astype(np.float32)
    return np.clip(first[None] + np.arange(-1, 3)[:, None], 0, size - 1), weights
