"""COCO's evaluation of detections (pycocotools), for the export's report and for the training."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def evaluate(dataset: dict[str, Any], results: list[dict[str, Any]], categories: list[int] | None = None) -> Any:
    """Return pycocotools' accumulated evaluation of results against annotations, both as COCO writes them.

    Over these categories, or all. What pycocotools prints is dropped.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = dataset
        truth.createIndex()
        measured = COCOeval(truth, truth.loadRes(results) if results else COCO(), "bbox")
        measured.params.catIds = categories or measured.params.catIds
        measured.evaluate()
        measured.accumulate()
    return measured


def average_precision(measured: Any, threshold: int | None = None, size: int = 0) -> float:
    """Return the mean precision over all IoU thresholds, or at one (0: .50, 5: .75), for one of COCO's sizes (0: all).

    −1 where there is nothing of this size.
    """
    precision = measured.eval["precision"]  # IoU, recall, class, size, most detections
    chosen = precision[slice(None) if threshold is None else threshold, ..., size, -1]
    known = chosen[chosen > -1]
    return float(np.mean(known)) if len(known) else -1.0
