"""JPEG: ISO/IEC 10918-1, annex B."""

import re
from collections.abc import Iterator

from api.image.anatomy.parts import Anatomy, busywork, damaged, exif_orientation

MAX_SEGMENTS = 1_000  # before the first scan; a photograph has 10 to 100, a body of 10 MiB has room for 160 full ones
MAX_JUNK = 64 * 1024  # bytes between two segments, which decoders skip one by one
MAX_MARKERS = 20_000  # from the first scan on
MAX_SCANNED = 800_000_000  # pixels × scans: what a 40-megapixel JPEG of 20 scans asks for
MAX_EXIF_BYTES = 256 * 1024

APP0, APP1, APP2, ADOBE, FILL = 0xE0, 0xE1, 0xE2, 0xEE, 0xFF
END, SCAN = 0xD9, 0xDA
ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}  # markers without a length
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
TABLES = {0xC4, 0xCC, 0xDB, 0xDD}  # DHT, DAC, DQT, DRI
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
EXIF, ICC = b"Exif\0\0", b"ICC_PROFILE\0"
FILL_BYTES = re.compile(rb"\xff+")
MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # neither a stuffed byte nor a restart nor filling


def read(data: bytes) -> Anatomy:
    """The anatomy of a JPEG. Raises UndecodableImage."""
    kept, exif, profile, frame, scan = [b"\xff\xd8"], b"", dict[int, bytes](), b"", len(data)
    for code, start, end in _segments(data):
        content = data[start + 4 : end]
        if code == SCAN:
            scan = start
            break
        if code in FRAMES:
            if frame:
                raise damaged("JPEG")
            frame = bytes((code,)) + content
        if code in FRAMES or code in TABLES or code == ADOBE or (code == APP0 and len(kept) == 1):
            kept.append(data[start:end])
        elif code == APP1 and content.startswith(EXIF) and len(exif) < MAX_EXIF_BYTES:
            exif += content[len(EXIF) :]
        elif code == APP2 and content.startswith(ICC) and len(content) > len(ICC) + 2:
            profile.setdefault(content[len(ICC)], content[len(ICC) + 2 :])
    if len(frame) < 7 or scan == len(data):
        raise damaged("JPEG")
    code, components = frame[0], frame[6]
    height, width = int.from_bytes(frame[2:4]), int.from_bytes(frame[4:6])
    buffered = code in PROGRESSIVE or data[scan + 4] != components
    scans = _scans(data, scan) if buffered else 1
    if scans * width * height > MAX_SCANNED and scans > 1:
        raise busywork("JPEG")
    return Anatomy(
        width,
        height,
        b"".join(kept) + data[scan:],
        orientation=exif_orientation(exif),
        profile=b"".join(profile[number] for number in sorted(profile)) or None,
        passes=scans,
        buffered=buffered,
        unterminated=data.find(b"\xff\xd9", scan) < 0,
    )


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The code, start and end of each segment up to the first scan. Raises UndecodableImage after too many."""
    at = 2
    for _ in range(MAX_SEGMENTS):
        start = data.find(b"\xff", at, at + MAX_JUNK)
        if start < 0:
            if len(data) - at > MAX_JUNK:
                raise busywork("JPEG")
            return
        fill = FILL_BYTES.match(data, start)  # any number of them may stand before a marker (B.1.1.2)
        start = fill.end() - 1 if fill else start
        code = data[start + 1] if start + 1 < len(data) else END
        if code == END:
            return
        at = start + _length(data, start)
        if code not in ALONE:
            yield code, start, at
    raise busywork("JPEG")


def _length(data: bytes, marker: int) -> int:
    """A segment's, its marker included."""
    if data[marker + 1] == FILL:
        return 1
    if data[marker + 1] in ALONE:
        return 2
    return 2 + max(2, int.from_bytes(data[marker + 2 : marker + 4]))


def _scans(data: bytes, at: int) -> int:
    """Scans up to the image's end: phones append films to theirs, and in a film any bytes may stand.

    Markers count as scans where there are too many of them.
    """
    scans = 0
    for _ in range(MAX_MARKERS):
        marker = MARKER.search(data, at)
        if marker is None or marker[0][1] == END:
            return scans
        scans += marker[0][1] == SCAN
        at = marker.start() + _length(data, marker.start())
    return MAX_SCANNED
