"""What is drawn for each detection."""

from collections.abc import Sequence

from api.image.draw import Mark
from api.schema import Detection


def marks(detections: Sequence[Detection]) -> list[Mark]:
    """A caption and a box for each, in pixels of the original image."""
    return [
        Mark(f"{one.label} {one.score:.2f}", one.class_id, (one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max))
        for one in detections
    ]
