"""Everything that can go wrong, as one tree; each class has the status and the code that a client sees.

DetectError
├── MalformedUpload             400  malformed-upload
├── Unauthenticated             401  unauthenticated
├── Forbidden                   403  forbidden
├── UploadTooSlow               408  upload-too-slow
├── UploadTooLarge              413  upload-too-large
├── UnsupportedPictureFormat    415  unsupported-picture-format
├── PictureError
│   ├── UndecodablePicture      422  undecodable-picture
│   └── PictureTooLarge         422  picture-too-large
├── InvalidParameter            422  invalid-parameter
├── RateLimited                 429  rate-limited
├── Overloaded                  429  overloaded
├── EndpointError
│   ├── EndpointFailed          502  endpoint-failed
│   ├── EndpointAnswerInvalid   502  endpoint-answer-invalid
│   └── EndpointUnavailable     503  endpoint-unavailable
├── DeadlineExceeded            504  deadline-exceeded
├── NotFound                    404  not-found
├── UnknownModel                404  unknown-model
├── NotReloaded                 409  not-reloaded
├── MethodNotAllowed            405  method-not-allowed
└── Internal                    500  internal

InvalidSetting is no answer to a client: it stops the start.

Clients get `detail`, which is ours. The cause (`raise … from cause`) goes to the log beside the request's id.
"""

import logging
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.exceptions import RequestValidationError

log = logging.getLogger(__name__)

Again = Literal["never", "once", "patiently"]


class DetectError(Exception):
    """A failure with a stable code; `detail` is a sentence for the caller, without secrets or foreign messages.

    `reached`: the endpoint may have worked on the picture all the same.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something broke on our side"
    retryable: ClassVar[bool] = False
    reached: bool = False

    def __init__(self, detail: str, *, retry_after: int | None = None, reached: bool = False, **members: Any) -> None:
        super().__init__(detail)
        self.reached = self.reached or reached
        self.detail = detail
        self.members = members
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


class MalformedUpload(DetectError):
    """The body is neither multipart with one picture nor a picture."""

    status, code, title = 400, "malformed-upload", "The upload holds no picture that could be read"


class Unauthenticated(DetectError):
    """API keys are asked for, and none came."""

    status, code, title = 401, "unauthenticated", "An API key is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(DetectError):
    """The API key is not known."""

    status, code, title = 403, "forbidden", "This API key is not accepted"


class UploadTooSlow(DetectError):
    """The body was not in within the limit."""

    status, code, title, retryable = 408, "upload-too-slow", "The upload took too long", True


class UploadTooLarge(DetectError):
    """The body has more bytes than allowed."""

    status, code, title = 413, "upload-too-large", "The upload has too many bytes"


class UnsupportedPictureFormat(DetectError):
    """The bytes are of a format that is not taken."""

    status, code, title = 415, "unsupported-picture-format", "This picture format is not supported"


class PictureError(DetectError):
    """The picture itself is the trouble."""

    status = 422


class UndecodablePicture(PictureError):
    """The bytes look like a supported format and cannot be decoded whole."""

    code, title = "undecodable-picture", "The picture is damaged"


class PictureTooLarge(PictureError):
    """The header promises more pixels, or a longer side, than allowed."""

    code, title = "picture-too-large", "The picture has too many pixels"


class InvalidParameter(DetectError):
    """A query parameter is out of its range."""

    status, code, title = 422, "invalid-parameter", "A parameter is out of range"


class RateLimited(DetectError):
    """The key, or the address, has asked too often of late."""

    status, code, title, retryable = 429, "rate-limited", "Too many requests in this time", True


class Overloaded(DetectError):
    """The queues are full."""

    status, code, title, retryable = 429, "overloaded", "Too many requests at once", True


class EndpointError(DetectError):
    """The endpoint is the trouble."""

    status = 502


class EndpointFailed(EndpointError):
    """The model failed on this picture; `endpoint_status` is the status that its container gave."""

    code, title, reached = "endpoint-failed", "The model failed on this picture", True


class EndpointAnswerInvalid(EndpointError):
    """The endpoint's answer breaks the wire contract."""

    code, title, reached = "endpoint-answer-invalid", "The endpoint's answer makes no sense", True


