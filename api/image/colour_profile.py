"""ICC profiles: what the model needs of one, in bounds. ICC.1:2022, sections 7 to 10."""

from collections.abc import Mapping
from struct import error as OutOfData
from struct import pack, unpack_from
from typing import Literal

Space = Literal["RGB ", "GRAY", "CMYK"]
SPACES: Mapping[bytes, Space] = {b"RGB ": "RGB ", b"GRAY": "GRAY", b"CMYK": "CMYK"}
MAX_BYTES = 4 * 1024 * 1024  # printers' profiles have half a megabyte to three
MAX_TAGS = 100
HEADER_BYTES, SPACE_AT, TAGS_AT = 128, 16, 128

# Tags that say how the image's colours are meant, and the types that cameras and editors give them. A tag of another
# type, multiProcessElements above all, can keep a colour engine busy for as long as its author likes.
NEEDED = {b"wtpt", b"chad", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"A2B0"}
TYPES = {b"XYZ ", b"sf32", b"curv", b"para", b"mft1", b"mft2", b"mAB "}

# IEC 61966-2-1, adapted to D50: the columns of its matrix, and its curve at four points.
SRGB_COLUMNS = {b"rXYZ": (0.4360, 0.2225, 0.0139), b"gXYZ": (0.3851, 0.7169, 0.0971), b"bXYZ": (0.1431, 0.0606, 0.7141)}
SRGB_CURVE = {0.1: 0.0100, 0.25: 0.0509, 0.5: 0.2140, 0.75: 0.5225}
NEAR = 0.003


def needed_profile(profile: bytes) -> bytes | None:
    """The same profile with those tags alone that are needed; None where it is damaged, foreign or too large."""
    try:
        tags = _tags(profile)
    except OutOfData:
        return None
    if sum(map(len, tags.values())) > MAX_BYTES or profile[SPACE_AT : SPACE_AT + 4] not in SPACES or not tags:
        return None
    return _profile(profile[:HEADER_BYTES], tags)


def space_of(profile: bytes) -> Space | None:
    """The colours that a profile is for."""
    return SPACES.get(profile[SPACE_AT : SPACE_AT + 4])


def is_srgb(profile: bytes) -> bool:
    """Whether it means sRGB's colours, whatever it is called."""
    try:
        tags = _tags(profile)
        return (
            b"A2B0" not in tags
            and all(_near(_xyz(tags[name]), column) for name, column in SRGB_COLUMNS.items())
            and all(
                _near((_curve(tags[name], at),), (value,))
                for name in (b"rTRC", b"gTRC", b"bTRC")
                for at, value in SRGB_CURVE.items()
            )
        )
    except (OutOfData, KeyError, IndexError, OverflowError, ZeroDivisionError, TypeError):
        return False


def _tags(profile: bytes) -> dict[bytes, bytes]:
    """The needed tags, where each has a type that is allowed; none where one has not."""
    (count,) = unpack_from(">I", profile, TAGS_AT)
    tags = dict[bytes, bytes]()
    for at in range(TAGS_AT + 4, TAGS_AT + 4 + 12 * min(count, MAX_TAGS), 12):
        name, start, size = unpack_from(">4sII", profile, at)
        if name in NEEDED:
            tags[name] = profile[start : start + size]
    return tags if all(content[:4] in TYPES for content in tags.values()) else {}


def _profile(header: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """A profile of these tags: header, table, contents, each at a multiple of four bytes."""
    at, table, contents = HEADER_BYTES + 4 + 12 * len(tags), pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += pack(">4sII", name, at + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    return pack(">I", at + len(contents)) + header[4:] + table + contents


def _xyz(content: bytes) -> tuple[float, ...]:
    return tuple(number / 65536 for number in unpack_from(">3i", content, 8))


def _curve(content: bytes, at: float) -> float:
    """A curve's value at 0 to 1: a gamma, a table, or sRGB's kind of formula (10.6 and 10.18)."""
    if content[:4] == b"para":
        (kind,) = unpack_from(">H", content, 8)
        gamma, *rest = (number / 65536 for number in unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", content, 12))
        a, b, c, d, e, f = {0: [1, 0, 0, 0, 0, 0], 3: [*rest, 0, 0], 4: rest}[kind]
        return float((a * at + b) ** gamma + e if at >= d else c * at + f)
    (count,) = unpack_from(">I", content, 8)
    if count < 2:
        return float(at ** (unpack_from(">H", content, 12)[0] / 256)) if count else at
    (value,) = unpack_from(">H", content, 12 + 2 * round(at * (count - 1)))
    return float(value / 65535)


def _near(values: tuple[float, ...], wanted: tuple[float, ...]) -> bool:
    return all(abs(value - goal) < NEAR for value, goal in zip(values, wanted, strict=True))
