"""How good detections are, as COCO measures it (pycocotools), and which least score suits them."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from dataset import Boxes

# COCO's classes of size are in pixels of its pictures, and most of those are so large.
WIDTH, HEIGHT = 640, 480
AREAS = {"small": "under 32² pixels of 640×480", "medium": "32² to 96²", "large": "over 96²"}


def accuracy(found: list[NDArray[np.float32]], truth: list[Boxes], classes: list[str]) -> dict[str, float]:
    """Return AP, AP50 and AP75, AP and AP50 by size, how many boxes of each size there are, and the best `min_score`.

    Both sides are per picture, in shares of it: detections (k, 6) with score and class, labels (m, 6) with weight and
    class. A label to look away from is COCO's crowd. Where there is nothing to find of a size, its figures are −1.
    """
    if not any(map(len, found)):
        return {"AP": 0.0, "AP50": 0.0}
    measured = evaluated(found, truth, classes)
    precision = measured.eval["precision"]  # IoU, recall, class, size, most detections
    out = {"AP": mean(precision[:, :, :, 0, -1]), "AP50": mean(precision[0, :, :, 0, -1])}
    out["AP75"] = mean(precision[5, :, :, 0, -1])
    for number, size in enumerate(AREAS, 1):
        out[f"AP_{size}"] = mean(precision[:, :, :, number, -1])
        out[f"AP50_{size}"] = mean(precision[0, :, :, number, -1])
        out[f"boxes_{size}"] = counted(measured, number)
    return out | best_score(precision[0, :, :, 0, -1], measured.eval["scores"][0, :, :, 0, -1])


def evaluated(found: list[NDArray[np.float32]], truth: list[Boxes], classes: list[str]) -> Any:
    """Run COCO's evaluation; what it prints is dropped."""
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO()
        labels.dataset = {
            "info": {},
            "images": [{"id": number} for number in range(len(truth))],
            "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
            "annotations": [row for number, boxes in enumerate(truth) for row in as_annotations(number, boxes)],
        }
        for number, each in enumerate(labels.dataset["annotations"], 1):
            each["id"] = number  # COCO takes 0 for "matched nothing"
        labels.createIndex()
        answers = labels.loadRes([row for number, rows in enumerate(found) for row in as_results(number, rows)])
        measured = COCOeval(labels, answers, "bbox")
        measured.evaluate()
        measured.accumulate()
    return measured


def as_annotations(picture: int, boxes: Boxes) -> list[dict[str, Any]]:
    """Labels of one picture, as COCO writes them."""
    return [
        {"image_id": picture, "category_id": int(row[5]), "iscrowd": int(row[4] < 0), **box_and_area(row)}
        for row in boxes
        if row[4]
    ]


def as_results(picture: int, rows: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Detections in one picture, as COCO takes them."""
    return [
        {"image_id": picture, "category_id": int(row[5]), "score": float(row[4]), **box_and_area(row)} for row in rows
    ]


def box_and_area(row: NDArray[np.float32]) -> dict[str, Any]:
    """Corners in shares → x, y, width, height in pixels."""
    x, y = float(row[0]) * WIDTH, float(row[1]) * HEIGHT
    width, height = float(row[2]) * WIDTH - x, float(row[3]) * HEIGHT - y
    return {"bbox": [x, y, width, height], "area": width * height}


def mean(precision: NDArray[np.float64]) -> float:
    """Return the mean over what there is; COCO writes −1 where a class or size does not occur."""
    known = precision[precision > -1]
    return float(known.mean()) if len(known) else -1.0


def counted(measured: Any, size: int) -> int:
    """Count the boxes to be found of one of COCO's sizes."""
    low, high = measured.params.areaRng[size]
    return sum(low <= each["area"] <= high and not each["iscrowd"] for each in measured.cocoGt.anns.values())


def best_score(precision: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[str, float]:
    """Return the score where precision and recall are best together (F1, at IoU 0.5, mean of the classes)."""
    recall = np.linspace(0, 1, 101)[:, None]
    known = precision.clip(0)
    f1 = (2 * known * recall / np.maximum(known + recall, 1e-9)).mean(1)
    best = int(f1.argmax())
    at = {"min_score": float(scores[best].mean()), "precision": float(known[best].mean()), "recall": best / 100}
    return at | {"F1": float(f1[best])}
