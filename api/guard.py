"""Admission: who and what gets in, and how much at once."""

import asyncio
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Overloaded, UploadTooLarge, UploadTooSlow

T = TypeVar("T")
SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class RequestId:
    """ASGI middleware: every request has an id, the caller's own where it is sane, and every answer carries it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if SANE_ID.fullmatch(given) else uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        return await self.app(scope, receive, send_with_id)


class BodyLimit:
    """ASGI middleware: a body has at most so many bytes, counted as they stream, and is in within so many seconds."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self.app, self.max_bytes, self.seconds = app, max_bytes, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        return await self.app(scope, _Counted(self, scope, receive), send)


class _Counted:
    """One request's `receive`. Raises UploadTooLarge and UploadTooSlow into whoever reads the body."""

    def __init__(self, limit: BodyLimit, scope: Scope, receive: Receive) -> None:
        self.limit, self.receive = limit, receive
        self.ends_at = time.monotonic() + limit.seconds
        self.bytes, self.complete = 0, False
        declared = Headers(scope=scope).get("content-length", "")
        self.declared = int(declared) if declared.isdecimal() else 0
        self.asks_first = Headers(scope=scope).get("expect", "").lower() == "100-continue"

    async def __call__(self) -> Message:
        if self.complete:
            return await self.receive()
        if self.declared > self.limit.max_bytes:
            await self._refuse()
        message = await self._next()
        self.bytes += len(message.get("body", b""))
        self.complete = not message.get("more_body", False)
        if self.bytes > self.limit.max_bytes:
            await self._refuse()
        return message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(self.ends_at - time.monotonic()):
                return await self.receive()
        except TimeoutError as error:
            self.complete = True
            raise UploadTooSlow(f"The body was not in within {self.limit.seconds:g} seconds.") from error

    async def _refuse(self) -> None:
        if not self.asks_first:
            await self._drain()
        self.complete = True
        raise UploadTooLarge(f"The body is over {self.limit.max_bytes} bytes.", max_body_bytes=self.limit.max_bytes)

    async def _drain(self) -> None:
        """Read on for a moment: a client that is cut off while it sends never sees the answer."""
        allowance = 4 * self.limit.max_bytes
        try:
            async with asyncio.timeout(min(2.0, self.ends_at - time.monotonic())):
                while not self.complete and allowance > 0:
                    message = await self.receive()
                    allowance -= len(message.get("body", b""))
                    self.complete = not message.get("more_body", False)
        except TimeoutError:
            pass


class Pool:
    """Threads for blocking work with a bounded line before them; who finds it full gets 429 at once."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(threads + waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """The work's result. A caller who gives up frees his place when the work ends, not before.

        Raises Overloaded where no place is free, and whatever the work raises.
        """
        if not self._places.acquire(blocking=False):
            raise Overloaded("More is being worked on than may wait. Try again in a second.", retry_after=1)
        future = self._executor.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let no more work in, and forget what waits."""
        self._executor.shutdown(wait=False, cancel_futures=True)
