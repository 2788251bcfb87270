"""One list of boxes from those of overlapping tiles: what several of them have found is kept once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from api.image.fit import Corners

SAME = 0.5  # intersection over union from which two boxes of a class are one object; by tests/bench/tiles.py


class Row(NamedTuple):
    """One box, in pixels of the image (EXIF orientation applied)."""

    class_id: int
    score: float
    box: Corners


def merged(rows: Iterable[Row]) -> Iterator[Row]:
    """Non-maximum suppression per class, of rows in descending order of their scores; lazy, as few may be wanted."""
    kept = defaultdict[int, list[Corners]](list)
    for row in rows:
        others = kept[row.class_id]
        if not any(_overlap(row.box, other) > SAME for other in others):
            others.append(row.box)
            yield row


def _overlap(one: Corners, other: Corners) -> float:
    """Intersection over union."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(one) + _area(other) - shared)


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
