"""TIFF: TIFF 6.0, section 2; BigTIFF's counts and offsets are twice as long."""

from collections.abc import Iterator
from struct import calcsize, unpack_from
from struct import error as OutOfData

from api.image.anatomy.parts import MAX_ENTRIES, ORIENTATION, Anatomy, busywork, damaged

MAX_PIECES = 20_000  # strips or tiles
MAX_TILE = 2048 * 2048  # pixels of a tile, which is unpacked whole however small the image is
WIDTH, HEIGHT, STRIPS, TILE_WIDTH, TILE_HEIGHT, TILES, PROFILE = 256, 257, 273, 322, 323, 324, 34675
NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # by the type of an entry
LYING = {5, 6, 7, 8}


def read(data: bytes) -> Anatomy:
    """The anatomy of a TIFF's first image, upright: its decoder turns TIFFs by itself. Raises UndecodableImage."""
    numbers, profile = dict[int, int](), None
    try:
        for tag, count, number in _entries(data):
            if tag in (STRIPS, TILES) and count > MAX_PIECES:
                raise busywork("TIFF")
            if tag == PROFILE:
                profile = data[number : number + count]
            if count == 1:
                numbers.setdefault(tag, number)
    except (OutOfData, OverflowError) as error:
        raise damaged("TIFF") from error
    width, height = numbers.get(WIDTH, 0), numbers.get(HEIGHT, 0)
    if numbers.get(TILE_WIDTH, 0) * numbers.get(TILE_HEIGHT, 0) > max(MAX_TILE, width * height):
        raise busywork("TIFF")
    if numbers.get(ORIENTATION) in LYING:
        width, height = height, width
    return Anatomy(width, height, data, profile=profile, lossless=True)


def _entries(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Tag, count, and value (or offset) of each entry of the first directory. Raises UndecodableImage, OutOfData."""
    order, big = "<" if data.startswith(b"II") else ">", b"+" in data[2:4]
    offset, total, head = (f"{order}{kind}" for kind in (("Q", "Q", "HHQ") if big else ("I", "H", "HHI")))
    (at,) = unpack_from(offset, data, calcsize(offset))
    (entries,) = unpack_from(total, data, at)
    if entries > MAX_ENTRIES:
        raise busywork("TIFF")
    at += calcsize(total)
    for _ in range(entries):
        tag, kind, count = unpack_from(head, data, at)
        (number,) = unpack_from(order + NUMBERS.get(kind, offset[1]), data, at + calcsize(head))
        yield tag, count, number
        at += calcsize(head) + calcsize(offset)
