"""Where a request's time goes."""

import time
from collections.abc import Callable
from typing import TypeVar

from api.admission.load import Spent
from api.schema import Timing

T = TypeVar("T")


class Clock:
    """One request's stages; written from worker threads one after the other."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent = {"decode": 0.0, "queue": 0.0, "inference": 0.0}
        self._work = 0.0

    def timed(self, stage: str, work: Callable[[], T]) -> Callable[[], T]:
        """The work, timed as this stage; what passes between now and its start was spent in a queue."""
        asked = time.perf_counter()

        def run() -> T:
            started, worked = time.perf_counter(), time.thread_time()
            self._spent["queue"] += started - asked
            try:
                return work()
            finally:
                self._spent[stage] += time.perf_counter() - started
                self._work += time.thread_time() - worked

        return run

    @property
    def spent(self) -> Spent:
        """Seconds so far."""
        return Spent(**self._spent, work=self._work, total=time.perf_counter() - self._started)

    def timing(self) -> Timing:
        """Milliseconds so far."""
        spent = {**self._spent, "total": time.perf_counter() - self._started}
        return Timing(**{stage: round(seconds * 1000, 1) for stage, seconds in spent.items()})
