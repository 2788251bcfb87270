"""What the parser of a format answers: what the image is, and the parts of the file that a decoder needs."""

from dataclasses import dataclass
from struct import error as OutOfData
from struct import unpack_from

from api.errors import UndecodableImage

ORIENTATION, SHORT, LONG = 0x0112, 3, 4  # EXIF 3.0, 4.6.5; TIFF 6.0, section 2
MAX_ENTRIES = 1_000  # of a directory; cameras write some dozens


@dataclass(frozen=True)
class Anatomy:
    """A file taken apart without decoding it.

    `width` and `height` are those stored, before `orientation` is applied. `essential` is what the decoder gets: no
    metadata, no colour profile, no thumbnail. `passes` is how often a decoder goes over the pixels; `buffered` means
    that it keeps all coefficients meanwhile. `lossless` and `unterminated` (the end marker is missing) are as they say.
    """

    width: int
    height: int
    essential: bytes
    orientation: int = 1
    profile: bytes | None = None
    passes: int = 1
    buffered: bool = False
    lossless: bool = False
    unterminated: bool = False


def busywork(format: str) -> UndecodableImage:
    """The error for a file that is built to keep a decoder busy."""
    return UndecodableImage(f"The {format} has more parts than an image needs.")


def damaged(format: str) -> UndecodableImage:
    """The error for a file whose structure does not hold."""
    return UndecodableImage(f"The file starts like {format}, and is damaged or cut short.")


def exif_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, that an EXIF block gives; 1 where it gives none. Reads one directory and one number."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    try:
        (start,) = unpack_from(f"{order}I", exif, 4) if order else (0,)
        (entries,) = unpack_from(f"{order}H", exif, start) if order else (0,)
        for at in range(start + 2, start + 2 + 12 * min(entries, MAX_ENTRIES), 12):
            tag, kind, count = unpack_from(f"{order}HHI", exif, at)
            if tag == ORIENTATION and count == 1 and kind in (SHORT, LONG):
                (value,) = unpack_from(f"{order}{'H' if kind == SHORT else 'I'}", exif, at + 8)
                return value if 1 <= value <= 8 else 1
    except OutOfData:
        pass  # damaged EXIF beside good pixels: the image counts as upright
    return 1
