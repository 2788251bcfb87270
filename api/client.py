"""A client of the gateway: typed responses, and another try where that may help."""

import asyncio
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ValidationError

from api.client_errors import (
    FAILURES,
    LOOPBACK,
    GatewayError,
    checked_key,
    checked_url,
    ends_in_route,
    environment_errors,
    foreign,
    no_response,
    not_the_gateway,
    redirected,
    shown,
)
from api.schema import Detections, ModelCard, ModelCards, Problem, Readiness

__all__ = ["AsyncClient", "Client", "GatewayError", "Image"]

Image = bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes]
Answer = TypeVar("Answer", bound=BaseModel)

LONGEST_PAUSE = 30.0
CONNECT_SECONDS = 5.0
MOST_REDIRECTS = 5


class Client:
    """Asks a gateway, `tries` times at most. The API key is for a gateway that requires one. Raises GatewayError."""

    def __init__(self, url: str, key: str | None = None, *, tries: int = 5, timeout: float = 60) -> None:
        with environment_errors():
            self._http = httpx2.Client(**_options(url, key, timeout))
        self._tries = tries

    def detect(self, image: Image, **parameters: Any) -> Detections:
        """The objects in an image: its bytes, its path or a binary file; parameters are those of `POST /detect`.

        Raises GatewayError, and OSError where the file cannot be read.
        """
        return self._ask(_detect(image, parameters))

    def model(self, name: str | None = None) -> ModelCard:
        """What the model of this name, or the default, is, and what may be sent to it. Raises GatewayError."""
        return self._ask(_model(name))

    def models(self) -> list[ModelCard]:
        """The same of all models, the default first. Raises GatewayError."""
        return self._ask(_models()).models

    def reload(self, name: str) -> ModelCard:
        """Have the gateway load the model's directory again; requires an admin key. Raises GatewayError."""
        return self._ask(_reload(name))

    def _ask(self, call: "Call[Answer]") -> Answer:
        attempts = Attempts(self._http, call, self._tries)
        while True:
            try:
                if (answer := attempts.answer(self._http.send(attempts.request()))) is not None:
                    return answer
            except FAILURES as error:
                time.sleep(attempts.pause(error))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncClient:
    """The same for asyncio; `transport` may lead to an application in this process."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        tries: int = 5,
        timeout: float = 60,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        with environment_errors():
            self._http = httpx2.AsyncClient(transport=transport, **_options(url, key, timeout))
        self._tries = tries

    async def detect(self, image: Image, **parameters: Any) -> Detections:
        """The objects in an image: its bytes, its path or a binary file; parameters are those of `POST /detect`.

        Raises GatewayError, and OSError where the file cannot be read.
        """
        return await self._ask(_detect(image, parameters))

    async def model(self, name: str | None = None) -> ModelCard:
        """What the model of this name, or the default, is, and what may be sent to it. Raises GatewayError."""
        return await self._ask(_model(name))

    async def models(self) -> list[ModelCard]:
        """The same of all models, the default first. Raises GatewayError."""
        return (await self._ask(_models())).models

    async def reload(self, name: str) -> ModelCard:
        """Have the gateway load the model's directory again; requires an admin key. Raises GatewayError."""
        return await self._ask(_reload(name))

    async def ready(self, model: str | None = None) -> bool:
        """Whether this model, or any, can answer now; one try.

        Raises GatewayError where no gateway answers at all, or there is no such model.
        """
        return (await self._ask(_ready(model), tries=1)).status == "ready"

    async def _ask(self, call: "Call[Answer]", tries: int | None = None) -> Answer:
        attempts = Attempts(self._http, call, tries or self._tries)
        while True:
            try:
                if (answer := attempts.answer(await self._http.send(attempts.request()))) is not None:
                    return answer
            except FAILURES as error:
                await asyncio.sleep(attempts.pause(error))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _options(url: str, key: str | None, timeout: float) -> dict[str, Any]:
    limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
    around = dict.fromkeys(LOOPBACK)  # the proxies of the environment
    return {"base_url": checked_url(url), "headers": checked_key(key), "timeout": limits, "mounts": around}


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """What is sent, and what its response holds: with a successful status, or with one of `statuses`."""

    method: str
    path: str
    answer: type[Answer]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    content: bytes | None = None
    statuses: tuple[int, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The same for the HTTP library; what is None is left out."""
        given = {name: _listed(value) for name, value in self.parameters.items() if value is not None}
        headers = {} if self.content is None else {"Content-Type": "application/octet-stream"}
        return {"params": given or None, "content": self.content, "headers": headers}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, (set, frozenset)) else value


def _detect(image: Image, parameters: Mapping[str, Any]) -> Call[Detections]:
    return Call("POST", "/detect", Detections, parameters, _bytes(image))


def _model(name: str | None) -> Call[ModelCard]:
    return Call("GET", "/model", ModelCard, {"model": name})


def _models() -> Call[ModelCards]:
    return Call("GET", "/models", ModelCards)


def _reload(name: str) -> Call[ModelCard]:
    return Call("POST", f"/models/{quote(name, safe='')}/reload", ModelCard)


def _ready(model: str | None) -> Call[Readiness]:
    return Call("GET", "/health/ready", Readiness, {"model": model}, statuses=(503,))


def _bytes(image: Image) -> bytes:
    """All of the image's bytes; of a file, from its start, wherever it was read or written last."""
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    if isinstance(image, (str, os.PathLike)):
        return Path(image).read_bytes()
    if not hasattr(image, "read") or hasattr(image, "encoding"):
        raise TypeError(f"An image is bytes, a path or a file opened with open(path, 'rb'), not {image!r}.")
    if image.seekable():
        image.seek(0)
    return image.read()


class Attempts(Generic[Answer]):
    """One call until its response: what is sent next, and after which pause. The clients only send and sleep."""

    def __init__(self, http: httpx2.Client | httpx2.AsyncClient, call: Call[Answer], tries: int) -> None:
        self._http, self._call, self._tries = http, call, max(1, tries)
        self._failed = self._redirects = 0
        self._request: httpx2.Request | None = None

    def request(self) -> httpx2.Request:
        """What is to be sent now."""
        if self._request is None:
            self._request = self._http.build_request(self._call.method, self._call.path, **self._call.arguments)
        return self._request

    def answer(self, response: httpx2.Response) -> Answer | None:
        """What the response holds; None where it leads on. Raises GatewayError where it is none of the gateway's."""
        if response.has_redirect_location:
            self._redirect(response)
            return None
        if not response.is_success and response.status_code not in self._call.statuses:
            raise _refusal(response, self._http.base_url)
        try:
            return self._call.answer.model_validate_json(response.content)
        except ValidationError as error:
            raise foreign(response) from error

    def _redirect(self, response: httpx2.Response) -> None:
        """Send the same again, the image too, where the response leads. Raises GatewayError."""
        self._redirects += 1
        if self._redirects > MOST_REDIRECTS:
            raise not_the_gateway(f"{shown(response.url)} redirects again and again.", response)
        same = {**self._call.arguments, "params": None}  # the new URL has them
        self._request = self._http.build_request(self._call.method, redirected(response), **same)

    def pause(self, error: Exception) -> float:
        """Seconds until the next try: as the gateway says, else longer each time.

        Raises GatewayError where there is no further try, or none has any hope.
        """
        self._failed += 1
        url = self._request.url if self._request else self._http.base_url
        failure = error if isinstance(error, GatewayError) else no_response(error, url)
        if self._failed >= self._tries or not failure.problem.retryable:
            raise failure from (error.__cause__ if failure is error else error)
        wait = failure.retry_after if failure.retry_after is not None else 0.125 * 2.0**self._failed
        return min(LONGEST_PAUSE, wait) * random.uniform(1.0, 1.25)


def _refusal(response: httpx2.Response, base: httpx2.URL) -> GatewayError:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:  # from something between us and the gateway
        problem = foreign(response).problem
    if response.status_code in (404, 405):
        problem = problem.model_copy(update={"detail": problem.detail + ends_in_route(base)})
    wait = response.headers.get("Retry-After", "")
    return GatewayError(problem, float(wait) if wait.isdecimal() else None)
