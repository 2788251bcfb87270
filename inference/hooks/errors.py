"""What the endpoint refuses, in one short line each.

    Refused                      a status, a sentence, a phrase
    ├── BadRequest           400   the body is not what the contract says
    ├── ImageTooLarge      413   more pixels than we decode, judged from the header
    ├── UnsupportedType      415   Content-Type or the image's format
    ├── NotAcceptable        406   Accept asks for something other than JSON
    ├── BadImage           422   damaged, truncated, or of a depth that cannot be shown as RGB
    └── ModelFailed        500   on one line of several; alone, the server says so
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
    """A request that the hooks do not serve; `message` is meant for the client."""

    status = 400
    reason = "Bad Request"

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())[:300]
        super().__init__(self.status, line, self.reason)

    def __str__(self) -> str:
        return str(self.message)


class BadRequest(Refused):
    """The body is not what the contract says."""


class NotAcceptable(Refused):
    """Accept asks for something other than JSON."""

    status, reason = 406, "Not Acceptable"


class ImageTooLarge(Refused):
    """More pixels than we decode."""

    status, reason = 413, "Payload Too Large"


class UnsupportedType(Refused):
    """Content-Type, or the image's format, is none that the hooks take."""

    status, reason = 415, "Unsupported Media Type"


class BadImage(Refused):
    """The image is damaged, truncated, or of a depth that cannot be shown as RGB."""

    status, reason = 422, "Unprocessable Entity"


class ModelFailed(Refused):
    """The model failed on one line of several."""

    status, reason = 500, "Internal Server Error"


class ModelNotUsable(Exception):
    """The model directory cannot be served."""
