"""ASGI middleware around every request: its id, its one log line, its figures; and an answer to bugs of ours."""

import logging
import re
import time
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Internal, problem_response
from api.metrics import Metrics

log = logging.getLogger("api.access")

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
QUIET = ("/health", "/metrics")  # asked for every few seconds, and of no interest
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOTED = ("code", "detail", "cause", "key", "model", "bytes_in", "picture", "pictures", "detections", "timing_ms")


class Access:
    """Every request has an id, the caller's own where it is sane; every answer carries it and is logged once."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        state: dict[str, Any] = scope.setdefault("state", {})
        given = Headers(scope=scope).get("x-request-id", "")
        state["request_id"] = given if SANE_ID.fullmatch(given) else uuid4().hex
        answer = _Answer(state["request_id"], send)
        started = time.perf_counter()
        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, answer)
            finally:
                self._note(scope, answer, time.perf_counter() - started)
        return None

    def _note(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        state, route = scope["state"], getattr(scope.get("route"), "path", "unmatched")
        code = state.get("code", "ok" if 0 < answer.status < 400 else "none")
        method = scope["method"] if scope["method"] in METHODS else "other"  # a client may invent any word
        self.metrics.requests.labels(route, method, code).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        told = {
            "request_id": state["request_id"],
            "method": scope["method"],
            "path": scope["path"],
            "status": answer.status,
            **{name: state[name] for name in NOTED if name in state},
            "bytes_out": answer.bytes,
            "ms": round(seconds * 1000, 1),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        log.log(logging.DEBUG if route.startswith(QUIET) else logging.INFO, "request", extra={"fields": told})


class _Answer:
    """One request's `send`: puts the id on the answer, remembers its status and size."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id, self._send = request_id, send
        self.status, self.bytes = 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        self.bytes += len(message.get("body", b""))
        await self._send(message)


class Bugs:
    """ASGI middleware: what nobody expected becomes a problem too, inside the middleware that is around every answer.

    Starlette's own place for that is outside of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            bug = Internal("This is a fault of ours, noted under the request's id.")
            bug.__cause__ = error
            await problem_response(Request(scope), bug)(scope, receive, send)
