"""Errors as clients see them: problem+json (RFC 9457), or the dialect that the request is in; who writes them."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from api.errors import DetectError, Internal, InvalidParameter, MalformedUpload, MethodNotAllowed, NotFound
from api.telemetry.request_record import record_of

log = logging.getLogger(__name__)


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


class Dialect(NamedTuple):
    """A dialect: whether a request is in it, told from its head alone, and how it says that something is wrong."""

    speaks: Callable[[Request], bool]
    failure: Callable[[DetectError, str], JSONResponse]


def problem_response(request: Request, error: DetectError) -> JSONResponse:
    """The response to any refusal: by a route, authentication, admission or a limit."""
    _note(request, error)
    request_id = record_of(request.scope).request_id
    dialects: tuple[Dialect, ...] = request.app.state.dialects
    for dialect in dialects:
        if dialect.speaks(request):
            return dialect.failure(error, request_id)
    body = problem(error, quote(request.scope["path"]), request_id)
    return JSONResponse(body, error.status, headers=error.headers, media_type="application/problem+json")


def path_of(request: Request) -> str:
    """The path behind whatever prefix this gateway has."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


def _note(request: Request, error: DetectError) -> None:
    """Write into the request's record what went wrong; a bug of ours is logged with its traceback."""
    record = record_of(request.scope)
    record.code, record.detail, record.limit = error.code, error.detail, error.members.get("limit")
    if error.__cause__:
        record.cause = _cause(error.__cause__)
    if isinstance(error, Internal):
        log.error("bug", extra={"fields": {"request_id": record.request_id}}, exc_info=error)


def _cause(error: BaseException) -> str:
    """What happened underneath, in one short line; without the bytes that some exceptions quote."""
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}"[:300]


def install_handlers(app: FastAPI, dialects: tuple[Dialect, ...]) -> None:
    """Every exception that leaves a route becomes a problem; Starlette finds the handler by the class's ancestors."""
    app.state.dialects = dialects
    app.exception_handler(DetectError)(_on_ours)
    app.exception_handler(RequestValidationError)(_on_parameter)
    app.exception_handler(HTTPException)(_on_routing)


async def _on_ours(request: Request, error: DetectError) -> JSONResponse:
    return problem_response(request, error)


async def _on_parameter(request: Request, error: RequestValidationError) -> JSONResponse:
    names = sorted({str(e["loc"][-1] if isinstance(e["loc"][-1], str) else e["loc"][-2]) for e in error.errors()})
    detail = f"Invalid or out of range: {', '.join(names)}. /docs lists the ranges."
    return problem_response(request, InvalidParameter(detail, parameters=names))


async def _on_routing(request: Request, error: HTTPException) -> JSONResponse:
    known = {
        404: NotFound("No such path; /docs lists all."),
        405: MethodNotAllowed(f"Allowed methods: {(error.headers or {}).get('Allow', 'see /docs')}."),
    }
    ours = known.get(error.status_code) or MalformedUpload("The request could not be read.")
    ours.headers.update(error.headers or {})
    return problem_response(request, ours)