class EndpointUnavailable(EndpointError):
    """The endpoint cannot be reached or does not take work now; `again` is how often trying again can help."""

    status, code, title, retryable = 503, "endpoint-unavailable", "The endpoint is not available", True

    def __init__(self, detail: str, *, again: Again = "never", **options: Any) -> None:
        super().__init__(detail, **options)
        self.again = again


class DeadlineExceeded(DetectError):
    """The request's time budget is spent."""

    status, code, title, retryable = 504, "deadline-exceeded", "The time for this request is over", True


class NotFound(DetectError):
    """There is nothing at this path."""

    status, code, title = 404, "not-found", "There is nothing here"


class UnknownModel(DetectError):
    """No model behind this gateway has the name."""

    status, code, title = 404, "unknown-model", "There is no model of this name"


class NotReloaded(DetectError):
    """The model goes on as it was."""

    status, code, title = 409, "not-reloaded", "The model was not reloaded"


class MethodNotAllowed(DetectError):
    """The path exists and does not take this method."""

    status, code, title = 405, "method-not-allowed", "This method is not allowed here"


class Internal(DetectError):
    """A bug of ours."""


class InvalidSetting(Exception):
    """The gateway cannot start with these settings; says which and why."""


def problem(error: DetectError, instance: str, request_id: str) -> dict[str, Any]:
    """The members of RFC 9457, then `code`, `retryable`, `request_id` and the error's own."""
    return {
        "type": f"urn:detect-gateway:error:{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "retryable": error.retryable,
        "request_id": request_id,
        **error.members,
    }


def problem_response(request: Request, error: DetectError) -> JSONResponse:
    """The answer that a client gets."""
    note(request, error)
    request_id = getattr(request.state, "request_id", "")
    body = problem(error, request.url.path, request_id)
    return JSONResponse(body, error.status, headers=error.headers, media_type="application/problem+json")


def note(request: Request, error: DetectError) -> None:
    """Tell the request's log line what went wrong; where it is a bug of ours, the log gets it whole."""
    request.state.code, request.state.detail = error.code, error.detail
    if error.__cause__:
        request.state.cause = _cause(error.__cause__)
    if isinstance(error, Internal):
        request_id = getattr(request.state, "request_id", "")
        log.error("bug", extra={"fields": {"request_id": request_id}}, exc_info=error)


def _cause(error: BaseException) -> str:
    """What happened underneath, in one short line; without the bytes that some exceptions quote."""
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:300]


def install_handlers(app: "FastAPI") -> None:
    """Every exception that leaves a route becomes a problem; Starlette finds the handler by the class's ancestors."""
    from fastapi.exceptions import RequestValidationError  # half of the command line's start, if it stood above

    app.exception_handler(DetectError)(_on_ours)
    app.exception_handler(RequestValidationError)(_on_parameter)
    app.exception_handler(HTTPException)(_on_routing)


async def _on_ours(request: Request, error: DetectError) -> JSONResponse:
    return problem_response(request, error)


async def _on_parameter(request: Request, error: "RequestValidationError") -> JSONResponse:
    names = sorted({str(e["loc"][-1] if isinstance(e["loc"][-1], str) else e["loc"][-2]) for e in error.errors()})
    detail = f"Out of range: {', '.join(names)}. The ranges are at /docs."
    return problem_response(request, InvalidParameter(detail, parameters=names))


async def _on_routing(request: Request, error: HTTPException) -> JSONResponse:
    known = {
        404: NotFound("Nothing answers at this path; /docs lists what does."),
        405: MethodNotAllowed(_method(error)),
    }
    ours = known.get(error.status_code) or MalformedUpload("The request could not be read.")
    ours.headers.update(error.headers or {})
    return problem_response(request, ours)


def _method(error: HTTPException) -> str:
    return f"This path takes {(error.headers or {}).get('Allow', 'other methods')}."
