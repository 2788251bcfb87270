"""HTTP traffic for the benchmarks: raw connections that are kept, so that asking costs little beside answering."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

GONE = 0  # the status of a request whose connection broke, or that was not answered in time
PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Asked:
    """One request: the status that it got, the seconds that took, when that was, and the seconds to wait if told."""

    status: int
    seconds: float
    ended: float = field(default_factory=time.perf_counter)
    retry_after: float = 0.0


@dataclass
class Traffic:
    """Requests to one server over as many connections as are needed at once, from `address` where one is given."""

    url: str
    address: str | None = None
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, request: bytes) -> Asked:
        """Send one request, as `post` makes them, and read its answer whole."""
        return await self._asked(request, len(request))

    async def stall(self, request: bytes) -> Asked:
        """Send a request but for its last bytes, and wait until the server has had enough of it."""
        return await self._asked(request, len(request) - 1000)

    async def _asked(self, request: bytes, sent: int) -> Asked:
        started, status, retry_after, stays = time.perf_counter(), GONE, 0.0, False
        reader, writer = await self._connection()
        try:
            async with asyncio.timeout(PATIENCE):
                writer.write(request[:sent])
                status, stays, retry_after = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if stays and sent == len(request):
                self.idle.append((reader, writer))
            else:
                writer.close()
        return Asked(status, time.perf_counter() - started, retry_after=retry_after)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is kept and still open, or a new one."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        address = urlsplit(self.url)
        source = (self.address, 0) if self.address else None
        return await asyncio.open_connection(address.hostname, address.port, local_addr=source)

    def close(self) -> None:
        """Hang up."""
        for _, writer in self.idle:
            writer.close()
        self.idle.clear()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool, float]:
    """The status of the next answer, whether the connection stays, and its Retry-After."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    await reader.readexactly(int(_header(head, b"content-length")))
    stays = _header(head, b"connection") != b"close"
    return int(head.split(b" ", 2)[1]), stays, float(_header(head, b"retry-after") or 0)


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b": ")[2].partition(b"\r\n")[0]


def post(image: bytes, path: str = "/detect", kind: str = "image/jpeg", **headers: str) -> bytes:
    """The bytes of a request that sends this image."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(image)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + image


def form(image: bytes, path: str = "/detect") -> bytes:
    """The bytes of a request that sends this image as browsers and curl do."""
    return _form([image], path)


def batch(images: list[bytes]) -> bytes:
    """The bytes of a request that sends these images as one batch."""
    return _form(images, "/detect/batch")


def _form(images: list[bytes], path: str) -> bytes:
    encoded = httpx2.Request("POST", "http://localhost", files=[("image", image) for image in images])
    return post(encoded.read(), path, encoded.headers["Content-Type"])


async def closed(ask: Callable[[], Awaitable[Asked]], clients: int, seconds: float) -> list[Asked]:
    """So many clients, each asking again as soon as it is answered."""
    ends, answers = time.perf_counter() + seconds, list[Asked]()

    async def client() -> None:
        while time.perf_counter() < ends:
            answers.append(await ask())

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def offered(ask: Callable[[], Awaitable[Asked]], rate: float, seconds: float) -> list[Asked]:
    """So many requests a second, whether the earlier ones are answered or not."""
    started, tasks = time.perf_counter(), list[asyncio.Task[Asked]]()
    for n in range(round(rate * seconds)):
        await asyncio.sleep(started + n / rate - time.perf_counter())
        tasks.append(asyncio.ensure_future(ask()))
    return await asyncio.gather(*tasks)


def percentile(answers: Iterable[Asked], share: float) -> float:
    """Milliseconds within which this share of the answers came."""
    seconds = sorted(answer.seconds for answer in answers)
    return 1000 * seconds[min(len(seconds) - 1, int(share * len(seconds)))] if seconds else 0.0


def statuses(answers: Iterable[Asked]) -> dict[int, int]:
    """How many got which status."""
    return dict(sorted(Counter(answer.status for answer in answers).items()))
