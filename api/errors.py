"""Everything that can go wrong, as one tree; each class has the status and the code that a client sees.

DetectError
├── MalformedUpload             400  malformed-upload
├── InvalidS3Object             400  unreadable-object
├── Unauthenticated             401  unauthenticated
├── Forbidden                   403  forbidden
├── UploadTooSlow               408  upload-too-slow
├── UploadTooLarge              413  upload-too-large
├── UnsupportedImageFormat      415  unsupported-picture-format
├── ImageError
│   ├── UndecodableImage        422  undecodable-picture
│   └── ImageTooLarge           422  picture-too-large
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
├── UnknownHost                 421  unknown-host
└── Internal                    500  internal

InvalidSetting is never a response: it stops the start.

Clients get `detail`, which is ours. The cause (`raise … from cause`) goes to the log beside the request's id.
"""

from typing import Any, ClassVar, Literal

Again = Literal["never", "once", "patiently"]


class DetectError(Exception):
    """A failure with a stable code; `detail` is a sentence for the caller, without secrets or foreign messages.

    `reached`: the endpoint may have worked on the image all the same.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"
    retryable: ClassVar[bool] = False
    reached: bool = False

    def __init__(self, detail: str, *, retry_after: int | None = None, reached: bool = False, **members: Any) -> None:
        super().__init__(detail)
        self.reached = self.reached or reached
        self.detail = detail
        self.members = members
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


class MalformedUpload(DetectError):
    """The body is neither multipart with one image nor an image."""

    status, code, title = 400, "malformed-upload", "The upload contains no readable image"


class InvalidS3Object(DetectError):
    """The S3 object that a request names cannot be read."""

    status, code, title = 400, "unreadable-object", "The S3 object cannot be read"


class Unauthenticated(DetectError):
    """An API key is required, and none was sent."""

    status, code, title = 401, "unauthenticated", "An API key is required"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(DetectError):
    """The API key is not known."""

    status, code, title = 403, "forbidden", "This request is not allowed"


class UploadTooSlow(DetectError):
    """The body did not arrive within the limit."""

    status, code, title, retryable = 408, "upload-too-slow", "The upload took too long", True


class UploadTooLarge(DetectError):
    """The body has more bytes than allowed."""

    status, code, title = 413, "upload-too-large", "The upload is too large"


class UnsupportedImageFormat(DetectError):
    """The image format is not supported."""

    status, code, title = 415, "unsupported-picture-format", "This image format is not supported"


class ImageError(DetectError):
    """The image itself is the problem."""

    status = 422


class UndecodableImage(ImageError):
    """The bytes look like a supported format and cannot be decoded whole."""

    code, title = "undecodable-picture", "The image is damaged"


class ImageTooLarge(ImageError):
    """The header promises more pixels, or a longer side, than allowed."""

    code, title = "picture-too-large", "The image is too large"


class InvalidParameter(DetectError):
    """A parameter is unknown, or out of range."""

    status, code, title = 422, "invalid-parameter", "A parameter is unknown or out of range"


class RateLimited(DetectError):
    """The API key or the address exceeded its rate."""

    status, code, title, retryable = 429, "rate-limited", "Rate limit exceeded", True


class Overloaded(DetectError):
    """The request would wait too long, or too many bytes are held."""

    status, code, title, retryable = 429, "overloaded", "The gateway is overloaded", True


class EndpointError(DetectError):
    """The endpoint is the problem."""

    status = 502


class EndpointFailed(EndpointError):
    """The model failed on this image; `endpoint_status` is the status that its container gave."""

    code, title, reached = "endpoint-failed", "The model failed on this image", True


class EndpointAnswerInvalid(EndpointError):
    """The endpoint's answer breaks the wire contract."""

    code, title, reached = "endpoint-answer-invalid", "The endpoint's response is invalid", True


class EndpointUnavailable(EndpointError):
    """The endpoint cannot be reached or does not take work now; `again` is how often trying again can help."""

    status, code, title, retryable = 503, "endpoint-unavailable", "The endpoint is not available", True

    def __init__(self, detail: str, *, again: Again = "never", **options: Any) -> None:
        super().__init__(detail, **options)
        self.again = again


class DeadlineExceeded(DetectError):
    """The request's deadline has passed."""

    status, code, title, retryable = 504, "deadline-exceeded", "Deadline exceeded", True


class NotFound(DetectError):
    """There is nothing at this path."""

    status, code, title = 404, "not-found", "Not found"


class UnknownModel(DetectError):
    """No model behind this gateway has the name."""

    status, code, title = 404, "unknown-model", "Unknown model"


class NotReloaded(DetectError):
    """The model goes on as it was."""

    status, code, title = 409, "not-reloaded", "The model was not reloaded"


class MethodNotAllowed(DetectError):
    """The path exists and does not take this method."""

    status, code, title = 405, "method-not-allowed", "Method not allowed"


class UnknownHost(DetectError):
    """The request is for a host name that this gateway does not have."""

    status, code, title = 421, "unknown-host", "Unknown host name"


class Internal(DetectError):
    """A bug of ours."""


class InvalidSetting(Exception):
    """The gateway cannot start with these settings; says which and why."""
