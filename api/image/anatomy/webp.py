"""WebP: RFC 9649, section 2."""

from collections.abc import Iterator
from struct import error as OutOfData
from struct import pack, unpack_from

from api.image.anatomy.parts import Anatomy, damaged, exif_orientation

MAX_CHUNKS = 1_000  # more are an animation's, of which the first frame counts
EXTENDED, LOSSY, LOSSLESS, FRAME = b"VP8X", b"VP8 ", b"VP8L", b"ANMF"
PIXELS = {LOSSY, LOSSLESS, FRAME}
ANIMATED, ALPHA = 0x02, 0x10  # bits of the extended header


def read(data: bytes) -> Anatomy:
    """The anatomy of a WebP; of an animated one the first frame's. Raises UndecodableImage."""
    kept, orientation, profile, pixels = dict[bytes, bytes](), 1, None, b""
    for name, start, length in _chunks(data):
        content = data[start + 8 : start + 8 + length]
        if name == b"EXIF":
            orientation = exif_orientation(content)
        elif name == b"ICCP":
            profile = content
        elif name in PIXELS and not pixels:
            pixels = name
            kept[name] = content
        elif name in (EXTENDED, b"ALPH", b"ANIM"):
            kept.setdefault(name, content)
    if not pixels:
        raise damaged("WebP")
    if EXTENDED in kept:
        kept[EXTENDED] = bytes((kept[EXTENDED][0] & (ANIMATED | ALPHA),)) + kept[EXTENDED][1:]
    width, height = _size(kept)
    lossless = pixels == LOSSLESS or (pixels == FRAME and LOSSLESS in kept[FRAME][:64])
    return Anatomy(width, height, _file(kept), orientation, profile, lossless=lossless)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of each chunk; no more than an image has."""
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        name, length = unpack_from("<4sI", data, at)
        yield name, at, length
        at += 8 + length + length % 2


def _size(kept: dict[bytes, bytes]) -> tuple[int, int]:
    """The canvas's width and height, as the first of these headers has them."""
    try:
        if EXTENDED in kept:
            header = kept[EXTENDED]
            return int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1
        if LOSSLESS in kept:
            (bits,) = unpack_from("<xI", kept[LOSSLESS])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        width, height = unpack_from("<6xHH", kept[LOSSY])
        return width & 0x3FFF, height & 0x3FFF
    except (IndexError, KeyError, OutOfData) as error:
        raise damaged("WebP") from error


def _file(kept: dict[bytes, bytes]) -> bytes:
    """These chunks as a WebP, in the order that RFC 9649 asks for."""
    order = [name for name in (EXTENDED, b"ANIM", b"ALPH", *PIXELS) if name in kept]
    body = b"".join(name + pack("<I", len(kept[name])) + kept[name] + b"\0" * (len(kept[name]) % 2) for name in order)
    return b"RIFF" + pack("<I", 4 + len(body)) + b"WEBP" + body
