"""What a file is made of, walked before a decoder sees it, so that one built to keep a decoder busy is refused.

Pillow parses headers in Python, holding the interpreter: a million empty parts would stop the whole gateway.
"""

from collections.abc import Callable, Mapping
from struct import error as OutOfData
from struct import unpack_from

MOST_SEGMENTS = 1_000  # a photograph has 10 to 100; a body of 10 MiB has room for 160 full ones
MOST_JUNK = 64 * 1024  # bytes between two segments: decoders skip them one by one
MOST_CHUNKS = 20_000  # encoders write chunks of 8 KiB and more
MOST_SCANNED = 800_000_000  # pixels × scans: what a 40-megapixel JPEG of 20 scans asks for
SCAN = b"\xff\xda"


def busywork(kind: str, data: bytes) -> bool:
    """Whether a file has more parts than any encoder writes. Kinds without a row here have none to count."""
    too_many = WALKS.get(kind)
    return too_many is not None and too_many(data)


def scanned(kind: str, data: bytes, pixels: int) -> bool:
    """Whether a JPEG wants its pixels passed over too often; each scan may cost ten bytes and touch them all."""
    return kind == "jpeg" and data.count(SCAN) * pixels > MOST_SCANNED


def _jpeg(data: bytes) -> bool:
    """Segments before the first scan; ISO/IEC 10918-1, B.1.1.4."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        marker = data.find(b"\xff", at, at + MOST_JUNK)
        if marker < 0:
            return len(data) - at > MOST_JUNK
        if data.startswith(SCAN, marker) or marker + 4 > len(data):
            return False
        at = marker + _length(data[marker + 1], data, marker + 2)
    return True


def _length(code: int, data: bytes, at: int) -> int:
    if code == 0xFF:  # a fill byte
        return 1
    if code in (0x00, 0x01) or 0xD0 <= code <= 0xD9:  # alone, without a length
        return 2
    return 2 + max(2, int(unpack_from(">H", data, at)[0]))


def _png(data: bytes) -> bool:
    """Chunks; PNG (third edition), 5.3."""
    at = 8
    try:
        for _ in range(MOST_CHUNKS):
            at += 12 + unpack_from(">I", data, at)[0]
    except OutOfData:
        return False
    return True


WALKS: Mapping[str, Callable[[bytes], bool]] = {"jpeg": _jpeg, "png": _png}
