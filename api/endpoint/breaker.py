"""The breaker: leaves a failing endpoint alone, and finds out by single tries when it is well again."""

import math
import threading
import time
from typing import Literal

from api.errors import DeadlineExceeded, DetectError, EndpointFailed, EndpointUnavailable

State = Literal["closed", "open", "half-open"]


class Breaker:
    """Open after so many faults in a row, for a second at first; each failed try doubles that, up to `longest`."""

    def __init__(self, faults: int, first: float = 1.0, longest: float = 30.0) -> None:
        self._most, self._first, self._longest = faults, first, longest
        self._lock = threading.Lock()
        self._faults, self._pause, self._opens_at, self._trying = 0, first, 0.0, False

    @property
    def state(self) -> State:
        """Closed: all pass. Open: none does. Half-open: one may try."""
        if self._faults < self._most:
            return "closed"
        return "open" if time.monotonic() < self._opens_at else "half-open"

    def enter(self) -> None:
        """Ask to pass; one of the three below must follow. Raises EndpointUnavailable where none may."""
        with self._lock:
            state = self.state
            if state == "open" or (state == "half-open" and self._trying):
                wait = max(1, math.ceil(self._opens_at - time.monotonic()))
                raise EndpointUnavailable(
                    "The circuit breaker is open: the endpoint failed several times in a row.", retry_after=wait
                )
            self._trying = state == "half-open"

    def success(self) -> None:
        """The endpoint answered."""
        with self._lock:
            self._faults, self._pause, self._trying = 0, self._first, False

    def fault(self) -> None:
        """The endpoint failed."""
        with self._lock:
            self._pause = min(2 * self._pause, self._longest) if self._trying else self._pause
            self._faults, self._trying = self._faults + 1, False
            if self._faults >= self._most:
                self._opens_at = time.monotonic() + self._pause

    def neither(self) -> None:
        """The call says nothing of the endpoint's health."""
        with self._lock:
            self._trying = False


def is_fault(error: DetectError, in_time: bool) -> bool:
    """Whether it speaks against the endpoint; an image that the model refuses, or a cold start, does not."""
    if isinstance(error, EndpointFailed):
        status = error.members.get("endpoint_status")
        return not (isinstance(status, int) and 400 <= status < 500)
    if isinstance(error, EndpointUnavailable):
        return error.again != "patiently"
    return in_time or not isinstance(error, DeadlineExceeded)
