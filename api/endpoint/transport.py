"""A signed request on its way to the endpoint, with connections that are kept. The only room that knows aiohttp.

botocore's own session blocks a thread for each call, and its timeouts belong to single reads: an answer that trickles
never ends. Here a call is a task: cancelled at its deadline or when its caller is gone, it closes its connection.
"""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from api.errors import EndpointUnavailable

OURS = ("User-Agent", "Accept", "Accept-Encoding")  # headers that aiohttp would add; a compressed answer is refused
CANCELLED_EARLY = 0.01  # seconds; the event loop may be this much ahead of the clock


@dataclass(frozen=True)
class Call:
    """One request's call of the endpoint: whose it is, and how many seconds it may last from now on."""

    request_id: str
    seconds: float
    began: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that it may still take."""
        return self.began + self.seconds - time.monotonic()

    @property
    def late(self) -> bool:
        """Whether its time is over: one that is cancelled before that has lost its caller."""
        return self.left <= CANCELLED_EARLY


class Reply(NamedTuple):
    """The endpoint's response: status, headers, and its body up to a byte over the limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Connections to one endpoint; on the event loop that sends first."""

    def __init__(
        self,
        url: str,
        connect_seconds: float,
        max_bytes: int,
        authorities: str | None = None,
        embedded: Path | None = None,
    ) -> None:
        self.url, self._connect_seconds, self._max_bytes = url, connect_seconds, max_bytes
        self._embedded, self._authorities = embedded, authorities
        self._proxy = None if embedded else _proxy(url)
        self._kept: aiohttp.ClientSession | None = None

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send once. Raises EndpointUnavailable, `reached` where the endpoint may have begun."""
        url = URL(self.url + path, encoded=True)
        try:
            async with self._session().post(
                url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy
            ) as response:
                return Reply(response.status, response.headers, await self._read(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError) as error:
            raise EndpointUnavailable("The endpoint cannot be reached.", retry_after=1, again="once") from error
        except (aiohttp.ClientError, OSError) as error:
            raise EndpointUnavailable("The connection to the endpoint broke.", retry_after=1, reached=True) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._kept:
            await self._kept.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        while len(body) <= self._max_bytes and (chunk := await response.content.readany()):
            body += chunk
        if len(body) > self._max_bytes:
            response.close()
        return bytes(body)

    def _session(self) -> aiohttp.ClientSession:
        if self._kept is None:
            self._kept = aiohttp.ClientSession(
                connector=self._connector(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a few bytes may stand for a gigabyte
                skip_auto_headers=OURS,
            )
        return self._kept

    def _connector(self) -> aiohttp.BaseConnector:
        if self._embedded:
            return aiohttp.UnixConnector(str(self._embedded), limit=0)
        tls = ssl.create_default_context(cafile=self._authorities) if self.url.startswith("https") else True
        return aiohttp.TCPConnector(limit=0, ssl=tls)  # the queue before the endpoint is the limit


def _proxy(url: str) -> str | None:
    """What HTTPS_PROXY and NO_PROXY say; never for loopback."""
    address = urlsplit(url)
    host = address.hostname or ""
    bypassed = host in {"127.0.0.1", "::1", "localhost"} or proxy_bypass(host)
    return None if bypassed else getproxies().get(address.scheme)
