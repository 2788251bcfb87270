"""A request's body → images: one as a multipart part, the raw body or base64 in JSON; several as multipart parts."""

import base64
import binascii
from typing import NamedTuple

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request

from api.errors import MalformedUpload
from api.schema import ImageJson
from api.web.multipart import Part, form_parts

PARTS = ("image", "file")
MOST_IMAGES = 16
WHITE_SPACE = b" \t\r\n"


class Sent(NamedTuple):
    """One image of a form: the name of its file, and its bytes."""

    name: str
    data: bytes


class Form(NamedTuple):
    """A multipart form: its images, and its other fields."""

    images: list[Sent]
    fields: dict[str, str]

    def image(self) -> bytes:
        """The only image. Raises MalformedUpload."""
        if len(self.images) != 1:
            raise MalformedUpload(f"The form has {len(self.images)} parts named image or file; it takes one.")
        return checked(self.images[0].data)


async def read_upload(request: Request) -> bytes:
    """The image's bytes: a part named `image` (or `file`), a raw body of an `image/*` type, or JSON with base64.

    Raises MalformedUpload, UploadTooLarge, UploadTooSlow.
    """
    kind = _kind(request)
    if kind == "multipart/form-data":
        data = (await read_form(request)).image()
    elif kind.startswith("image/") or kind == "application/octet-stream":
        data = await _whole_body(request)
    elif kind == "application/json":
        data = _from_json(await _whole_body(request))
    else:
        raise MalformedUpload("Send multipart/form-data with a part named image, a body of an image/* type, or JSON.")
    return checked(data)


def checked(data: bytes) -> bytes:
    """The same bytes, if there are any. Raises MalformedUpload."""
    if not data:
        raise MalformedUpload("The image is empty: not one byte came.")
    return data


async def _whole_body(request: Request) -> bytes:
    """Read past the request, which would keep a second copy for as long as it lives."""
    try:
        return b"".join([piece async for piece in request.stream()])
    except ClientDisconnect as error:
        raise MalformedUpload("The connection ended before the body was whole.") from error


def _from_json(body: bytes) -> bytes:
    try:
        text = ImageJson.model_validate_json(body).image
        encoded = text.removeprefix(_head(text)).encode("ascii").translate(None, WHITE_SPACE)
        return base64.b64decode(encoded, validate=True)
    except ValidationError as error:
        raise MalformedUpload('The JSON has to be {"image": "BASE64"}; parameters go into the address.') from error
    except (binascii.Error, ValueError) as error:
        raise MalformedUpload("The JSON's member image is not base64.") from error


def _head(text: str) -> str:
    """What stands before the base64 in a data URL (RFC 2397)."""
    return text[: text.find(",") + 1] if text.startswith("data:") else ""


async def read_batch(request: Request) -> list[Sent]:
    """The images of a batch, in order. Raises MalformedUpload, UploadTooLarge, UploadTooSlow, Overloaded."""
    images = (await read_form(request)).images
    if not 1 <= len(images) <= MOST_IMAGES:
        raise MalformedUpload(f"The form has {len(images)} parts named image; a batch takes 1 to {MOST_IMAGES}.")
    return images


async def read_form(request: Request) -> Form:
    """The form's images and its other fields. Raises MalformedUpload, UploadTooLarge, UploadTooSlow, Overloaded."""
    if _kind(request) != "multipart/form-data":
        raise MalformedUpload("Send multipart/form-data with the image as the part image.")
    parts = form_parts(await _whole_body(request), request.headers["content-type"])
    images = [_image(part) for part in parts if part.name in PARTS]
    return Form(images, {part.name: part.data.decode("utf-8", "replace") for part in parts if part.file is None})


def _image(part: Part) -> Sent:
    if part.file is None:
        raise MalformedUpload("The part named image is text; send it as a file.")
    return Sent(part.file, part.data)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
