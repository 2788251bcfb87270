"""The endpoint's rows → detections in pixels of the original image (EXIF orientation applied)."""

from api.endpoint.contract import EndpointAnswer
from api.errors import EndpointAnswerInvalid
from api.image.fit import Corners, Fit
from api.schema import Box, Detection, Model, Parameters


def detections_of(answer: EndpointAnswer, fit: Fit, model: Model, wanted: Parameters) -> list[Detection]:
    """The endpoint's rows as detections in pixels of the original image, best first; those not asked for are left out.

    Raises EndpointAnswerInvalid where a class has no label.
    """
    _, _, height, width = answer.shape
    size, found = model.input_size, []
    for class_id, score, (x_min, y_min, x_max, y_max) in answer.rows():
        label = _label(model, class_id)
        box = fit.to_image((x_min * size / width, y_min * size / height, x_max * size / width, y_max * size / height))
        if box and score >= wanted.min_score and (not wanted.labels or label in wanted.labels):
            found.append(_detection(label, class_id, score, box, fit))
    found = [one for one in found if _has_area(one.box) and _has_area(one.box_normalized)]
    found.sort(key=lambda one: (-one.score, one.class_id))
    return found[: wanted.max_detections]


def _label(model: Model, class_id: int) -> str:
    if class_id >= len(model.labels):
        raise EndpointAnswerInvalid(
            f"The endpoint returned class {class_id}; the model has {len(model.labels)} labels."
        )
    return model.labels[class_id]


def _detection(label: str, class_id: int, score: float, box: Corners, fit: Fit) -> Detection:
    normalized = (box[0] / fit.width, box[1] / fit.height, box[2] / fit.width, box[3] / fit.height)
    return Detection(
        label=label,
        class_id=class_id,
        score=round(score, 6),
        box=_box(box, digits=3),
        box_normalized=_box(normalized, digits=6),
    )


def _box(corners: Corners, digits: int) -> Box:
    x_min, y_min, x_max, y_max = (round(at, digits) for at in corners)
    return Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def _has_area(box: Box) -> bool:
    return box.x_min < box.x_max and box.y_min < box.y_max
