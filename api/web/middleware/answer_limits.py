"""Answers on their way out: a large one counts as held until it is taken, and gets 429 where that would be too much."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.admission.upload_bytes import UploadBytes
from api.errors import Overloaded
from api.web.authentication import network_of_client
from api.web.problems import problem_response

PIECE = 64 * 1024


class AnswerLimits:
    """ASGI middleware: sends in pieces, each when the last is taken, so that a slow reader's answer stays counted.

    A client that does not read it is disconnected by api/web/http_protocol.py, which ends the counting.
    """

    def __init__(self, app: ASGIApp, held: UploadBytes) -> None:
        self.app, self.held = app, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        response = _BoundedResponse(self.held, Request(scope, receive), send)
        try:
            await self.app(scope, receive, response)
        finally:
            self.held.free(response.caller, response.bytes)


class _BoundedResponse:
    """One request's `send`: the start waits for the first of the body, whose size decides."""

    def __init__(self, held: UploadBytes, request: Request, send: Send) -> None:
        self.held, self.request, self._send = held, request, send
        self.start: Message | None = None
        self.caller = network_of_client(request.scope)
        self.bytes, self.refused = 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        if self.start:
            await self._begin(self.start, len(message.get("body", b"")))
            self.start = None
        if not self.refused:
            await self._in_pieces(message)

    async def _begin(self, start: Message, size: int) -> None:
        try:
            if size > PIECE:
                self.held.reserve(self.caller, size)
                self.bytes = size
            await self._send(start)
        except Overloaded as error:
            self.refused = True
            await problem_response(self.request, error)(self.request.scope, self.request.receive, self._send)

    async def _in_pieces(self, message: Message) -> None:
        body = message.get("body", b"")
        while len(body) > PIECE:
            await self._send({**message, "body": body[:PIECE], "more_body": True})
            body = memoryview(body)[PIECE:]
        await self._send({**message, "body": body})
