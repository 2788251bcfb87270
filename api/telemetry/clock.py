"""Where a request's time goes."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from api.schema import Timing

Stage = Literal["queue", "decode", "inference"]


class Clock:
    """One request's stages, in seconds."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.spent: dict[Stage, float] = {"decode": 0.0, "queue": 0.0, "inference": 0.0}

    def add(self, stage: Stage, seconds: float) -> None:
        """So much more was spent in this stage."""
        self.spent[stage] += seconds

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """What happens meanwhile is part of this stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add_longest(self, clocks: "Sequence[Clock]") -> None:
        """What happened side by side counts by the one that took longest."""
        for stage in self.spent:
            self.add(stage, max((clock.spent[stage] for clock in clocks), default=0.0))

    def timing(self) -> Timing:
        """Milliseconds so far."""
        total = time.perf_counter() - self._started
        milliseconds = {stage: round(seconds * 1000, 1) for stage, seconds in self.spent.items()}
        return Timing(**milliseconds, total=round(total * 1000, 1))
