"""What a finished detection is made of, for whoever renders it."""

from dataclasses import dataclass

from api.image.decode import EncodedImage
from api.schema import Detections, Model


@dataclass(frozen=True)
class Result:
    """A finished detection: the native answer, the image and the model, and when the request's time is over."""

    answer: Detections
    image: EncodedImage
    model: Model
    ends_at: float
