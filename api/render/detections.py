"""The endpoint's rows → detections in pixels of the original image (EXIF orientation applied)."""

from collections.abc import Iterator, Sequence
from itertools import islice

from api.endpoint.contract import EndpointAnswer
from api.errors import EndpointAnswerInvalid
from api.image.fit import Corners, Fit
from api.image.tiles import is_cut
from api.render.merge import Row, best_first, merged
from api.schema import Box, Detection, Model, Parameters

Seen = tuple[EndpointAnswer, Fit]  # what the endpoint answered for a canvas, and what is drawn on it


def detections_of(seen: Sequence[Seen], model: Model, wanted: Parameters) -> list[Detection]:
    """The endpoint's rows for the whole image, which is first, and for its tiles, as detections in its pixels.

    Best first; those not asked for are left out. Raises EndpointAnswerInvalid where a class has no label.
    """
    whole = seen[0][1]
    rows = [row for answer, fit in seen for row in _rows(answer, fit, whole, model, wanted)]
    found = (_detection(row, model, whole) for row in (merged(rows) if len(seen) > 1 else best_first(rows)))
    visible = (one for one in found if _has_area(one.box) and _has_area(one.box_normalized))
    return list(islice(visible, wanted.max_detections))


def _rows(answer: EndpointAnswer, fit: Fit, whole: Fit, model: Model, wanted: Parameters) -> Iterator[Row]:
    _, _, height, width = answer.shape
    size, part = model.input_size, (fit.x, fit.y, fit.width, fit.height)
    for class_id, score, (x_min, y_min, x_max, y_max) in answer.rows():
        label = _label(model, class_id)
        box = fit.to_image((x_min * size / width, y_min * size / height, x_max * size / width, y_max * size / height))
        if box and score >= wanted.min_score and (not wanted.labels or label in wanted.labels):
            yield Row(class_id, round(score, 6), box, is_cut(box, part, whole.width, whole.height))


def _label(model: Model, class_id: int) -> str:
    if class_id >= len(model.labels):
        raise EndpointAnswerInvalid(
            f"The endpoint returned class {class_id}; the model has {len(model.labels)} labels."
        )
    return model.labels[class_id]


def _detection(row: Row, model: Model, whole: Fit) -> Detection:
    x_min, y_min, x_max, y_max = row.box
    normalized = (x_min / whole.width, y_min / whole.height, x_max / whole.width, y_max / whole.height)
    return Detection(
        label=model.labels[row.class_id],
        class_id=row.class_id,
        score=row.score,
        box=_box(row.box, digits=3),
        box_normalized=_box(normalized, digits=6),
    )


def _box(corners: Corners, digits: int) -> Box:
    x_min, y_min, x_max, y_max = (round(at, digits) for at in corners)
    return Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def _has_area(box: Box) -> bool:
    return box.x_min < box.x_max and box.y_min < box.y_max
