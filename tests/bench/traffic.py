"""HTTP traffic for the benchmarks: raw connections that are kept, so that asking costs little beside answering."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

GONE = 0  # the status of a request whose connection broke


@dataclass(frozen=True)
class Asked:
    """One request: the status that it got, and the seconds that took."""

    status: int
    seconds: float


@dataclass
class Traffic:
    """Requests to one gateway over as many connections as are needed at once."""

    url: str
    idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    async def ask(self, request: bytes) -> Asked:
        """Send one request, as `post` makes them, and read its answer whole."""
        started = time.perf_counter()
        try:
            reader, writer = await self._connection()
            writer.write(request)
            status, stays = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError):
            return Asked(GONE, time.perf_counter() - started)
        if stays:
            self.idle.append((reader, writer))
        else:
            writer.close()
        return Asked(status, time.perf_counter() - started)

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that is kept and still open, or a new one."""
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        address = urlsplit(self.url)
        return await asyncio.open_connection(address.hostname, address.port)

    def close(self) -> None:
        """Hang up."""
        for _, writer in self.idle:
            writer.close()
        self.idle.clear()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), b"\r\nconnection: close" not in head


def post(image: bytes, path: str = "/detect", kind: str = "image/jpeg", **headers: str) -> bytes:
    """The bytes of a request that sends this image."""
    lines = [f"POST {path} HTTP/1.1", "Host: bench", f"Content-Type: {kind}", f"Content-Length: {len(image)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + image


def batch(images: list[bytes]) -> bytes:
    """The bytes of a request that sends these images as one batch."""
    form = httpx2.Request("POST", "http://bench", files=[("image", image) for image in images])
    return post(form.read(), "/detect/batch", form.headers["Content-Type"])


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
