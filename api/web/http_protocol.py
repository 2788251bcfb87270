"""uvicorn's HTTP/1.1, and: heads come and answers go in time, junk gets a problem, a stop cuts nobody off."""

import asyncio
import json

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.errors import MalformedUpload
from api.web.problems import problem

HEAD_SECONDS = 10.0
ANSWER_SECONDS = 60.0
LINGER_SECONDS = 1


class HttpProtocol(H11Protocol):
    """One connection."""

    _waiting: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Wait for a request's head, not for ever."""
        super().connection_made(transport)
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
        """A head that has begun has its time too."""
        super().data_received(data)
        if self._answering():
            self._stop_waiting()
        elif self._waiting is None:
            self._wait_for_head()

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
        """What is no HTTP gets a problem too."""
        body = json.dumps(problem(MalformedUpload("This is no HTTP request that we understand."), "", "")).encode()
        headers = [
            ("Content-Type", "application/problem+json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
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
