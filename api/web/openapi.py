"""What /openapi.json says beyond the routes' signatures: the upload, and an example of every answer."""

from itertools import groupby
from typing import Any

from pydantic.config import JsonDict

from api import errors
from api.errors import DetectError
from api.schema import DeepStackAnswer, Health, ImageJson
from api.web.examples import BATCH, COCO, DETECTIONS, HEALTH, MODEL, ROBOFLOW, SAMPLE
from api.web.problems import problem

IMAGE = {"type": "string", "format": "binary"}

KEY_SCHEMES = {
    "X-API-Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
KEYED: dict[str, Any] = {"security": [{name: []} for name in KEY_SCHEMES]}

DETECT_REQUEST: dict[str, Any] = {
    "required": True,
    "description": "The image: the multipart part `image` (or `file`), the raw body, or base64 in JSON. "
    "The format is detected from the bytes. Parameters may also be form fields.",
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {"image": {**IMAGE, "description": "JPEG, PNG or WebP"}},
            }
        },
        **{f"image/{name}": {"schema": IMAGE} for name in ("jpeg", "png", "webp")},
        "application/json": {"schema": ImageJson.model_json_schema(), "example": {"image": SAMPLE}},
    },
}

LINES = "application/x-ndjson"
IMAGES = {"type": "array", "items": IMAGE, "minItems": 1, "maxItems": 16}

BATCH_REQUEST: dict[str, Any] = {
    "required": True,
    "description": "The images: 1 to 16 multipart parts, all named `image`.",
    "content": {
        "multipart/form-data": {
            "schema": {"type": "object", "required": ["image"], "properties": {"image": IMAGES}},
            "encoding": {"image": {"style": "form", "explode": True}},
        },
    },
}

DEEPSTACK_REQUEST: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": IMAGE,
                    "min_confidence": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.4},
                    "api_key": {"type": "string"},
                },
            }
        }
    },
}

EXAMPLES: tuple[DetectError, ...] = (
    errors.MalformedUpload("The form has 2 parts named image or file; send one."),
    errors.Unauthenticated("Send an API key: X-API-Key: KEY, or Authorization: Bearer KEY."),
    errors.Forbidden("The API key is unknown."),
    errors.UnknownHost("This host name is not allowed; DETECT_HOSTS lists the allowed ones."),
    errors.UnknownModel("GET /models lists the available models."),
    errors.UploadTooSlow("The body did not arrive within 30 seconds."),
    errors.UploadTooLarge("The body exceeds the limit of 10485760 bytes.", max_body_bytes=10485760),
    errors.UnsupportedImageFormat("The file is GIF. Supported formats: JPEG, PNG, WEBP.", detected="gif"),
    errors.UndecodableImage("The file starts as JPEG, but is damaged or truncated."),
    errors.ImageTooLarge(
        "The image is 20000×20000 pixels; the limits are 50000000 pixels and 16384 a side.", width=20000, height=20000
    ),
    errors.InvalidParameter("Out of range: min_score.", parameters=["min_score"]),
    errors.RateLimited("The limit is 60 per 1 minute for one key. Try again in 12 s.", limit="rate-per-key"),
    errors.Overloaded(
        "The queue is full: the wait would be 2.4 s, over 2 s. Try again in 1 s.", limit="endpoint-queue"
    ),
    errors.EndpointFailed("The model behind the endpoint failed on this image.", endpoint_status=500),
    errors.EndpointAnswerInvalid("The endpoint's response breaks the wire contract."),
    errors.EndpointUnavailable("The endpoint cannot be reached."),
    errors.DeadlineExceeded("The deadline has passed."),
    errors.Internal("An internal error occurred. The log has it under the request id."),
)


# In a batch these belong to one entry.
OF_ONE_IMAGE = (
    errors.UnsupportedImageFormat,
    errors.ImageError,
    errors.EndpointError,
    errors.DeadlineExceeded,
)


PROBLEM = {"$ref": "#/components/schemas/Problem"}
WHY = "`code` says why, `retryable` whether the same request may succeed later"
KINDS = {"4XX": f"The gateway rejects the request: {WHY}", "5XX": f"The gateway or its endpoint failed: {WHY}"}


def _example(error: DetectError) -> dict[str, Any]:
    shown = problem(error, "/detect", str(DETECTIONS["request_id"]))
    return {"summary": f"{error.status} {error.title}", "value": shown}


def _problems(examples: tuple[DetectError, ...]) -> dict[int | str, dict[str, Any]]:
    """One response for all of 4xx and one for all of 5xx: one for each status would hide the result."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind, group in groupby(sorted(examples, key=lambda error: error.status), key=_kind):
        content = {"schema": PROBLEM, "examples": {error.code: _example(error) for error in group}}
        responses[kind] = {"description": KINDS[kind], "content": {"application/problem+json": content}}
    return responses


def _kind(error: DetectError) -> str:
    return f"{error.status // 100}XX"


DETECT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The detections; or, if `Accept` names only images, the image with its bounding boxes.",
        "content": {
            "application/json": {
                "examples": {
                    "native": {"value": DETECTIONS},
                    "coco": {"value": COCO},
                    "roboflow": {"value": ROBOFLOW},
                }
            },
            "image/jpeg": {"schema": IMAGE},
            "image/png": {"schema": IMAGE},
            "image/webp": {"schema": IMAGE},
        },
    },
    **_problems(EXAMPLES),
}

BATCH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One entry per image, in order; as `application/x-ndjson` one per line, as soon as it is ready.",
        "content": {
            "application/json": {"example": BATCH},
            LINES: {"schema": {"$ref": "#/components/schemas/BatchEntry"}},
        },
    },
    **_problems(tuple(one for one in EXAMPLES if not isinstance(one, OF_ONE_IMAGE))),
}

DEEPSTACK_RESPONSES: dict[int | str, dict[str, Any]] = {
    kind: {"model": DeepStackAnswer, "description": "The error message, in `error`"} for kind in KINDS
}


def _those(*kinds: type[DetectError]) -> tuple[DetectError, ...]:
    return tuple(one for one in EXAMPLES if isinstance(one, kinds))


def _only(*kinds: type[DetectError]) -> dict[int | str, dict[str, Any]]:
    return _problems(_those(*kinds))


def _example_of(answer: JsonDict) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": answer}}}}


WITHOUT_ACCESS = (errors.Unauthenticated, errors.Forbidden, errors.RateLimited)
KEY_RESPONSES = _only(*WITHOUT_ACCESS)
MODELS_RESPONSES = {**_example_of({"models": [MODEL], "count": 1}), **KEY_RESPONSES}
NAMED_RESPONSES = _only(errors.UnknownModel, errors.InvalidParameter)
MODEL_RESPONSES = {**_example_of(MODEL), **_only(*WITHOUT_ACCESS, errors.UnknownModel, errors.InvalidParameter)}
HEALTH_RESPONSES = {
    **_example_of(HEALTH),
    503: {"model": Health, "description": "The model is not ready"},
}
RELOAD_RESPONSES = {
    **_example_of(MODEL),
    **_problems(
        (
            *_those(*WITHOUT_ACCESS, errors.UnknownModel, errors.EndpointUnavailable),
            errors.NotReloaded("The model directory cannot be served."),
        )
    ),
}
