"""Tiles: overlapping parts of a large image, each drawn on a canvas of its own beside the whole image. Numbers only."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

from api.errors import InvalidParameter
from api.image.fit import FITS, Corners, Fit

OVERLAP = Fraction(1, 5)  # of a tile's side, that two neighbours have in common at least
STEP = 1 - OVERLAP
FINE = 2  # canvases: the longest side of a tile of `auto`, by tests/bench/tiles.py
EDGE = 0.01  # of a tile's side: what ends so near to it may go on beyond
Part = tuple[int, int, int, int]  # x, y, width, height in pixels of the image


def fits_of(width: int, height: int, fit: str, size: int, tiles: str | None, most: int) -> list[Fit]:
    """How the whole image and then each of its tiles is drawn; `tiles` is `auto`, rows and columns as `2x3`, or none.

    Raises InvalidParameter for more than `most` tiles.
    """
    rows, columns = rows_and_columns(width, height, size, tiles or "1x1", most)
    parts = grid(width, height, rows, columns) if rows * columns > 1 else []
    draw = FITS[fit]
    return [draw(width, height, size), *(replace(draw(wide, high, size), x=x, y=y) for x, y, wide, high in parts)]


def rows_and_columns(width: int, height: int, size: int, tiles: str, most: int) -> tuple[int, int]:
    """The grid that `tiles` means; `auto` is the smallest whose tiles are at most two canvases long, within `most`.

    Raises InvalidParameter for more than `most` tiles.
    """
    if tiles == "auto":
        return _auto(width, height, FINE * size, most)
    rows, columns = map(int, tiles.split("x"))
    if rows * columns > most:
        raise InvalidParameter(f"{tiles} is {rows * columns} tiles; the maximum is {most}.", parameters=["tiles"])
    return rows, columns


def grid(width: int, height: int, rows: int, columns: int) -> list[Part]:
    """The tiles of an image, row by row: they cover it and overlap by 20 % or more; fewer where it is very small."""
    return [(x, y, wide, high) for y, high in _cut(height, rows) for x, wide in _cut(width, columns)]


def _cut(side: int, count: int) -> list[tuple[int, int]]:
    """Where each of so many parts of a side starts, and their common length."""
    length = ceil(side / (1 + (count - 1) * STEP))
    while (count - 1) * int(length * STEP) < side - length:
        length += 1
    starts = {min(part * int(length * STEP), side - length): length for part in range(count)}
    return list(starts.items())


def _auto(width: int, height: int, longest: int, most: int) -> tuple[int, int]:
    """The fewest rows and columns with no tile longer than this; where that is more than `most` tiles, fewer."""
    rows, columns = (1 + max(0, ceil((side / longest - 1) / STEP)) for side in (height, width))
    while rows * columns > most:
        rows, columns = (rows, columns - 1) if columns >= rows else (rows - 1, columns)
    return rows, columns


def is_cut(box: Corners, part: Part, width: int, height: int) -> bool:
    """Whether a box, in pixels of an image of this size, ends where its tile does and the image does not."""
    x, y, wide, high = part
    across = (x > 0 and box[0] - x < EDGE * wide) or (x + wide < width and x + wide - box[2] < EDGE * wide)
    return across or (y > 0 and box[1] - y < EDGE * high) or (y + high < height and y + high - box[3] < EDGE * high)
