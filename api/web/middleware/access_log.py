"""ASGI middleware around every request: its id, its one log line, its metrics."""

import logging
import re
import time
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.telemetry.metrics import Metrics
from api.telemetry.request_record import RequestRecord, begin_record

log = logging.getLogger("api.access")

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
QUIET = ("/health", "/metrics")  # asked for every few seconds, and of no interest
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AccessLog:
    """Every request has an id, the caller's own where it is sane; every response carries it and is logged once."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        record = begin_record(scope, given if SANE_ID.fullmatch(given) else uuid4().hex)
        response = _IdentifiedResponse(record.request_id, send)
        started = time.perf_counter()
        with self.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, response)
            finally:
                self._log(scope, record, response, time.perf_counter() - started)
        return None

    def _log(self, scope: Scope, record: RequestRecord, response: "_IdentifiedResponse", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in METHODS else "other"  # a client may invent any word
        code = record.code or ("ok" if 0 < response.status < 400 else "none")
        self.metrics.requests.labels(route, method, code).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if record.limit:
            self.metrics.rejected.labels(record.limit).inc()
        fields = {
            "request_id": record.request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": response.status,
            **record.known(),
            "bytes_out": response.bytes,
            "ms": round(seconds * 1000, 1),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        log.log(logging.DEBUG if route.startswith(QUIET) else logging.INFO, "request", extra={"fields": fields})


class _IdentifiedResponse:
    """One request's `send`: puts the id on the response, remembers its status and size."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id, self._send = request_id, send
        self.status, self.bytes = 0, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        self.bytes += len(message.get("body", b""))
        await self._send(message)
