"""A request's body → the bytes of one picture: a multipart part, the raw body, or base64 in JSON."""

import base64
import binascii

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from api.errors import MalformedUpload
from api.schema import PictureJson

PARTS = ("image", "file")


class _Parser(MultiPartParser):
    spool_max_size = 1 << 30  # the body limit bounds it: an upload never touches the disk

    def close(self) -> None:
        for file in self._files_to_close_on_error:  # Starlette forgets those of a form that was cut off
            file.close()


async def read_upload(request: Request) -> bytes:
    """The picture's bytes: a part named `image` (or `file`), a raw body of an `image/*` type, or JSON with base64.

    Raises MalformedUpload, UploadTooLarge, UploadTooSlow.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        data = await _from_form(request)
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
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise MalformedUpload("The connection ended before the body was whole.") from error


def _from_json(body: bytes) -> bytes:
    try:
        text = PictureJson.model_validate_json(body).image
        return base64.b64decode("".join(text.removeprefix(_head(text)).split()), validate=True)
    except ValidationError as error:
        raise MalformedUpload('The JSON has to be {"image": "BASE64"}; parameters go into the address.') from error
    except (binascii.Error, ValueError) as error:
        raise MalformedUpload("The JSON's member image is not base64.") from error


def _head(text: str) -> str:
    """What stands before the base64 in a data URL (RFC 2397)."""
    return text[: text.find(",") + 1] if text.startswith("data:") else ""


async def _from_form(request: Request) -> bytes:
    parser = _Parser(request.headers, request.stream(), max_files=4, max_fields=16)
    try:
        form = await parser.parse()
        parts = [part for name, part in form.multi_items() if name in PARTS]
        if len(parts) != 1:
            raise MalformedUpload(f"The form has {len(parts)} parts named image or file; it takes one.")
        if not isinstance(parts[0], UploadFile):
            raise MalformedUpload("The part named image is text; send it as a file.")
        return await parts[0].read()
    except (MultiPartException, ClientDisconnect) as error:
        raise MalformedUpload("The multipart body is damaged or has too many parts.") from error
    finally:
        parser.close()
