"""HTTP: GET /ping, POST /invocations and GET /execution-parameters, as SageMaker calls a container.

POST /endpoints/{name}/invocations is as boto3 calls SageMaker, so that its `endpoint_url` may point here. A gateway
also asks which model is served.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from inference.server.limits import Limits
from inference.server.model import CannotServe, Model, NotReady, QueueFull

DRAINED = 44_040_192  # bytes over the limit that are read, since clients hear an answer only after they have sent all
MAX_SECONDS = 60  # SageMaker's limit for a whole request

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What became of a request; `error` is the name that SageMaker's runtime gives to a failure of the platform."""

    status: int
    content: bytes
    media_type: str = "text/plain; charset=utf-8"
    error: str | None = None
    revision: str = ""


NOT_READY = Result(503, b"the model is still loading", error="ModelNotReadyException")
QUEUE_FULL = Result(503, b"too many requests are waiting", error="ServiceUnavailable")
CANNOT_SERVE = Result(503, b"the model cannot be served", error="ServiceUnavailable")
NO_SUCH_MODEL = Result(400, b"there is no endpoint of this name", error="ValidationError")
TOO_SLOW = Result(408, b"the body did not arrive in time", error="ValidationError")
# Where the runtime's status is another than the container's.
RUNTIME_STATUS = {"ModelNotReadyException": 429}


def create_app(models: Mapping[str, Model], limits: Limits, alone: bool) -> Starlette:
    """Return the application that serves these models; a container's routes serve the first.

    `alone`: no other process serves them from the same socket, so that one may be loaded again from here.
    """
    first = next(iter(models.values()))
    max_body = limits.max_body

    def named(request: Request) -> Model | None:
        return first if len(models) == 1 else models.get(request.path_params["name"])

    async def ping(request: Request) -> Response:
        return PlainTextResponse("" if first.ready else NOT_READY.content, 200 if first.ready else 503)

    async def invocations(request: Request) -> Response:
        return as_container(await invoke(first, request, max_body))

    async def execution_parameters(request: Request) -> Response:
        return JSONResponse(limits.execution_parameters())

    async def endpoint(request: Request) -> Response:
        return as_runtime(await invoke(named(request), request, max_body))

    async def about(request: Request) -> Response:
        return description(named(request))

    async def reload(request: Request) -> Response:
        if not alone:
            return PlainTextResponse("there are several workers: send SIGHUP to the first process", 409)
        return await load_again(named(request), request)

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/execution-parameters", execution_parameters),
            Route("/endpoints/{name}/invocations", endpoint, methods=["POST"]),
            Route("/endpoints/{name}", about),
            Route("/endpoints/{name}/reload", reload, methods=["POST"]),
        ]
    )


def description(model: Model | None) -> Response:
    """Say what is served, and by which load of it."""
    if model is None or model.loaded is None:
        return PlainTextResponse("nothing is served under this name", 404 if model is None else 503)
    return JSONResponse({"revision": model.loaded.revision, "model": model.loaded.description})


def browsing(request: Request) -> bool:
    """Tell whether a browser sent this: such headers are its own, and no page can leave them out."""
    return "origin" in request.headers or "sec-fetch-site" in request.headers


async def load_again(model: Model | None, request: Request) -> Response:
    """Load the model directory again; the answer comes when that has ended.

    For who has the socket's file, or is on this machine and is no page in its browser.
    """
    if request.client and (browsing(request) or not ipaddress.ip_address(request.client.host).is_loopback):
        return PlainTextResponse("only this machine may, and no page in a browser", 403)
    if model:
        try:
            await asyncio.wrap_future(model.load())
        except Exception as exc:
            return PlainTextResponse(" ".join(str(exc).split())[:300], 409)
    return description(model)


async def invoke(model: Model | None, request: Request, max_body: int) -> Result:
    """Run a request through the model. No input raises."""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            body = await read_body(request, max_body)
        if body is None:
            return Result(413, f"the body is larger than {max_body} bytes".encode(), error="ValidationError")
        if model is None:
            return NO_SUCH_MODEL
        headers = request.headers
        predicted = await model.predict(body, headers.get("content-type"), headers.get("accept"))
        return Result(200, predicted.content, predicted.media_type, revision=predicted.revision)
    except NotReady:
        return NOT_READY
    except CannotServe:
        return CANNOT_SERVE
    except QueueFull:
        return QUEUE_FULL
    except (TimeoutError, ClientDisconnect):
        return TOO_SLOW
    except Exception as exc:
        return refusal(exc)


async def read_body(request: Request, max_body: int) -> bytes | None:
    """Read the body, or return None if it is too large, without keeping it."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size > max_body + DRAINED:
            return None
        if size <= max_body:
            body += part
    return bytes(body) if size <= max_body else None


def refusal(exc: Exception) -> Result:
    """Turn what a hook raised into an answer: its own words where it carries a status, ours where it does not."""
    status, message = getattr(exc, "status_code", None), getattr(exc, "message", None)
    if isinstance(status, int) and isinstance(message, str):
        return Result(status, message.encode())
    log.error("the hooks failed", exc_info=exc)
    return Result(500, b"the model failed on this request")


def as_container(result: Result) -> Response:
    """Answer as a container does."""
    return finished(Response(result.content, result.status, media_type=result.media_type), result)


def as_runtime(result: Result) -> Response:
    """Answer as SageMaker's runtime does: what the container refuses is a ModelError with its words inside."""
    if result.status < 400:
        headers = {"x-Amzn-Invoked-Production-Variant": "AllTraffic", "x-amzn-RequestId": str(uuid.uuid4())}
        headers["X-Amzn-SageMaker-Custom-Attributes"] = result.revision
        return Response(result.content, result.status, headers, result.media_type)
    text = result.content.decode()
    if result.error:
        status = RUNTIME_STATUS.get(result.error, result.status)
        return finished(runtime_error(status, result.error, {"Message": text}), result)
    details = {"OriginalStatusCode": result.status, "OriginalMessage": text, "LogStreamArn": ""}
    side = "client" if result.status < 500 else "server"
    words = f'Received {side} error ({result.status}) from primary with message "{text}".'
    return finished(runtime_error(424, "ModelError", {**details, "Message": words}), result)


def runtime_error(status: int, name: str, details: dict[str, object]) -> Response:
    """Write an error in the way that boto3 reads."""
    headers = {"x-amzn-ErrorType": name, "x-amzn-RequestId": str(uuid.uuid4())}
    return JSONResponse(details, status, headers)


def finished(response: Response, result: Result) -> Response:
    """End the connection where part of the body was left unread."""
    if result.status in (408, 413) and result.error:
        response.headers["connection"] = "close"
    return response
