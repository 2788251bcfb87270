"""The wire contract: request body → what it asks for, detections → response body."""

import base64
import binascii
import json
from collections import namedtuple
from email.message import Message
from typing import Any

from errors import BadRequest, NotAcceptable, Refused, UnsupportedType

DEFAULT_SHORT = 224
LARGEST_SHORT = 4096
ROWS = 100
JSON, JSON_LINES = "application/json", "application/jsonlines"

# image: bytes of a JPEG or PNG. short: length in pixels that the image's shorter side is resized to.
Request = namedtuple("Request", "image short")

# shape: of the tensor, (1, 3, H, W). ids, scores: (100, 1), boxes: (100, 4) as x_min, y_min, x_max, y_max in
# pixels of the tensor; all float32, sorted by score, unused rows -1.
Detections = namedtuple("Detections", "shape ids scores boxes")

# model: who made the detections. frame: "image" where boxes are in pixels of the image sent, None: of the tensor.
Answer = namedtuple("Answer", "detections model frame")


def decode_request(body: "bytes | bytearray | str", content_type: "str | None") -> Request:
    """Read a request body.

    Raises UnsupportedType unless the type is JSON in UTF-8 (or absent), BadRequest for anything else wrong.
    """
    check_content_type(content_type)
    request = read_json(body)
    return Request(read_base64(request.get("image")), read_short(request.get("short", DEFAULT_SHORT)))


def check_content_type(content_type: "str | None") -> None:
    """Refuse all but application/json in UTF-8; an absent type counts as it."""
    if not content_type:
        return
    kind, charset = parse_header(content_type)
    if kind != JSON:
        raise UnsupportedType("Content-Type must be application/json, application/jsonlines or an image's")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedType("the charset must be utf-8")


def media_type(content_type: "str | None") -> str:
    """Return the media type of a body; an absent one counts as JSON."""
    return parse_header(content_type)[0] if content_type else JSON


def parse_header(content_type: str) -> "tuple[str, str]":
    """Return the media type and the charset (utf-8 unless named), both in lower case."""
    header = Message()
    header["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    return header.get_content_type(), str(header.get_param("charset", "utf-8")).lower()


def read_json(body: "bytes | bytearray | str") -> "dict[str, object]":
    """Parse a JSON object; numbers that are none (NaN) are refused."""
    try:
        text = body if isinstance(body, str) else bytes(body).decode("utf-8")
        request = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise BadRequest("the body is not JSON in UTF-8") from exc
    if not isinstance(request, dict):
        raise BadRequest("the body is not a JSON object")
    return request


def refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python's parser would take."""
    raise ValueError(name)


def read_base64(image: object) -> bytes:
    """Decode the image's bytes; characters that are not base64 are refused, not skipped."""
    if not isinstance(image, str) or not image:
        raise BadRequest("'image' must be a base64 string that holds a JPEG or PNG")
    try:
        data = base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("'image' is not valid base64") from exc
    if not data:
        raise BadRequest("'image' is empty")
    return data


def read_short(short: object) -> int:
    """Check the length of the shorter side."""
    if isinstance(short, bool) or not isinstance(short, int) or not 1 <= short <= LARGEST_SHORT:
        raise BadRequest(f"'short' must be a whole number from 1 to {LARGEST_SHORT}")
    return short


def encode_response(answer: "Answer | list[Answer | Refused]", accept: "str | None") -> "tuple[str, str]":
    """Write the response body, and name its type. Raises NotAcceptable where Accept allows no JSON."""
    kinds = accepted(accept)
    if isinstance(answer, list):
        return "\n".join(map(encode_line, answer)), JSON_LINES
    return encode_answer(answer), JSON_LINES if kinds == {JSON_LINES} else JSON


def accepted(accept: "str | None") -> "set[str]":
    """Return the kinds that Accept allows. Raises NotAcceptable where ours is not among them."""
    kinds = {part.split(";")[0].strip().lower() for part in (accept or "*/*").split(",")}
    if not kinds.intersection((JSON, JSON_LINES, "application/*", "*/*")):
        raise NotAcceptable("the response is application/json, which Accept does not allow")
    return kinds


def encode_line(answer: "Answer | Refused") -> str:
    """Write one line of the response: an answer, or a problem with the status that it would have alone."""
    if isinstance(answer, Refused):
        return compact({"status": answer.status, "title": answer.reason, "detail": answer.message})
    return encode_answer(answer)


def encode_answer(answer: Answer) -> str:
    """Write one answer as JSON in one line."""
    detections, model, frame = answer
    written = {
        "shape": list(detections.shape),
        "cid": detections.ids.tolist(),
        "score": detections.scores.tolist(),
        "bbox": detections.boxes.tolist(),
        "model": model,
    }
    return compact(dict(written, frame=frame) if frame else written)


def compact(written: "dict[str, Any]") -> str:
    """Write JSON without a space."""
    return json.dumps(written, separators=(",", ":"))
