"""Clients that put load on a gateway, or leave it."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from tests.example_images import jpeg
from tests.waiting import wait_for

IMAGE = jpeg()


JPEG = {"Content-Type": "image/jpeg"}


EVERYTHING = "/detect?min_score=0.01"


class Load:
    """Clients that ask without a pause, every other one on a new connection each time; what each of them got."""

    def __init__(self, url: str, clients: int, images: list[bytes]) -> None:
        self.url, self.images = url, images
        self.stop = threading.Event()
        self.answers: list[tuple[int, bytes, Any]] = []
        self.failures: list[str] = []
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def _ask(self, n: int) -> None:
        headers = {**JPEG, "Connection": "keep-alive" if n % 2 else "close"}
        with httpx2.Client(base_url=self.url, timeout=30) as client:
            while not self.stop.is_set():
                image = self.images[n // 2 % len(self.images)]
                started = time.monotonic()
                try:
                    response = client.post(EVERYTHING, content=image, headers=headers)
                    self.answers.append((response.status_code, image, response))
                except httpx2.HTTPError as error:
                    self.failures.append(repr(error))
                self.slowest = max(self.slowest, time.monotonic() - started)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(status for status, _, _ in self.answers)


@contextmanager
def load(url: str, clients: int = 4, images: list[bytes] | None = None) -> Iterator[Load]:
    running = Load(url, clients, images or [IMAGE])
    for thread in running._threads:
        thread.start()
    try:
        yield running
    finally:
        running.stop.set()
        for thread in running._threads:
            thread.join()


def hang_up_after(client: httpx2.Client, body: bytes, condition: Callable[[], bool]) -> None:
    """Post an image and leave as soon as the condition is true."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        headers = f"Content-Type: image/jpeg\r\nContent-Length: {len(body)}"
        connection.sendall(f"POST /detect HTTP/1.1\r\nHost: here\r\n{headers}\r\n\r\n".encode() + body)
        wait_for(condition)
