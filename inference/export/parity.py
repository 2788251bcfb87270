"""How far an ONNX file is from MXNet on the same weights, and how well each of them finds.

Networks are compared before non-maximum suppression, anchor by anchor, so that a pair of equal scores in another order
is no difference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

import nms
from codec import Detections
from errors import ModelNotUsable
from inference.evaluation import average_precision, evaluate
from inference.export.graph import Array
from inference.export.images import canvas
from manifest import Manifest

SEEN = 0.05  # anchors under this score are noise, and are not compared

# An image, uint8 (H, W, 3), RGB → scores (anchors, classes) without the background, boxes (anchors, 4) as corners in
# pixels of the image.
Network = Callable[[Array], tuple[Array, Array]]


def mxnet_network(prefix: Path, manifest: Manifest) -> Network:
    """Load PREFIX-symbol.json and PREFIX-0000.params up to what non-maximum suppression is given."""
    symbol = mx.sym.load(f"{prefix}-symbol.json")
    inner = symbol.get_internals()
    names = {node["op"]: node["name"] for node in json.loads(symbol.tojson())["nodes"]}
    outputs = [inner[names[op] + "_output"] for op in ("softmax", "_contrib_box_decode")]
    block = mx.gluon.SymbolBlock(mx.sym.Group(outputs), mx.sym.var("data"))
    block.load_parameters(f"{prefix}-0000.params", ignore_extra=True)

    def network(image: Array) -> tuple[Array, Array]:
        tensor = mx.nd.image.to_tensor(mx.nd.array(image, dtype="uint8"))
        tensor = mx.nd.image.normalize(tensor, mean=tuple(manifest.mean), std=tuple(manifest.std))
        scores, boxes = (output[0].asnumpy() for output in block(tensor.expand_dims(0)))
        return scores[:, 1:], boxes

    return network


def largest_differences(ours: Network, theirs: Network, images: Iterable[Array]) -> tuple[float, float]:
    """Return the largest differences of a score and of a box's corner, in pixels, over what either side sees."""
    found = [differences(ours(image), theirs(image)) for image in images]
    score, corner = np.array(found).reshape(-1, 2).max(axis=0, initial=0)
    return float(score), float(corner)


def differences(ours: tuple[Array, Array], theirs: tuple[Array, Array]) -> tuple[float, float]:
    """Return the largest differences in one image."""
    seen = np.maximum(ours[0], theirs[0]).max(axis=1) > SEEN
    scores, corners = (np.abs(one[seen] - other[seen]) for one, other in zip(ours, theirs, strict=True))
    return scores.max(initial=0), corners.max(initial=0)


def average_precisions(network: Network, annotations: Path, manifest: Manifest) -> tuple[float, float]:
    """Return AP (IoU .50 to .95) and AP50 by COCO's own rules, over the manifest's labels, on a set in COCO's format.

    The images lie in `images/` beside the annotations, or beside them.
    """
    folder = annotations.parent / "images"
    folder = folder if folder.is_dir() else annotations.parent
    truth = json.loads(annotations.read_text())
    categories = numbers_of(manifest.labels, truth)
    found = []
    for entry in truth["images"]:
        image = canvas(folder / entry["file_name"], manifest.input_size)
        found += results(nms.detections(*network(image), (1, 3, *image.shape[:2])), entry, categories)
    measured = evaluate(truth, found, categories)
    return average_precision(measured), average_precision(measured, threshold=0)


def numbers_of(labels: list[str], truth: dict[str, Any]) -> list[int]:
    """Return the set's category numbers of these labels. Raises ModelNotUsable where it does not know one."""
    known = {category["name"]: category["id"] for category in truth["categories"]}
    if unknown := sorted(set(labels) - set(known)):
        raise ModelNotUsable(f"the set has no category {', '.join(unknown)} to measure precision on")
    return [known[label] for label in labels]


def results(found: Detections, entry: dict[str, Any], categories: list[int]) -> list[dict[str, Any]]:
    """Write detections as COCO writes results: x_min, y_min, width and height in the image's own pixels."""
    height, width = found.shape[2:]
    boxes = found.boxes * np.array([entry["width"] / width, entry["height"] / height] * 2)
    boxes[:, 2:] -= boxes[:, :2]
    return [
        {
            "image_id": entry["id"],
            "category_id": categories[int(found.ids[row, 0])],
            "score": float(found.scores[row, 0]),
            "bbox": boxes[row].tolist(),
        }
        for row in np.flatnonzero(found.ids[:, 0] >= 0)
    ]
