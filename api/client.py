"""A client of the gateway: typed answers, and another try where the gateway says that it may help."""

import asyncio
import random
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2
from pydantic import ValidationError

from api.schema import Detections, ModelCard, ModelCards, Problem

Image = bytes | str | Path
LONGEST_PAUSE = 30.0
RAW = {"Content-Type": "application/octet-stream"}


class GatewayError(Exception):
    """The gateway's problem with a request; its code is `unreachable` where no gateway answered."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(f"{problem.title}: {problem.detail}")
        self.problem, self.retry_after = problem, retry_after


class Client:
    """Asks a gateway, `tries` times at most. The key is an API key, where the gateway wants one."""

    def __init__(self, url: str, key: str | None = None, *, tries: int = 5, timeout: float = 60) -> None:
        self._http = httpx2.Client(base_url=url, headers=_headers(key), timeout=timeout)
        self._tries = tries

    def detect(self, image: Image, **query: Any) -> Detections:
        """The boxes of an image, its bytes or a file; the query is that of `POST /detect`. Raises GatewayError."""
        return Detections.model_validate_json(
            self._ask("POST", "/detect", content=_bytes(image), headers=RAW, params=query)
        )

    def model(self, name: str | None = None) -> ModelCard:
        """What the model of this name, or the default, is, and what may be sent to it. Raises GatewayError."""
        return ModelCard.model_validate_json(self._ask("GET", "/model", params=_named(name)))

    def models(self) -> list[ModelCard]:
        """The same of all models, the default first. Raises GatewayError."""
        return ModelCards.model_validate_json(self._ask("GET", "/models")).models

    def reload(self, name: str) -> ModelCard:
        """Have the gateway load the model's directory again; wants an admin key. Raises GatewayError."""
        return ModelCard.model_validate_json(self._ask("POST", f"/models/{quote(name, safe='')}/reload"))

    def _ask(self, method: str, path: str, **request: Any) -> bytes:
        for left in reversed(range(self._tries)):
            try:
                return _content(self._http.request(method, path, **request))
            except (GatewayError, httpx2.TransportError) as error:
                time.sleep(_pause(error, left, self._tries))
        raise AssertionError("the last try returns or raises")

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
        self._http = httpx2.AsyncClient(base_url=url, headers=_headers(key), timeout=timeout, transport=transport)
        self._tries = tries

    async def detect(self, image: Image, **query: Any) -> Detections:
        """The boxes of an image, its bytes or a file; the query is that of `POST /detect`. Raises GatewayError."""
        return Detections.model_validate_json(
            await self._ask("POST", "/detect", content=_bytes(image), headers=RAW, params=query)
        )

    async def model(self, name: str | None = None) -> ModelCard:
        """What the model of this name, or the default, is, and what may be sent to it. Raises GatewayError."""
        return ModelCard.model_validate_json(await self._ask("GET", "/model", params=_named(name)))

    async def models(self) -> list[ModelCard]:
        """The same of all models, the default first. Raises GatewayError."""
        return ModelCards.model_validate_json(await self._ask("GET", "/models")).models

    async def reload(self, name: str) -> ModelCard:
        """Have the gateway load the model's directory again; wants an admin key. Raises GatewayError."""
        return ModelCard.model_validate_json(await self._ask("POST", f"/models/{quote(name, safe='')}/reload"))

    async def ready(self, model: str | None = None) -> bool:
        """Whether images can be answered now, by this model or any; one try.

        Raises GatewayError where nothing answers at all, or there is no such model.
        """
        try:
            response = await self._http.get("/health/ready", params=_named(model))
            return response.is_success or (response.status_code == 404 and bool(_content(response)))
        except httpx2.TransportError as error:
            raise _unreachable(error) from error

    async def _ask(self, method: str, path: str, **request: Any) -> bytes:
        for left in reversed(range(self._tries)):
            try:
                return _content(await self._http.request(method, path, **request))
            except (GatewayError, httpx2.TransportError) as error:
                await asyncio.sleep(_pause(error, left, self._tries))
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _named(model: str | None) -> dict[str, str]:
    return {} if model is None else {"model": model}


def _headers(key: str | None) -> dict[str, str]:
    return {"X-API-Key": key} if key else {}


def _bytes(image: Image) -> bytes:
    return image if isinstance(image, bytes) else Path(image).read_bytes()


def _content(response: httpx2.Response) -> bytes:
    """The answer's bytes. Raises GatewayError where it is no success."""
    if response.is_success:
        return response.content
    wait = response.headers.get("Retry-After", "")
    raise GatewayError(_problem(response), float(wait) if wait.isdecimal() else None)


def _problem(response: httpx2.Response) -> Problem:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:  # from something between us and the gateway
        return _made(f"Status {response.status_code}", "It did not come from the gateway.", response.status_code)


def _made(title: str, detail: str, status: int, code: str = "no-problem") -> Problem:
    retryable = status in (408, 429, 502, 503, 504)
    members = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": ""}
    return Problem(**members, code=code, retryable=retryable, request_id="")


def _pause(error: GatewayError | httpx2.TransportError, left: int, tries: int) -> float:
    """Seconds until the next try: what the gateway asks for, else longer each time. Raises where there is no next."""
    if isinstance(error, httpx2.TransportError):
        error = _unreachable(error)
    if not left or not error.problem.retryable:
        raise error from error.__cause__
    wait = error.retry_after if error.retry_after is not None else 0.25 * 2.0 ** (tries - 1 - left)
    return min(LONGEST_PAUSE, wait) * random.uniform(1.0, 1.25)


def _unreachable(cause: httpx2.TransportError) -> GatewayError:
    error = GatewayError(_made("The gateway did not answer", type(cause).__name__, 503, code="unreachable"))
    error.__cause__ = cause
    return error
