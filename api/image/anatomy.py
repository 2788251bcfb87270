"""What a file is made of, walked before a decoder sees it, so that one built to keep a decoder busy is refused.

Pillow parses headers in Python, holding the interpreter: a million empty parts would stop the whole gateway.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from struct import calcsize, unpack_from
from struct import error as OutOfData

MOST_SEGMENTS = 1_000  # a photograph has 10 to 100; a body of 10 MiB has room for 160 full ones
MOST_JUNK = 64 * 1024  # bytes between two segments: decoders skip them one by one
MOST_CHUNKS = 20_000  # encoders write chunks of 8 KiB and more
MOST_SCANNED = 800_000_000  # pixels × scans: what a 40-megapixel JPEG of 20 scans asks for
MOST_RUNS = 1_000_000  # bytes, or pixels, of a BMP in run lengths, which Pillow unpacks in Python
PIECES = (273, 324)  # TIFF's StripOffsets and TileOffsets
SCAN, END = b"\xff\xda", b"\xff\xd9"
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart nor filling


def busywork(kind: str, data: bytes) -> bool:
    """Whether a file has more parts than any encoder writes. Kinds without a row here have none to count."""
    too_many = WALKS.get(kind)
    return too_many is not None and too_many(data)


def scanned(kind: str, data: bytes, pixels: int) -> bool:
    """Whether a JPEG wants its pixels passed over too often; each scan may cost ten bytes and touch them all."""
    most = MOST_SCANNED // max(1, pixels)
    return kind == "jpeg" and data.count(SCAN) > most and _scans(data) > most


def interleaved(data: bytes, components: int) -> bool:
    """Whether a JPEG's first scan has all components; if not, a decoder keeps the coefficients of all scans."""
    at = _first_scan(data)
    return at is None or data[at + 4 : at + 5] == bytes([components])


def png_exif(data: bytes) -> bytes | None:
    """A PNG's EXIF, wherever it stands: Pillow would decode all of the image to find one behind the pixels."""
    return next((data[start : start + length] for name, start, length in _chunks(data) if name == b"eXIf"), None)


def _jpeg(data: bytes) -> bool:
    return _first_scan(data) is None


def _first_scan(data: bytes) -> int | None:
    """Where it starts, or where the data ends; None after too many segments. ISO/IEC 10918-1, B.1.1.4."""
    at = 2
    for _ in range(MOST_SEGMENTS):
        marker = data.find(b"\xff", at, at + MOST_JUNK)
        if marker < 0:
            return None if len(data) - at > MOST_JUNK else len(data)
        if data.startswith(SCAN, marker) or marker + 4 > len(data):
            return marker
        at = marker + _length(data, marker)
    return None


def _length(data: bytes, marker: int) -> int:
    """A segment's, its marker included."""
    code = data[marker + 1]
    if code == 0xFF:  # a fill byte
        return 1
    if code in (0x00, 0x01) or 0xD0 <= code <= 0xD9:  # alone, without a length
        return 2
    return 2 + max(2, int.from_bytes(data[marker + 2 : marker + 4]))


def _scans(data: bytes) -> int:
    """Scans up to the image's end: phones append films to theirs, and in a film any bytes may stand.

    Markers count as scans where there are too many of them.
    """
    scans, at = 0, _first_scan(data) or 0
    for _ in range(MOST_CHUNKS):
        marker = MARKER.search(data, at)
        if marker is None or marker[0] == END:
            return scans
        scans += marker[0] == SCAN
        at = marker.start() + _length(data, marker.start())
    return MOST_SCANNED


def _png(data: bytes) -> bool:
    """Chunks, and colour profiles, of which each is unpacked and only one may be. PNG (third edition), 5.3 and 5.6."""
    names = [name for name, _, _ in islice(_chunks(data), MOST_CHUNKS)]
    return len(names) == MOST_CHUNKS or names.count(b"iCCP") > 1


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """A PNG's chunks: name, where its data start, their length."""
    at = 8
    while at + 8 <= len(data):
        length, name = unpack_from(">I4s", data, at)
        yield name, at + 8, length
        at += 12 + length


def _gif(data: bytes) -> bool:
    """Blocks before the first frame, and what is between them. GIF89a, 18 to 26."""
    at = 13 + (3 << (data[10] & 7) + 1 if len(data) > 10 and data[10] & 0x80 else 0)
    inside = False
    for _ in range(MOST_CHUNKS):
        if at >= len(data) or (not inside and data[at] in b",;"):
            return False
        if inside:
            inside, at = data[at] > 0, at + 1 + data[at]
        else:
            inside, at = data[at] == 0x21, at + 1 + (data[at] == 0x21)
    return True


def _bmp(data: bytes) -> bool:
    """Run lengths: compression 1 and 2 of BITMAPINFOHEADER and its successors."""
    try:
        size, width, height, _, compression = unpack_from("<IiiII", data, 14)
    except OutOfData:
        return False
    return size >= 40 and compression in (1, 2) and max(len(data), abs(width * height)) > MOST_RUNS


def _tiff(data: bytes) -> bool:
    """Entries of the first directory, and strips or tiles. TIFF 6.0, section 2; BigTIFF's numbers are twice as long."""
    order, big = "<" if data.startswith(b"II") else ">", b"+" in data[2:4]
    offset, count, entry, size = ("Q", "Q", "HHQ", 20) if big else ("I", "H", "HHI", 12)
    try:
        (at,) = unpack_from(order + offset, data, calcsize(offset))
        (entries,) = unpack_from(order + count, data, at)
        at += calcsize(count)
        tags = [unpack_from(order + entry, data, at + size * n) for n in range(min(entries, MOST_SEGMENTS))]
    except (OutOfData, OverflowError):
        return False
    return entries > MOST_SEGMENTS or any(tag in PIECES and pieces > MOST_CHUNKS for tag, _, pieces in tags)


WALKS: Mapping[str, Callable[[bytes], bool]] = {"jpeg": _jpeg, "png": _png, "gif": _gif, "bmp": _bmp, "tiff": _tiff}
