"""What the endpoint rejects, with one short line for each.

    Refused                      a status, a sentence, a phrase
    ├── BadRequest         400   the body breaks the contract
    ├── ImageTooLarge      413   more pixels than the limit, by the header
    ├── UnsupportedType    415   Content-Type or the image's format
    ├── NotAcceptable      406   Accept excludes JSON
    ├── BadImage           422   damaged, truncated, or of a depth that has no RGB
    └── ModelFailed        500   on one line of several; for a single request, the server says so
    ModelNotUsable               the model directory: no request is served, the process ends

The old serving stacks hang on a message of more than one line, so no message here has one.
"""

try:
    from sagemaker_inference.errors import BaseInferenceToolkitError
except ImportError:  # our own server runs without the toolkit

    class BaseInferenceToolkitError(Exception):  # type: ignore[no-redef]
        """Carries a status to the client, as the toolkit's class of this name does."""

        def __init__(self, status_code: int, message: str, phrase: str) -> None:
            self.status_code = status_code
            self.message = message
            self.phrase = phrase


class Refused(BaseInferenceToolkitError):  # type: ignore[misc]
    """A request that the hooks do not serve; `message` is for the client."""

    status = 400
    reason = "Bad Request"

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())[:300]
        super().__init__(self.status, line, self.reason)

    def __str__(self) -> str:
        return str(self.message)


class BadRequest(Refused):
    """The body breaks the contract."""


class NotAcceptable(Refused):
    """Accept excludes JSON."""

    status, reason = 406, "Not Acceptable"


class ImageTooLarge(Refused):
    """The image has more pixels than the limit."""

    status, reason = 413, "Payload Too Large"


class UnsupportedType(Refused):
    """The Content-Type or the image's format is not supported."""

    status, reason = 415, "Unsupported Media Type"


class BadImage(Refused):
    """The image is damaged, truncated, or of a depth that has no RGB."""

    status, reason = 422, "Unprocessable Entity"


class ModelFailed(Refused):
    """The model failed on one line of several."""

    status, reason = 500, "Internal Server Error"


class ModelNotUsable(Exception):
    """The model directory cannot be served."""
