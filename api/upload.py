"""A request's body → the bytes of one picture: a multipart part, the raw body, or base64 in JSON."""

import base64
import binascii

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from api.errors import MalformedUpload
from api.form import form_parts
from api.schema import PictureJson

PARTS = ("image", "file")
WHITE_SPACE = b" \t\r\n"


async def read_upload(request: Request) -> bytes:
    """The picture's bytes: a part named `image` (or `file`), a raw body of an `image/*` type, or JSON with base64.

    Raises MalformedUpload, UploadTooLarge, UploadTooSlow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        data = _from_form(await _whole_body(request), request.headers["content-type"])
    elif kind.startswith("image/") or kind == "application/octet-stream":
        data = await _whole_body(request)
    elif kind == "application/json":
        data = _from_json(await _whole_body(request))
    else:
        raise MalformedUpload("Send multipart/form-data with a part named image, a body of an image/* type, or JSON.")
    if not data:
        raise MalformedUpload("The picture is empty: not one byte came.")
    return data


async def _whole_body(request: Request) -> bytes:
    """Read past the request, which would keep a second copy for as long as it lives."""
    try:
        return b"".join([piece async for piece in request.stream()])
    except ClientDisconnect as error:
        raise MalformedUpload("The connection ended before the body was whole.") from error


def _from_json(body: bytes) -> bytes:
    try:
        text = PictureJson.model_validate_json(body).image
        encoded = text.removeprefix(_head(text)).encode("ascii").translate(None, WHITE_SPACE)
        return base64.b64decode(encoded, validate=True)
    except ValidationError as error:
        raise MalformedUpload('The JSON has to be {"image": "BASE64"}; parameters go into the address.') from error
    except (binascii.Error, ValueError) as error:
        raise MalformedUpload("The JSON's member image is not base64.") from error


def _head(text: str) -> str:
    """What stands before the base64 in a data URL (RFC 2397)."""
    return text[: text.find(",") + 1] if text.startswith("data:") else ""


def _from_form(body: bytes, content_type: str) -> bytes:
    parts = [part for part in form_parts(body, content_type) if part.name in PARTS]
    if len(parts) != 1:
        raise MalformedUpload(f"The form has {len(parts)} parts named image or file; it takes one.")
    if not parts[0].is_file:
        raise MalformedUpload("The part named image is text; send it as a file.")
    return parts[0].data
