"""A request's body → images and fields. What is an image is decided by its bytes, not by what the sender calls it."""

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
URL_SAFE = bytes.maketrans(b"-_", b"+/")
FORM, LINK = "multipart/form-data", "application/x-www-form-urlencoded"

Fields = list[tuple[str, str]]


class Sent(NamedTuple):
    """One image of a form: the name of its file, empty where it has none, and its bytes."""

    name: str
    data: bytes


class Form(NamedTuple):
    """A multipart form: its images, and its other fields."""

    images: list[Sent]
    fields: Fields

    def image(self) -> bytes:
        """The only image; what is text gives way to what is not. Raises MalformedUpload."""
        images = self.images
        if len(images) > 1:
            images = [sent for sent in images if not _is_text(sent.data)] or images
        if not images and any(name in PARTS for name, _ in self.fields):
            raise MalformedUpload("The part named image is text; send the bytes of the file.")
        if len(images) != 1:
            raise MalformedUpload(f"The form has {len(images)} parts named image or file; send one.")
        return checked(images[0].data)


class Upload(NamedTuple):
    """One image, and the other fields of the form that it came in."""

    image: bytes
    fields: Fields


async def read_upload(request: Request) -> Upload:
    """The image's bytes: a part named `image` (or `file`), JSON with base64, or the raw body whatever its type.

    Raises MalformedUpload, UploadTooLarge, UploadTooSlow.
    """
    kind = content_type(request)
    if kind == FORM:
        form = await read_form(request)
        return Upload(form.image(), form.fields)
    body = await whole_body(request)
    if kind.endswith("json") or body.lstrip(WHITE_SPACE).startswith(b"{"):
        return Upload(checked(_from_json(body)), [])
    if kind == LINK and body.startswith(tuple(f"{name}=".encode() for name in PARTS)):
        raise MalformedUpload(f"This form has text fields only; send the image as {FORM} (curl -F).")
    return Upload(checked(body), [])


def checked(data: bytes) -> bytes:
    """The same bytes, if there are any. Raises MalformedUpload."""
    if not data:
        raise MalformedUpload("The image is empty: 0 bytes were received.")
    return data


async def whole_body(request: Request) -> bytes:
    """The body, read past the request, which would keep a second copy for as long as it lives.

    Raises MalformedUpload, UploadTooLarge, UploadTooSlow.
    """
    try:
        return b"".join([piece async for piece in request.stream()])
    except ClientDisconnect as error:
        raise MalformedUpload("The connection ended before the body was complete.") from error


def from_base64(text: str) -> bytes:
    """The bytes: a data URL or its base64 alone, padded or not, also with the URL-safe alphabet. Raises ValueError."""
    encoded = text.removeprefix(_head(text)).encode("ascii").translate(URL_SAFE, WHITE_SPACE).rstrip(b"=")
    return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)


def _from_json(body: bytes) -> bytes:
    try:
        return from_base64(ImageJson.model_validate_json(body).image)
    except ValidationError as error:
        raise MalformedUpload('The JSON must be {"image": "BASE64"}; send parameters in the URL.') from error
    except (binascii.Error, ValueError) as error:
        raise MalformedUpload("The member image of the JSON is not base64.") from error


def _head(text: str) -> str:
    """What stands before the base64 in a data URL (RFC 2397)."""
    return text[: text.find(",") + 1] if text.startswith("data:") else ""


async def read_batch(request: Request) -> Form:
    """The images of a batch, in order. Raises MalformedUpload, UploadTooLarge, UploadTooSlow, Overloaded."""
    form = await read_form(request)
    if not 1 <= len(form.images) <= MOST_IMAGES:
        raise MalformedUpload(f"The form has {len(form.images)} parts named image; a batch has 1 to {MOST_IMAGES}.")
    return form


async def read_form(request: Request) -> Form:
    """The form's images and its other fields. Raises MalformedUpload, UploadTooLarge, UploadTooSlow, Overloaded."""
    if content_type(request) != FORM:
        raise MalformedUpload(f"Send {FORM} with the image in the part image.")
    parts = form_parts(await whole_body(request), request.headers["content-type"])
    images = [Sent(part.file or "", part.data) for part in parts if _is_image(part)]
    return Form(images, [(part.name, part.data.decode("utf-8", "replace")) for part in parts if not _is_file(part)])


def _is_file(part: Part) -> bool:
    """Whether a part is a file: it says so or, since many clients do not, it is no text; an empty one has a name."""
    return bool(part.file or part.data) if part.file is not None else not _is_text(part.data)


def _is_image(part: Part) -> bool:
    return part.name in PARTS and _is_file(part)


def _is_text(data: bytes) -> bool:
    """No image is: their first bytes, or those of their pixels, are not UTF-8."""
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def content_type(request: Request) -> str:
    """The body's declared type, without its parameters; empty where there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
