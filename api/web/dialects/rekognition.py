"""Amazon Rekognition's dialect (JSON 1.1): DetectLabels and DetectCustomLabels, for its SDKs as they are."""

import re
import string
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from api import errors
from api.detect import Detector
from api.errors import DetectError, InvalidParameter, MalformedUpload, MethodNotAllowed
from api.models import Models
from api.schema import Box, Detection, Detections, Parameters
from api.telemetry.request_record import record_of
from api.web.authentication import caller_of
from api.web.dependencies import CurrentModels, asker_of
from api.web.problems import Dialect, path_of
from api.web.upload import checked, from_base64, whole_body

TARGET, SERVICE, TOKEN = "x-amz-target", "RekognitionService.", "x-amz-security-token"
MEDIA_TYPE = "application/x-amz-json-1.1"
VERSION_ARN = re.compile(r".+:project/([^/]+)/version/[^/]+/\d+")
MOST = 100  # the endpoint answers with as many rows

Answer = dict[str, Any]
Percent = Annotated[float, Field(ge=0, le=100)]
Operation = TypeVar("Operation", "DetectLabels", "DetectCustomLabels")


class Member(BaseModel):
    """Part of a request; members that are not known are ignored."""

    model_config = ConfigDict(alias_generator=to_pascal)


class S3Object(Member):
    """Where an image lies."""

    bucket: str
    name: str
    version: str | None = None


class Image(Member):
    """An image: its bytes in base64, or where it lies."""

    bytes: str | None = None
    s3_object: S3Object | None = None


class GeneralLabels(Member):
    """Which labels are wanted, and which are not."""

    label_inclusion_filters: list[str] = []
    label_exclusion_filters: list[str] = []

    def take(self, name: str) -> bool:
        """Whether a label of this name is wanted."""
        wanted = [one.casefold() for one in self.label_inclusion_filters] or [name.casefold()]
        return name.casefold() in wanted and name.casefold() not in map(str.casefold, self.label_exclusion_filters)


class LabelSettings(Member):
    """DetectLabels' settings."""

    general_labels: GeneralLabels = GeneralLabels()


class DetectLabels(Member):
    """The request of that name."""

    image: Image
    min_confidence: Percent = 55
    max_labels: int = Field(1000, ge=0)
    features: list[str] = ["GENERAL_LABELS"]
    settings: LabelSettings = LabelSettings()


class DetectCustomLabels(Member):
    """The request of that name."""

    image: Image
    min_confidence: Percent | None = None
    project_version_arn: str
    max_results: int | None = Field(None, ge=0)


async def _admitted(request: Request) -> None:
    """Before the body is read, by the key that an SDK sends as its session token."""
    if TARGET not in request.headers:
        error = MethodNotAllowed("This path takes GET, and POST with an X-Amz-Target of Rekognition's clients.")
        error.headers["Allow"] = "GET"
        raise error
    await request.app.state.authentication.admit(request, request.headers.get(TOKEN))


router = APIRouter(dependencies=[Depends(_admitted)])


@router.post("/", include_in_schema=False)
async def answer(request: Request, models: CurrentModels) -> JSONResponse:
    """Whatever X-Amz-Target names."""
    match request.headers[TARGET].removeprefix(SERVICE):
        case "DetectLabels":
            body = await _detect_labels(request, models.default)
        case "DetectCustomLabels":
            body = await _detect_custom_labels(request, models)
        case other:
            raise InvalidParameter(
                f"The operation {other[:64]} is not supported; DetectLabels and DetectCustomLabels are."
            )
    return _response(body, 200, record_of(request.scope).request_id)


async def _detect_labels(request: Request, detector: Detector) -> Answer:
    asked = await _read(request, DetectLabels)
    if "IMAGE_PROPERTIES" in asked.features:
        raise InvalidParameter("The feature IMAGE_PROPERTIES is not supported.")
    found = await _find(request, detector, asked.image, asked.min_confidence / 100)
    taken = [one for one in found.detections if asked.settings.general_labels.take(one.label)]
    labels = [_label(name, instances) for name, instances in _by_label(taken).items()]
    return {"Labels": labels[: asked.max_labels], "LabelModelVersion": found.model.version}


async def _detect_custom_labels(request: Request, models: Models) -> Answer:
    asked = await _read(request, DetectCustomLabels)
    arn = VERSION_ARN.fullmatch(asked.project_version_arn)
    if not arn:
        raise InvalidParameter("ProjectVersionArn must end in :project/MODEL/version/V/N.")
    detector = models.named(arn[1])
    least = detector.model.min_score if asked.min_confidence is None else asked.min_confidence / 100
    found = await _find(request, detector, asked.image, least)
    return {"CustomLabels": [_custom_label(one) for one in found.detections[: asked.max_results]]}


