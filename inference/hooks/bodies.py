"""What a request's body may be, and what is answered to each: JSON around an image, an image, or lines of such JSON."""

import logging
from collections import namedtuple
from typing import Any

import canvas
import codec
import image
import nms
import resizing
from errors import ModelFailed, Refused

# An image as it is, and the lines of a body: neither is decoded before the model's turn. How an image is fitted is the
# model's, and of a thousand lines the pixels of one alone lie in memory.
EncodedImage = namedtuple("EncodedImage", "data")
Lines = namedtuple("Lines", "lines")

log = logging.getLogger(__name__)


def read(body: "bytes | bytearray | str", content_type: "str | None") -> Any:
    """Read a request body. Of JSON it returns the pixels, uint8 (H, W, 3), RGB, at the size that the model sees.

    Raises what codec.decode_request and image.decode raise.
    """
    kind = codec.media_type(content_type)
    if kind.startswith("image/") or kind == "application/x-image":
        return EncodedImage(as_bytes(body))
    if kind == codec.JSON_LINES:
        return Lines(lines_of(as_bytes(body)))
    request = codec.decode_request(body, content_type)
    return resizing.shorten(image.decode(request.image), request.short)


def as_bytes(body: "bytes | bytearray | str") -> bytes:
    """Return the body as bytes, however the container hands it over."""
    return body.encode() if isinstance(body, str) else bytes(body)


def lines_of(body: bytes) -> "list[bytes]":
    """Split a body into its lines; the last one may end with a line feed or not."""
    lines = body.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def answer(data: Any, model: Any) -> Any:
    """Return the answer to what was read, of lines a list of answers and problems. Raises what `canvas.draw` raises."""
    if isinstance(data, Lines):
        return [line_answer(line, model) for line in data.lines]
    if isinstance(data, EncodedImage):
        drawn, fit = canvas.draw(data.data, model.size, model.fit)
        return codec.Answer(canvas.to_image(detect(drawn, model), fit), model.about, "image")
    return codec.Answer(detect(data, model), model.about, None)


def line_answer(line: bytes, model: Any) -> Any:
    """Return a line's answer, or its problem: no line fails those beside it."""
    try:
        return answer(read(line, None), model)
    except Refused as refused:
        return refused
    except Exception:
        log.exception("the model failed on a line")
        return ModelFailed("the model failed on this line")


def detect(pixels: Any, model: Any) -> codec.Detections:
    """Run the model, and leave out what is under its score floor."""
    return nms.above(model(pixels), model.floor)
