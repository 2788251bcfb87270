"""What the embedded endpoint is asked beside images: whether it answers, what it serves, to load a model again."""

import http.client
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from api.endpoint.contract import Serving
from api.errors import EndpointUnavailable, NotReloaded

LOADING_SECONDS = 120.0
MAX_BYTES = 16 * 1024 * 1024  # of a description: a model may have many labels


def answers(url: str, path: str) -> bool:
    """Whether a GET of this path is answered with 200 within two seconds."""
    try:
        return _ask(url, "GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def serving(url: str, name: str) -> Serving | None:
    """What is served under this name now; None where nothing is, or nobody says."""
    try:
        status, body = _ask(url, "GET", about(name))
        return Serving.model_validate_json(body) if status == 200 else None
    except (OSError, http.client.HTTPException, ValidationError):
        return None


def load_again(url: str, name: str) -> None:
    """Have a model directory loaded again, while what is served goes on. Raises NotReloaded and EndpointUnavailable."""
    try:
        status, body = _ask(url, "POST", f"{about(name)}/reload", LOADING_SECONDS)
    except (OSError, http.client.HTTPException) as error:
        raise EndpointUnavailable("The embedded endpoint cannot be reached.", retry_after=5) from error
    if status != 200:
        cause = RuntimeError(body.decode("utf-8", "replace"))
        detail = "What is in its model directory cannot be served; what was loaded before goes on. The log says why."
        raise NotReloaded(detail) from cause


def about(name: str) -> str:
    """Where the embedded endpoint says what it serves under a name."""
    return f"/endpoints/{quote(name, safe='')}"


def _ask(url: str, method: str, path: str, seconds: float = 2.0) -> tuple[int, bytes]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=seconds)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(MAX_BYTES)
    finally:
        connection.close()
