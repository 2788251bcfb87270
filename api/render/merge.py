"""One list of boxes from those of overlapping tiles: what several of them have found is kept once."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from api.image.fit import Corners

SAME = 0.5  # of the union of two boxes: what they share where they are one object; by tests/bench/tiles.py
PIECE = 0.5  # of a box that its tile has cut off: what another has of it where it is a piece of that object


class Row(NamedTuple):
    """One box, in pixels of the image (EXIF orientation applied); `cut` where its tile may end within the object."""

    class_id: int
    score: float
    box: Corners
    cut: bool = False


def best_first(rows: Iterable[Row]) -> list[Row]:
    """The same, sorted by score, then by class."""
    return sorted(rows, key=lambda row: (-row.score, row.class_id))


def merged(rows: Iterable[Row]) -> list[Row]:
    """Each object once, best first: non-maximum suppression per class, and no piece of what is there as a whole."""
    kept = defaultdict[int, list[Row]](list)
    for row in sorted(rows, key=lambda row: (row.cut, -row.score)):
        x_min, y_min, x_max, y_max = row.box
        others = kept[row.class_id]
        near = (one.box for one in others if one.box[0] < x_max and one.box[2] > x_min)
        if not any(_is_in(row, other) for other in near if other[1] < y_max and other[3] > y_min):
            others.append(row)
    return best_first(row for of_class in kept.values() for row in of_class)


def _is_in(row: Row, other: Corners) -> bool:
    """Whether a box that overlaps is the same object, or the whole of which this is a piece."""
    box = row.box
    shared = (min(box[2], other[2]) - max(box[0], other[0])) * (min(box[3], other[3]) - max(box[1], other[1]))
    own = _area(box)
    return shared > SAME * (own + _area(other) - shared) or (row.cut and shared > PIECE * own)


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
