"""Candidates → detections: the last step of GluonCV's SSD, on the CPU, without MXNet."""

from typing import Any

import numpy as np

from codec import ROWS, Detections

TOP = 400
OVERLAP = 0.45
FLOOR = 0.01


def detections(scores: Any, boxes: Any, shape: "tuple[int, ...]") -> Detections:
    """Suppress, per class, what overlaps a better box, and return the best 100 rows, padded with -1.

    scores: (N, classes) without the background. boxes: (N, 4) in pixels of the tensor of this shape.
    """
    ids, found, corners = candidates(scores, boxes)
    kept = suppress(ids, corners)
    rows = np.full((ROWS, 6), -1, np.float32)
    rows[: len(kept)] = np.column_stack((ids, found, corners))[kept]
    return Detections(shape, rows[:, :1], rows[:, 1:2], rows[:, 2:])


def above(detections: Detections, floor: float) -> Detections:
    """Leave out the rows under a score; none of those over it can have been suppressed by one of them."""
    kept = detections.scores >= floor
    shape, *columns = detections
    return Detections(shape, *(np.where(kept, column, np.float32(-1)) for column in columns))


def candidates(scores: Any, boxes: Any) -> "tuple[Any, Any, Any]":
    """Return ids, scores and boxes of the 400 best over the score floor, best first, earlier classes first."""
    of_class = np.asarray(scores).T
    ids, anchors = np.nonzero(of_class > FLOOR)
    found = of_class[ids, anchors]
    best = np.argsort(-found, kind="stable")[:TOP]
    return ids[best], found[best], np.asarray(boxes)[anchors[best]]


def suppress(ids: Any, corners: Any) -> "list[int]":
    """Return the rows that survive, at most 100: each overlaps no better survivor of its class too much."""
    rivals = (overlaps(corners) > OVERLAP) & (ids[:, None] == ids)
    gone = np.zeros(len(ids), bool)
    kept = []
    for row in range(len(ids)):
        if not gone[row]:
            kept.append(row)
            gone |= rivals[row]
            if len(kept) == ROWS:
                break
    return kept


def overlaps(corners: Any) -> Any:
    """Return the intersection over union of every pair of boxes, (N, N)."""
    x_min, y_min, x_max, y_max = np.ascontiguousarray(corners.T)
    width = np.minimum(x_max[:, None], x_max) - np.maximum(x_min[:, None], x_min)
    height = np.minimum(y_max[:, None], y_max) - np.maximum(y_min[:, None], y_min)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area = np.maximum(x_max - x_min, 0) * np.maximum(y_max - y_min, 0)
    union = area[:, None] + area - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
