"""What the embedded endpoint is asked beside images: whether it answers, what it serves, to load a model again."""

import http.client
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from api.endpoint.contract import Serving
from api.errors import EndpointUnavailable, NotReloaded

URL = "http://embedded"  # a name for what is behind the socket
LOADING_SECONDS = 120.0
MAX_BYTES = 16 * 1024 * 1024  # of a description: a model may have many labels


class _Connection(http.client.HTTPConnection):
    """HTTP over the embedded endpoint's socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("embedded", timeout=seconds)
        self._path, self._seconds = path, seconds

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self._seconds)
        self.sock.connect(str(self._path))


def answers(url: str, path: str) -> bool:
    """Whether a GET of this path from a gateway on this machine is answered with 200 within two seconds."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2.0)
    try:
        return _ask(connection, "GET", path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def serving(embedded: Path, name: str) -> Serving | None:
    """What is served under this name now; None if there is none, or no response."""
    try:
        status, body = _ask(_Connection(embedded, 2.0), "GET", about(name))
        return Serving.model_validate_json(body) if status == 200 else None
    except (OSError, http.client.HTTPException, ValidationError):
        return None


def load_again(embedded: Path, name: str) -> None:
    """Have a model directory loaded again, while what is served goes on. Raises NotReloaded and EndpointUnavailable."""
    try:
        status, body = _ask(_Connection(embedded, LOADING_SECONDS), "POST", f"{about(name)}/reload")
    except (OSError, http.client.HTTPException) as error:
        raise EndpointUnavailable("The embedded endpoint cannot be reached.", retry_after=5) from error
    if status != 200:
        cause = RuntimeError(body.decode("utf-8", "replace"))
        detail = "The model directory cannot be served; the previous model stays in use. The log says why."
        raise NotReloaded(detail) from cause


def about(name: str) -> str:
    """Where the embedded endpoint says what it serves under a name."""
    return f"/endpoints/{quote(name, safe='')}"


def _ask(connection: http.client.HTTPConnection, method: str, path: str) -> tuple[int, bytes]:
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read(MAX_BYTES)
    finally:
        connection.close()
