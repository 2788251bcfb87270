"""The wire contract: request body → what it asks for, detections → response body."""

import base64
import binascii
import json
from collections import namedtuple
from email.message import Message

from errors import BadRequest, NotAcceptable, UnsupportedType

DEFAULT_SHORT = 224
LARGEST_SHORT = 4096
ROWS = 100

# image: bytes of a JPEG or PNG. short: length in pixels that the image's shorter side is resized to.
Request = namedtuple("Request", "image short")

# shape: of the tensor, (1, 3, H, W). ids, scores: (100, 1), boxes: (100, 4) as x_min, y_min, x_max, y_max in
# pixels of the tensor; all float32, sorted by score, unused rows -1.
Detections = namedtuple("Detections", "shape ids scores boxes")


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
    if kind != "application/json":
        raise UnsupportedType("Content-Type must be application/json")
    if charset not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedType("the charset must be utf-8")


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


def encode_response(detections: Detections, model: "dict[str, object]", accept: "str | None") -> str:
    """Write the response body. Raises NotAcceptable where JSON is not accepted."""
    check_accept(accept)
    return json.dumps(
        {
            "shape": list(detections.shape),
            "cid": detections.ids.tolist(),
            "score": detections.scores.tolist(),
            "bbox": detections.boxes.tolist(),
            "model": model,
        },
        separators=(",", ":"),
    )


def check_accept(accept: "str | None") -> None:
    """Refuse an Accept that JSON does not satisfy."""
    kinds = [part.split(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    if not {"application/json", "application/*", "*/*"}.intersection(kinds):
        raise NotAcceptable("the answer is application/json, which Accept does not allow")
