"""What a finished detection consists of, for all formats."""

from dataclasses import dataclass

from api.image.inspection import EncodedImage
from api.schema import Detections, Model


@dataclass(frozen=True)
class Result:
    """The native answer, the image, and the model that found its boxes."""

    answer: Detections
    image: EncodedImage
    model: Model
