"""Uploads on their way in: their size, their speed, and whether the client still waits for the response."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.admission.upload_bytes import UploadBytes
from api.errors import UploadTooLarge, UploadTooSlow
from api.telemetry.request_record import record_of
from api.web.authentication import network_of_client

DRAIN_SECONDS = 2.0
CALLER_GONE = "caller-gone"


class UploadLimits:
    """ASGI middleware: bodies come in within limits, and who hangs up frees what he held.

    A body has at most `max_bytes`, or what `wider` gives its path, and is in within so many seconds. Its bytes are
    reserved from `Content-Length` before the first is read, else as they come, and are free again when it is answered
    or rejected. A response that comes before the body was read closes the connection.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, wider: Mapping[str, int], seconds: float, held: UploadBytes
    ) -> None:
        self.app, self.max_bytes, self.wider, self.seconds, self.held = app, max_bytes, wider, seconds, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        upload = _Upload(self, scope, receive, send)
        try:
            await upload.serve(self.app)
        finally:
            upload.free()

    def most(self, path: str) -> int:
        """Most bytes of a body for this path, whatever prefix stands before it."""
        return next((most for end, most in self.wider.items() if path.endswith(end)), self.max_bytes)


class _Upload:
    """One request's body. Reading it raises UploadTooLarge, UploadTooSlow and Overloaded."""

    def __init__(self, limits: UploadLimits, scope: Scope, receive: Receive, send: Send) -> None:
        self.limits, self.scope, self._receive, self._send = limits, scope, receive, send
        self.ends_at = time.monotonic() + limits.seconds
        self.max_bytes = limits.most(scope["path"])
        self.caller = network_of_client(scope)
        self.bytes = self.reserved = 0
        self.complete = self.answered = self.gone = False
        self._leaving: asyncio.Task[None] | None = None
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        self.declared = int(declared) if declared.isdecimal() else 0
        self.asks_first = headers.get("expect", "").lower() == "100-continue"

    async def serve(self, app: ASGIApp) -> None:
        """Let the application answer, unless the caller goes away meanwhile."""
        answering = asyncio.current_task()
        assert answering, "uvicorn runs each request in a task"
        self._answering = answering
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self.gone:
                raise
            answering.uncancel()
        finally:
            if self._leaving:
                self._leaving.cancel()
                self._leaving = None  # no reference cycle is left for the garbage collector to look for

    async def _leave(self) -> None:
        """Cancel the response when the client disconnects; nothing else checks once the body is complete."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.answered:
            record_of(self.scope).code, self.gone = CALLER_GONE, True
            self._answering.cancel()

    async def receive(self) -> Message:
        """The next piece of the body."""
        if self.complete:
            await asyncio.Event().wait()  # until `_leave` has seen the caller go
        self._reserve(max(self.declared, self.bytes))
        async with self._timeout(math.inf):
            message = await self._next()
        if self.complete:
            self._leaving = asyncio.ensure_future(self._leave())
        self.bytes += len(message.get("body", b""))
        record_of(self.scope).bytes_in = self.bytes
        self._reserve(self.bytes)
        return message

    def free(self) -> None:
        """Give back what was reserved."""
        self.limits.held.free(self.caller, self.reserved)
        self.reserved = 0

    def _reserve(self, size: int) -> None:
        if size > self.max_bytes:
            raise UploadTooLarge(
                f"The body exceeds the limit of {self.max_bytes} bytes.", max_body_bytes=self.max_bytes
            )
        if size > self.reserved:
            self.limits.held.reserve(self.caller, size - self.reserved)
            self.reserved = size

    async def send(self, message: Message) -> None:
        """Before an early response, read on for a moment: clients that are disconnected while sending never see it."""
        if message["type"] == "http.response.start" and not self.complete:
            self.free()  # what is read from here on is thrown away
            if not self.asks_first:
                await self._drain()
            if not self.complete:
                MutableHeaders(scope=message)["Connection"] = "close"
        self.answered = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def _next(self) -> Message:
        message = await self._receive()
        self.complete = not message.get("more_body", False)
        return message

    async def _drain(self) -> None:
        allowance = 4 * self.max_bytes
        with suppress(UploadTooSlow):
            async with self._timeout(DRAIN_SECONDS):
                while not self.complete and allowance > 0:
                    allowance -= len((await self._next()).get("body", b""))

    @asynccontextmanager
    async def _timeout(self, seconds: float) -> AsyncIterator[None]:
        """Raises UploadTooSlow after so many seconds, and where the whole body is late."""
        try:
            async with asyncio.timeout(min(seconds, self.ends_at - time.monotonic())):
                yield
        except TimeoutError as error:
            raise UploadTooSlow(f"The body did not arrive within {self.limits.seconds:g} seconds.") from error
