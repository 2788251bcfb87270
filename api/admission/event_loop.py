"""How long the event loop takes to come round, which each request waits for several times, whatever it asks."""

import asyncio
import time

PERIOD = 0.05  # seconds
TURNS = 15  # of the loop, about, that a request takes from its head to its answer


class EventLoopLag:
    """An average of the last moments; zero until it is watched."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._watching: asyncio.Task[None] | None = None

    @property
    def wait(self) -> float:
        """Seconds, about, that a request will spend waiting for the loop."""
        return TURNS * self._seconds

    def start(self) -> None:
        """Watch the running loop."""
        self._watching = asyncio.create_task(self._watch())

    def stop(self) -> None:
        """Watch it no longer."""
        if self._watching:
            self._watching.cancel()

    async def _watch(self) -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(PERIOD)
            self._seconds += (time.monotonic() - asked - PERIOD - self._seconds) / 4
