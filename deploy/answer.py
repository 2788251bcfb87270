"""The endpoint's side of the wire contract: what is wrong with an answer."""

import math
from typing import Any

ROWS = 100
SURE = 0.5  # a detector may place what it does not believe in anywhere


def faults(answer: Any, side: int) -> list[str]:
    """What is wrong with an answer: shape, rows, numbers, order, boxes. Empty for one that keeps the contract."""
    if not isinstance(answer, dict) or not {"shape", "cid", "score", "bbox"} <= answer.keys():
        return ["the answer is no JSON with shape, cid, score and bbox"]
    if answer["shape"] != [1, 3, side, side]:
        return [f"the shape is {answer['shape']}, not [1, 3, {side}, {side}]"]
    for name, width in (("cid", 1), ("score", 1), ("bbox", 4)):
        if not is_table(answer[name], width):
            return [f"{name} is not {ROWS} rows of {width} numbers"]
    scores = [score for (score,) in answer["score"]]
    if scores != sorted(scores, reverse=True):
        return ["the rows are not sorted by score"]
    used = [
        (box, score) for box, (kind,), score in zip(answer["bbox"], answer["cid"], scores, strict=True) if kind >= 0
    ]
    if not all(is_ordered(box) for box, _ in used):
        return ["a box has its corners in the wrong order"]
    sure = [box for box, score in used if score >= SURE]
    return [] if all(touches(box, side) for box in sure) else ["a box lies outside the picture"]


def is_table(rows: Any, width: int) -> bool:
    """Whether it is a hundred rows of that many finite numbers."""
    return (
        isinstance(rows, list)
        and len(rows) == ROWS
        and all(isinstance(row, list) and len(row) == width and all(map(is_number, row)) for row in rows)
    )


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_ordered(box: list[float]) -> bool:
    """Whether a box's corners are in order."""
    return box[0] <= box[2] and box[1] <= box[3]


def touches(box: list[float], side: int) -> bool:
    """Whether a box touches the canvas; SSD's boxes may stick out of it."""
    return box[0] < side and box[1] < side and box[2] > 0 and box[3] > 0
