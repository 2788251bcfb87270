"""What sahi does without the gateway's tiles: it cuts the image itself, sends each slice to `/detect`, and merges."""

from collections.abc import Callable
from typing import Any

import httpx2
import numpy as np
from PIL import Image
from sahi.models.base import DetectionModel
from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess
from sahi.predict import get_sliced_prediction
from sahi.prediction import ObjectPrediction

from api.image.fit import Corners
from api.image.tiles import Part, is_cut
from api.render.merge import Row
from tests.bench.people import detect
from tests.example_images import encoded

FAR = 100_000  # pixels: sahi clips boxes to a size that it is told


class Gateway(DetectionModel):
    """A gateway as a detector of sahi's."""

    def __init__(self, client: httpx2.Client, **parameters: Any) -> None:
        self.client, self.parameters, self.found = client, parameters, list[dict[str, Any]]()
        super().__init__(device="cpu", load_at_init=False, confidence_threshold=parameters["min_score"])

    def perform_inference(self, image: "np.ndarray[Any, Any] | list[Any]") -> None:
        """Ask about one slice, in JPEG as sharp as the gateway's canvases."""
        slice_ = Image.fromarray(image[0] if isinstance(image, list) else image)
        self.found = detect(self.client, encoded(slice_, quality=95, subsampling=0), **self.parameters)["detections"]

    def _create_object_prediction_list_from_original_predictions(
        self, shift_amount_list: Any = None, full_shape_list: Any = None
    ) -> None:
        shift, shape = (
            (one[0] if one and isinstance(one[0], list) else one) for one in (shift_amount_list, full_shape_list)
        )
        self._object_prediction_list_per_image = [[_prediction(row, shift, shape) for row in map(_row, self.found)]]


def sliced(gateway: Gateway, image: Image.Image, part: Part) -> int:
    """How many boxes sahi finds with slices of a tile's size and its own defaults for all else."""
    _, _, width, height = part
    found = get_sliced_prediction(image, gateway, slice_height=height, slice_width=width, verbose=0)
    return len(found.object_prediction_list)


def rows_of(client: httpx2.Client, image: Image.Image, parts: list[Part], **parameters: Any) -> list[Row]:
    """What is found in the whole image and in each part, not merged, in pixels of the image."""
    found = []
    for x, y, width, height in [(0, 0, *image.size), *parts]:
        crop = encoded(image.crop((x, y, x + width, y + height)), quality=95, subsampling=0)
        for row in map(_row, detect(client, crop, **parameters)["detections"]):
            x_min, y_min, x_max, y_max = row.box
            moved = (x + x_min, y + y_min, x + x_max, y + y_max)
            found.append(row._replace(box=moved, cut=is_cut(moved, (x, y, width, height), *image.size)))
    return found


def by_sahi(kind: type[GreedyNMMPostprocess | NMSPostprocess], metric: str) -> Callable[[list[Row]], list[Row]]:
    """A rule of sahi's, at its default threshold of 0.5."""
    merge = kind(match_threshold=0.5, match_metric=metric, class_agnostic=False)

    def rule(rows: list[Row]) -> list[Row]:
        merged = merge([_prediction(row) for row in rows]) if rows else []
        return [Row(one.category.id, float(one.score.value), _corners(one)) for one in merged]

    return rule


def _row(detection: dict[str, Any]) -> Row:
    return Row(detection["class_id"], detection["score"], tuple(detection["box"].values()))


def _prediction(row: Row, shift: Any = None, shape: Any = None) -> ObjectPrediction:
    return ObjectPrediction(
        bbox=list(row.box),
        category_id=row.class_id,
        category_name=str(row.class_id),
        score=row.score,
        shift_amount=shift or [0, 0],
        full_shape=shape or [FAR, FAR],
    )


def _corners(prediction: ObjectPrediction) -> Corners:
    x_min, y_min, x_max, y_max = prediction.bbox.to_xyxy()
    return x_min, y_min, x_max, y_max
