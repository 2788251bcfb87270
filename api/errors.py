"""Everything that can go wrong, as one tree; each class has the status and the code that a client sees.

DetectError
├── MalformedUpload             400  malformed-upload
├── UploadTooSlow               408  upload-too-slow
├── UploadTooLarge              413  upload-too-large
├── UnsupportedPictureFormat    415  unsupported-picture-format
├── PictureError
│   ├── UndecodablePicture      422  undecodable-picture
│   └── PictureTooLarge         422  picture-too-large
├── InvalidParameter            422  invalid-parameter
├── Overloaded                  429  overloaded
├── EndpointError
│   ├── EndpointFailed          502  endpoint-failed
│   ├── EndpointAnswerInvalid   502  endpoint-answer-invalid
│   └── EndpointUnavailable     503  endpoint-unavailable
├── DeadlineExceeded            504  deadline-exceeded
├── NotFound                    404  not-found
├── MethodNotAllowed            405  method-not-allowed
└── Internal                    500  internal

InvalidSetting is no answer to a client: it stops the start.

Clients get `detail`, which is ours. The cause (`raise … from cause`) goes to the log beside the request's id.
"""

import logging
from typing import Any, ClassVar, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)

Again = Literal["never", "once", "patiently"]


class DetectError(Exception):
    """A failure with a stable code; `detail` is a sentence for the caller, without secrets or foreign messages."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something broke on our side"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, retry_after: int | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


class MalformedUpload(DetectError):
    """The body is neither multipart with one picture nor a picture."""

    status, code, title = 400, "malformed-upload", "The upload holds no picture that could be read"


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


class Overloaded(DetectError):
    """The queues are full."""

    status, code, title, retryable = 429, "overloaded", "Too many requests at once", True


class EndpointError(DetectError):
    """The endpoint is the trouble."""

    status = 502


class EndpointFailed(EndpointError):
    """The model failed on this picture; `endpoint_status` is the status that its container gave."""

    code, title = "endpoint-failed", "The model failed on this picture"


class EndpointAnswerInvalid(EndpointError):
    """The endpoint's answer breaks the wire contract."""

    code, title = "endpoint-answer-invalid", "The endpoint's answer makes no sense"


class EndpointUnavailable(EndpointError):
    """The endpoint cannot be reached or does not take work now.

    `reached`: it may have worked on the picture all the same. `again`: how often trying again now can help.
    """

    status, code, title, retryable = 503, "endpoint-unavailable", "The endpoint is not available", True

    def __init__(
        self, detail: str, *, retry_after: int | None = None, reached: bool = False, again: Again = "never"
    ) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.reached, self.again = reached, again


class DeadlineExceeded(DetectError):
    """The request's time budget is spent."""

    status, code, title, retryable = 504, "deadline-exceeded", "The time for this request is over", True


class NotFound(DetectError):
    """There is nothing at this path."""

    status, code, title = 404, "not-found", "There is nothing here"


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
    """The answer that a client gets, with the cause in the log."""
    request_id = getattr(request.state, "request_id", "")
    level = logging.ERROR if error.status >= 500 else logging.INFO
    log.log(level, "%s %s: %s", request_id, error.code, error.detail, exc_info=error if error.status >= 500 else None)
    return JSONResponse(
        problem(error, request.url.path, request_id),
        error.status,
        headers={**error.headers, "X-Request-ID": request_id},
        media_type="application/problem+json",
    )


def install_handlers(app: FastAPI) -> None:
    """Every exception that leaves a route becomes a problem; Starlette finds the handler by the class's ancestors."""
    app.exception_handler(DetectError)(_on_ours)
    app.exception_handler(RequestValidationError)(_on_parameter)
    app.exception_handler(HTTPException)(_on_routing)
    app.exception_handler(Exception)(_on_bug)


async def _on_ours(request: Request, error: DetectError) -> JSONResponse:
    return problem_response(request, error)


async def _on_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
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


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    bug = Internal("This is a fault of ours, noted under the request's id.")
    bug.__cause__ = error
    return problem_response(request, bug)
