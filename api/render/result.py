"""What a finished detection is made of, for whoever renders it."""

from dataclasses import dataclass

from api.image.inspection import EncodedImage
from api.schema import Detections, Model


@dataclass(frozen=True)
class Result:
    """The native answer, the image, and the model that found its boxes."""

    answer: Detections
    image: EncodedImage
    model: Model
