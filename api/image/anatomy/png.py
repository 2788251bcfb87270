"""PNG: W3C's PNG specification (third edition), section 5."""

import zlib
from collections.abc import Iterator
from struct import unpack_from
from zlib import crc32

from api.image.anatomy.parts import Anatomy, busywork, damaged, exif_orientation

SIGNATURE_BYTES = 8
MAX_CHUNKS = 20_000  # encoders write chunks of 8 KiB and more
MAX_PROFILE_BYTES = 4 * 1024 * 1024
ESSENTIAL = {b"CgBI", b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
END = b"\0\0\0\0IEND" + crc32(b"IEND").to_bytes(4)


def read(data: bytes) -> Anatomy:
    """The anatomy of a PNG; of an animated one the default image's. Raises UndecodableImage."""
    kept, header, orientation, profile = [data[:SIGNATURE_BYTES]], b"", 1, None
    for name, start, length in _chunks(data):
        content_start, end = start + 8, start + 12 + length
        if name == b"IHDR" and not header:
            header = data[content_start : content_start + length]
        if name in ESSENTIAL:
            kept.append(data[start:end])
        elif name == b"eXIf":
            orientation = exif_orientation(data[content_start : content_start + length])
        elif name == b"iCCP" and profile is None:
            profile = _unpacked(data[content_start : content_start + length])
        elif name == b"IEND":
            break
    if len(header) < 13:
        raise damaged("PNG")
    width, height = unpack_from(">II", header)
    passes = 7 if header[12] else 1
    return Anatomy(width, height, b"".join(kept) + END, orientation, profile, passes=passes, lossless=True)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of each chunk. Raises UndecodableImage after too many."""
    at = SIGNATURE_BYTES
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(data):
            return
        length, name = unpack_from(">I4s", data, at)
        yield name, at, length
        at += 12 + length
    raise busywork("PNG")


def _unpacked(content: bytes) -> bytes | None:
    """The profile in an iCCP chunk; None where it is damaged or larger than profiles are."""
    _, _, packed = content.partition(b"\0")
    try:
        unpacker = zlib.decompressobj()
        profile = unpacker.decompress(packed[1:], MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return None if unpacker.unconsumed_tail else profile
