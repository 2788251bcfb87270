"""BMP: BITMAPCOREHEADER, BITMAPINFOHEADER and its successors, as Microsoft documents them."""

from struct import error as OutOfData
from struct import unpack_from

from api.image.anatomy.parts import Anatomy, busywork, damaged

CORE_HEADER = 12  # bytes
RUN_LENGTHS = (1, 2)  # of `compression`
MAX_RUNS = 1_000_000  # bytes, or pixels, in run lengths, which Pillow unpacks in Python


def read(data: bytes) -> Anatomy:
    """The anatomy of a BMP. Raises UndecodableImage."""
    try:
        (header,) = unpack_from("<I", data, 14)
        width, height = unpack_from("<HH" if header == CORE_HEADER else "<ii", data, 18)
        compression = 0 if header == CORE_HEADER else unpack_from("<I", data, 30)[0]
    except OutOfData as error:
        raise damaged("BMP") from error
    if compression in RUN_LENGTHS and max(len(data), abs(width * height)) > MAX_RUNS:
        raise busywork("BMP")
    return Anatomy(abs(width), abs(height), data, lossless=True)
