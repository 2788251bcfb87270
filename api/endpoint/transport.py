"""A signed request on its way to the endpoint: one deadline for the whole call, and a way to cut it off.

botocore's timeouts belong to a client and to single reads: an answer that trickles never ends, and what a request has
spent waiting cannot be taken off. So what botocore has signed is sent from here. The only room that knows urllib3.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3 import exceptions as failures
from urllib3.connection import HTTPConnection, HTTPSConnection

from api.endpoint.unix_socket import connect
from api.errors import DeadlineExceeded, EndpointUnavailable

CHUNK = 64 * 1024


class Call:
    """One request's call of the endpoint: whose it is, until when it may last; `abandon` ends it from any thread."""

    def __init__(self, request_id: str, seconds: float) -> None:
        self.request_id, self.seconds = request_id, seconds
        self.ends_at = time.monotonic() + seconds
        self._abandoned = threading.Event()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def left(self) -> float:
        """Seconds that it may still take."""
        return self.ends_at - time.monotonic()

    @property
    def unwanted(self) -> bool:
        """Given up before its time was over: the caller is gone."""
        return self._abandoned.is_set() and self.left > 0

    def pause(self, seconds: float) -> None:
        """Wait, but not for a caller who has gone."""
        self._abandoned.wait(min(seconds, max(0.0, self.left)))

    def abandon(self) -> None:
        """Cut the connection that it waits for: its thread is free again at once."""
        self._abandoned.set()
        with self._lock, suppress(OSError):
            if self._socket:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def hold(self, connection: socket.socket | None) -> None:
        """The connection to cut, or none any more. Raises DeadlineExceeded where it was abandoned before."""
        with self._lock:
            self._socket = connection
        if connection and (self._abandoned.is_set() or self.left <= 0):
            raise DeadlineExceeded("The deadline has passed.")


class Reply(NamedTuple):
    """The endpoint's answer: status, headers, and its body up to a byte over the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Connections to one endpoint; each belongs to the thread that opened it, so that cutting it hits nobody else."""

    def __init__(
        self,
        url: str,
        connect_seconds: float,
        most_bytes: int,
        authorities: str | None,
        embedded: Path | None = None,
    ) -> None:
        self._url, self._connect_seconds, self._most_bytes = url, connect_seconds, most_bytes
        self._embedded = embedded
        self._tls = ssl.create_default_context(cafile=authorities) if url.startswith("https") else None
        self._mine = threading.local()

    @contextmanager
    def during(self, call: Call) -> Iterator[None]:
        """What this thread sends meanwhile is part of the call."""
        _this_thread.call = call
        try:
            yield
        finally:
            call.hold(None)
            del _this_thread.call

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once. Raises DeadlineExceeded; EndpointUnavailable, `reached` where the endpoint may have begun."""
        left = _this_thread.call.left
        if left <= 0:
            raise DeadlineExceeded("The deadline has passed.")
        limit = urllib3.Timeout(connect=min(self._connect_seconds, left), read=left)
        options: dict[str, Any] = {"retries": False, "redirect": False, "preload_content": False, "timeout": limit}
        try:
            response = self._connections().urlopen(method, url, body=body, headers=headers, **options)
            return Reply(response.status, response.headers, self._read(response))
        except (failures.NewConnectionError, failures.ConnectTimeoutError, failures.ProxyError) as error:
            raise EndpointUnavailable("The endpoint cannot be reached.", retry_after=1, again="once") from error
        except failures.ReadTimeoutError as error:
            raise DeadlineExceeded("The endpoint did not respond before the deadline.", reached=True) from error
        except (failures.HTTPError, OSError) as error:
            raise EndpointUnavailable("The connection to the endpoint broke.", retry_after=1, reached=True) from error

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        body = bytearray()
        while len(body) <= self._most_bytes and (chunk := response.read(CHUNK, decode_content=False)):
            body += chunk
        if len(body) > self._most_bytes:
            response.close()
        return bytes(body)

    def _connections(self) -> urllib3.PoolManager:
        if not hasattr(self._mine, "connections"):
            self._mine.connections = self._open()
        connections: urllib3.PoolManager = self._mine.connections
        return connections

    def _open(self) -> urllib3.PoolManager:
        options: dict[str, Any] = {"num_pools": 1, "maxsize": 1, "ssl_context": self._tls}
        proxy = None if self._embedded else _proxy(self._url)
        connections = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        http = _embedded_pool(self._embedded, self._connect_seconds) if self._embedded else _HttpPool
        connections.pool_classes_by_scheme = {"http": http, "https": _HttpsPool}
        return connections


def _proxy(url: str) -> str | None:
    """What HTTPS_PROXY and NO_PROXY say; never for loopback."""
    address = urlsplit(url)
    host = address.hostname or ""
    bypassed = host in {"127.0.0.1", "::1", "localhost"} or proxy_bypass(host)
    return None if bypassed else getproxies().get(address.scheme)


_this_thread = threading.local()


class _Cuttable:
    """A connection that tells the call of its thread which socket it uses."""

    sock: Any

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]  # http.client's, in the classes below
        _this_thread.call.hold(self.sock)
        super().send(data)  # type: ignore[misc]


class _Http(_Cuttable, HTTPConnection):
    pass


class _Https(_Cuttable, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


def _embedded_pool(path: Path, seconds: float) -> type[urllib3.HTTPConnectionPool]:
    """Connections to the embedded endpoint's socket."""

    class Connection(_Http):
        def _new_conn(self) -> socket.socket:
            try:
                return connect(path, seconds)
            except OSError as error:
                raise failures.NewConnectionError(self, str(error)) from error

    class Pool(urllib3.HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https
