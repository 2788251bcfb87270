"""HTTP: GET /ping and POST /invocations, as SageMaker calls a container, and POST /endpoints/{name}/invocations,
as boto3 calls SageMaker, so that its `endpoint_url` may point here."""

from __future__ import annotations

import asyncio
import logging
import uuid
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runner import Model, NotReady, QueueFull

MAX_BODY = 6_291_456  # SageMaker's limit for a real-time request
MAX_DRAINED = 8 * MAX_BODY  # read to the end up to here, since clients hear an answer only after they have sent all
MAX_SECONDS = 60  # SageMaker's limit for a whole request

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the container says; `error` is the name that SageMaker's runtime gives to a failure of the platform."""

    status: int
    content: bytes
    media_type: str = "text/plain; charset=utf-8"
    error: str | None = None


NOT_READY = Answer(503, b"the model is still loading", error="ModelNotReadyException")
QUEUE_FULL = Answer(503, b"too many requests are waiting", error="ServiceUnavailable")
TOO_LARGE = Answer(413, b"the body is larger than 6291456 bytes", error="ValidationError")
TOO_SLOW = Answer(408, b"the body did not arrive in time", error="ValidationError")
# Where the runtime's status is another than the container's.
RUNTIME_STATUS = {"ModelNotReadyException": 429}


def create_app(model: Model) -> Starlette:
    """Return the application that serves this model."""

    async def ping(request: Request) -> Response:
        return PlainTextResponse("" if model.ready else NOT_READY.content, 200 if model.ready else 503)

    async def invocations(request: Request) -> Response:
        return as_container(await invoke(model, request))

    async def endpoint(request: Request) -> Response:
        return as_runtime(await invoke(model, request))

    return Starlette(
        routes=[
            Route("/ping", ping),
            Route("/invocations", invocations, methods=["POST"]),
            Route("/endpoints/{name}/invocations", endpoint, methods=["POST"]),
        ]
    )


async def invoke(model: Model, request: Request) -> Answer:
    """Run a request through the model. No input raises."""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            body = await read_body(request)
        if body is None:
            return TOO_LARGE
        headers = request.headers
        content, media_type = await model.answer(body, headers.get("content-type"), headers.get("accept"))
        return Answer(200, content, media_type)
    except NotReady:
        return NOT_READY
    except QueueFull:
        return QUEUE_FULL
    except (TimeoutError, ClientDisconnect):
        return TOO_SLOW
    except Exception as exc:
        return refusal(exc)


async def read_body(request: Request) -> bytes | None:
    """Read the body, or return None if it is too large, without keeping it."""
    body, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_DRAINED:
            return None
        if size <= MAX_BODY:
            body += part
    return bytes(body) if size <= MAX_BODY else None


def refusal(exc: Exception) -> Answer:
    """Turn what a hook raised into an answer: its own words where it carries a status, ours where it does not."""
    status, message = getattr(exc, "status_code", None), getattr(exc, "message", None)
    if isinstance(status, int) and isinstance(message, str):
        return Answer(status, message.encode())
    log.error("the hooks failed", exc_info=exc)
    return Answer(500, b"the model failed on this request")


def as_container(answer: Answer) -> Response:
    """Answer as a container does."""
    return finished(Response(answer.content, answer.status, media_type=answer.media_type), answer)


def as_runtime(answer: Answer) -> Response:
    """Answer as SageMaker's runtime does: what the container refuses is a ModelError with its words inside."""
    if answer.status < 400:
        headers = {"x-Amzn-Invoked-Production-Variant": "AllTraffic", "x-amzn-RequestId": str(uuid.uuid4())}
        return Response(answer.content, answer.status, headers, answer.media_type)
    text = answer.content.decode()
    if answer.error:
        status = RUNTIME_STATUS.get(answer.error, answer.status)
        return finished(runtime_error(status, answer.error, {"Message": text}), answer)
    details = {"OriginalStatusCode": answer.status, "OriginalMessage": text, "LogStreamArn": ""}
    side = "client" if answer.status < 500 else "server"
    words = f'Received {side} error ({answer.status}) from primary with message "{text}".'
    return finished(runtime_error(424, "ModelError", {**details, "Message": words}), answer)


def runtime_error(status: int, name: str, details: dict[str, object]) -> Response:
    """Write an error in the way that boto3 reads."""
    headers = {"x-amzn-ErrorType": name, "x-amzn-RequestId": str(uuid.uuid4())}
    return JSONResponse(details, status, headers)


def finished(response: Response, answer: Answer) -> Response:
    """End the connection where part of the body was left unread."""
    if answer in (TOO_LARGE, TOO_SLOW):
        response.headers["connection"] = "close"
    return response
