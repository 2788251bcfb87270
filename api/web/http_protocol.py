"""uvicorn's HTTP/1.1, with limits for request heads and for the time to read a response; a stop drops no request."""

import asyncio
import json
from contextlib import suppress
from ipaddress import IPv6Address

from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.errors import MalformedUpload
from api.web.problems import problem

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 64 * 1024
ANSWER_SECONDS = 60.0
LINGER_SECONDS = 1
PROBE_SECONDS = 0.05
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n"
)


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _waiting: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for a request's head, up to a limit."""
        super().connection_made(transport)
        self.client = self.client and (_unmapped(self.client[0]), self.client[1])
        transport.set_write_buffer_limits(high=0)  # so that writing is paused while anything is left to send
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """From the first byte that the client does not take, the rest of the answer has its time."""
        super().pause_writing()
        if self._sending is None:
            self._sending = self.loop.call_later(ANSWER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """All is sent that there was to send by now."""
        super().resume_writing()
        if not self._answering():
            self._stop_sending()

    def on_response_complete(self) -> None:
        """Count no longer, unless bytes are left."""
        super().on_response_complete()
        if not self.flow.write_paused:
            self._stop_sending()

    def data_received(self, data: bytes) -> None:
        """A head that has begun has its time, and its size, too."""
        super().data_received(data)
        if self._answering():
            self._stop_waiting()
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("too large")
        elif self._waiting is None:
            self._wait_for_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """A client that has sent everything may still wait for its response; only a write shows whether it is gone."""
        if not self._answering() or self.cycle.more_body or self.scope["http_version"] != "1.1":
            return False
        for seconds in (0, PROBE_SECONDS):
            self.loop.call_later(seconds, self._probe)
        return True

    def _probe(self) -> None:
        if self._answering() and not self.cycle.response_started and not self.transport.is_closing():
            self.transport.write(CONTINUE)

    def shutdown(self) -> None:
        """A request may be on its way on an idle connection: linger, so that it is answered before the end."""
        if CLOSE_HEADER not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, CLOSE_HEADER]
        self.timeout_keep_alive = LINGER_SECONDS
        if self._answering():
            self.cycle.default_headers = self.server_state.default_headers
        else:
            self.loop.call_later(LINGER_SECONDS, self._end_if_idle)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets a problem too; behind a whole request it ends the connection once that is answered."""
        if self._answering() and not self.cycle.more_body:
            self.cycle.keep_alive = False
            return
        body = json.dumps(problem(MalformedUpload("This is not a valid HTTP request."), "", "")).encode()
        self.transport.write(BAD_REQUEST % len(body) + body)
        self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_if_idle(self) -> None:
        if not self._answering() and not self.transport.is_closing():
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._end_if_idle)

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.cancel()
            self._waiting = None

    def _stop_sending(self) -> None:
        if self._sending:
            self._sending.cancel()
            self._sending = None


def _unmapped(address: str) -> str:
    """An IPv4 client's own address, where a socket for IPv6 took it in (RFC 4291, 2.5.5.2)."""
    with suppress(ValueError):
        return str(IPv6Address(address).ipv4_mapped or address)
    return address
