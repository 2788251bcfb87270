"""GIF: GIF89a, sections 18 to 26."""

from struct import unpack_from

from api.image.anatomy.parts import Anatomy, busywork, damaged

MAX_BLOCKS = 20_000  # before the first frame


def read(data: bytes) -> Anatomy:
    """The anatomy of a GIF; the decoder reads its first frame alone. Raises UndecodableImage."""
    if len(data) < 13:
        raise damaged("GIF")
    width, height = unpack_from("<HH", data, 6)
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    inside = False
    for _ in range(MAX_BLOCKS):
        if at >= len(data) or (not inside and data[at] in b",;"):
            return Anatomy(width, height, data, lossless=True)
        if inside:
            inside, at = data[at] > 0, at + 1 + data[at]
        else:
            inside, at = data[at] == 0x21, at + 1 + (data[at] == 0x21)
    raise busywork("GIF")
