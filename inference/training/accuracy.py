"""How good detections are, as COCO measures it (pycocotools), and which least score suits them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset import Boxes
from inference.evaluation import average_precision, evaluate

# COCO's classes of size are in pixels of its images, and most of those are so large.
WIDTH, HEIGHT = 640, 480
AREAS = {"small": "under 32² pixels of 640×480", "medium": "32² to 96²", "large": "over 96²"}


def accuracy(found: list[NDArray[np.float32]], truth: list[Boxes], classes: list[str]) -> dict[str, float]:
    """Return AP, AP50 and AP75, AP and AP50 by size, how many boxes of each size there are, and the best `min_score`.

    Both sides are per image, in shares of it: detections (k, 6) with score and class, labels (m, 6) with weight and
    class. A label to look away from is COCO's crowd. Where there is nothing to find of a size, its figures are −1.
    """
    if not any(map(len, found)):
        return {"AP": 0.0, "AP50": 0.0}
    measured = evaluate(
        as_dataset(truth, classes), [row for number, rows in enumerate(found) for row in as_results(number, rows)]
    )
    out = {"AP": average_precision(measured), "AP50": average_precision(measured, 0)}
    out["AP75"] = average_precision(measured, 5)
    for number, size in enumerate(AREAS, 1):
        out[f"AP_{size}"] = average_precision(measured, size=number)
        out[f"AP50_{size}"] = average_precision(measured, 0, number)
        out[f"boxes_{size}"] = counted(measured, number)
    return out | best_score(*(measured.eval[name][0, :, :, 0, -1] for name in ("precision", "scores")))


def as_dataset(truth: list[Boxes], classes: list[str]) -> dict[str, Any]:
    """Labels of all images, as COCO writes them."""
    annotations = [row for number, boxes in enumerate(truth) for row in as_annotations(number, boxes)]
    return {
        "info": {},
        "images": [{"id": number} for number in range(len(truth))],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
        "annotations": [{"id": number, **row} for number, row in enumerate(annotations, 1)],  # 0: "matched nothing"
    }


def as_annotations(image: int, boxes: Boxes) -> list[dict[str, Any]]:
    """Labels of one image, as COCO writes them."""
    return [
        {"image_id": image, "category_id": int(row[5]), "iscrowd": int(row[4] < 0), **box_and_area(row)}
        for row in boxes
        if row[4]
    ]


def as_results(image: int, rows: NDArray[np.float32]) -> list[dict[str, Any]]:
    """Detections in one image, as COCO takes them."""
    return [
        {"image_id": image, "category_id": int(row[5]), "score": float(row[4]), **box_and_area(row)} for row in rows
    ]


def box_and_area(row: NDArray[np.float32]) -> dict[str, Any]:
    """Corners in shares → x, y, width, height in pixels."""
    x, y = float(row[0]) * WIDTH, float(row[1]) * HEIGHT
    width, height = float(row[2]) * WIDTH - x, float(row[3]) * HEIGHT - y
    return {"bbox": [x, y, width, height], "area": width * height}


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
