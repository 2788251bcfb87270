"""Roboflow's answer, as supervision reads it."""

from api.schema import Detection, Detections, RoboflowAnswer, RoboflowImage, RoboflowPrediction


def roboflow(answer: Detections) -> RoboflowAnswer:
    """The same boxes by their centres; ids are made of the request's."""
    return RoboflowAnswer(
        image=RoboflowImage(width=answer.image.width, height=answer.image.height),
        predictions=[_prediction(one, f"{answer.request_id}.{n}") for n, one in enumerate(answer.detections)],
        time=round(answer.timing_ms.total / 1000, 4),
        inference_id=answer.request_id,
    )


def _prediction(one: Detection, detection_id: str) -> RoboflowPrediction:
    box = one.box
    return RoboflowPrediction(
        x=round((box.x_min + box.x_max) / 2, 4),
        y=round((box.y_min + box.y_max) / 2, 4),
        width=round(box.x_max - box.x_min, 3),
        height=round(box.y_max - box.y_min, 3),
        confidence=one.score,
        label=one.label,
        class_id=one.class_id,
        detection_id=detection_id,
    )