async def _read(request: Request, operation: type[Operation]) -> Operation:
    try:
        return operation.model_validate_json(await whole_body(request))
    except ValidationError as error:
        wrong = sorted({".".join(map(str, one["loc"])) or "the JSON" for one in error.errors()})
        raise InvalidParameter(f"Missing or invalid: {', '.join(wrong)}.", parameters=wrong) from error


async def _find(request: Request, detector: Detector, image: Image, least: float) -> Detections:
    record = record_of(request.scope)
    record.model = detector.name
    detector.check_queue(caller_of(request))
    data = await _bytes(request, image)
    wanted = Parameters(min_score=max(least, 0.01), labels=None, max_detections=MOST)
    result = await detector.detect(data, wanted, asker_of(request))
    record.answered(result.answer, result.image.profile_ignored)
    return result.answer


async def _bytes(request: Request, image: Image) -> bytes:
    match image:
        case Image(bytes=str(text), s3_object=None):
            try:
                return checked(from_base64(text))
            except ValueError as error:
                raise MalformedUpload("Image.Bytes is not base64.") from error
        case Image(bytes=None, s3_object=S3Object() as named):
            return checked(await request.app.state.s3.read(named.bucket, named.name, named.version))
    raise InvalidParameter("Image needs either Bytes or S3Object.", parameters=["Image"])


def _by_label(found: list[Detection]) -> Mapping[str, list[Detection]]:
    """The surest label first, and within each the surest box."""
    labels: dict[str, list[Detection]] = {}
    for one in found:
        labels.setdefault(one.label, []).append(one)
    return labels


def _label(name: str, instances: list[Detection]) -> Answer:
    """One label, as sure as the surest of its boxes."""
    boxes = [{"BoundingBox": _bounding_box(one.box_normalized), "Confidence": _percent(one)} for one in instances]
    return {
        "Name": string.capwords(name),
        "Confidence": boxes[0]["Confidence"],
        "Instances": boxes,
        "Parents": [],
        "Aliases": [],
        "Categories": [],
    }


def _custom_label(one: Detection) -> Answer:
    geometry = {"BoundingBox": _bounding_box(one.box_normalized)}
    return {"Name": one.label, "Confidence": _percent(one), "Geometry": geometry}


def _bounding_box(box: Box) -> dict[str, float]:
    """Shares of the upright image."""
    width, height = round(box.x_max - box.x_min, 6), round(box.y_max - box.y_min, 6)
    return {"Width": width, "Height": height, "Left": box.x_min, "Top": box.y_min}


def _percent(one: Detection) -> float:
    return round(one.score * 100, 4)


NAMES: Mapping[type[DetectError], str] = {
    errors.Unauthenticated: "AccessDeniedException",
    errors.Forbidden: "AccessDeniedException",
    errors.RateLimited: "ThrottlingException",
    errors.Overloaded: "ThrottlingException",
    errors.UploadTooLarge: "ImageTooLargeException",
    errors.ImageTooLarge: "ImageTooLargeException",
    errors.UndecodableImage: "InvalidImageFormatException",
    errors.UnsupportedImageFormat: "InvalidImageFormatException",
    errors.InvalidS3Object: "InvalidS3ObjectException",
    errors.UnknownModel: "ResourceNotFoundException",
}
FAULT = "InternalServerError"
FREE = (errors.EndpointUnavailable, errors.UploadTooSlow)  # where the endpoint was not reached, nothing was billed


def _failure(error: DetectError, request_id: str) -> JSONResponse:
    """Rekognition's own errors. Its SDKs repeat every 5xx, so what may have been billed has 400, whatever its name."""
    name = NAMES.get(type(error)) or ("InvalidParameterException" if error.status < 500 else FAULT)
    is_free = isinstance(error, FREE) and not error.reached
    words = error.detail
    if isinstance(error, errors.Unauthenticated):
        words = "Send the API key as the session token, AWS_SESSION_TOKEN."
    body = {"__type": name, "Message": f"{error.title}. {words}"}
    return _response(body, 500 if is_free else 400, request_id, **error.headers)


def _response(body: Answer, status: int, request_id: str, **headers: str) -> JSONResponse:
    return JSONResponse(body, status, {**headers, "x-amzn-RequestId": request_id}, MEDIA_TYPE)


def _speaks(request: Request) -> bool:
    return request.method == "POST" and path_of(request) == "/" and TARGET in request.headers


DIALECT = Dialect(_speaks, _failure)
