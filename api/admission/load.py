"""How much at once: places that are few, memory that is bounded, and a limit that learns from how long things wait."""

import asyncio
import ctypes
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from api.errors import Overloaded

T = TypeVar("T")

M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 1024 * 1024  # as in glibc's malloc.h; bytes


class Pool:
    """Threads for blocking work with a bounded line before them; who finds it full gets 429 at once."""

    def __init__(self, name: str, threads: int, waiting: int, note: Callable[[int], object] = lambda _: None) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._threads, self._most, self._inside = threads, threads + waiting, 0
        self._lock, self._note = threading.Lock(), note

    async def run(self, work: Callable[[], T], abandon: Callable[[], None] = lambda: None) -> T:
        """The work's result. Where the caller gives up, `abandon` is called, so that the work ends early if it can.

        Raises Overloaded where no place is free, and whatever the work raises.
        """
        self._count(1)
        future = self._executor.submit(copy_context().run, work)
        future.add_done_callback(lambda _: self._count(-1))
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            abandon()
            raise

    def _count(self, change: int) -> None:
        """One more or one fewer inside; `note` hears how many of them wait. Raises Overloaded where none may come."""
        with self._lock:
            if self._inside + change > self._most:
                raise overloaded()
            self._inside += change
            self._note(max(0, self._inside - self._threads))

    def close(self) -> None:
        """Let no more work in, and forget what waits."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Memory:
    """Bytes that may be in use at once; who wants more waits until others have given theirs back, each in its turn."""

    def __init__(self, most: int) -> None:
        self._most, self._used, self._change = most, 0, threading.Condition()
        self._waiting: deque[object] = deque()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Hold so many bytes, or all there are where it wants more than that; blocks."""
        wanted, turn = min(wanted, self._most), object()
        with self._change:
            self._waiting.append(turn)
            self._change.wait_for(lambda: self._waiting[0] is turn and self._used + wanted <= self._most)
            self._waiting.popleft()
            self._used += wanted
            self._change.notify_all()
        try:
            yield
        finally:
            with self._change:
                self._used -= wanted
                self._change.notify_all()


class Line:
    """Bytes of work that waits for memory or has it; who would make that too many gets 429 at once.

    On the event loop's thread only.
    """

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0

    @contextmanager
    def place(self, wanted: int) -> Iterator[None]:
        """Stand in line with so many bytes. Raises Overloaded."""
        if self._bytes + wanted > self._most:
            raise overloaded()
        self._bytes += wanted
        try:
            yield
        finally:
            self._bytes -= wanted


class Held:
    """Bytes of uploads and answers that the process holds; on the event loop's thread only."""

    def __init__(self, most: int, note: Callable[[int], object] = lambda _: None) -> None:
        self._most, self._bytes, self._note = most, 0, note

    def add(self, more: int) -> None:
        """Count bytes, until they are freed. Raises Overloaded where that is too many."""
        self._bytes += more
        self._note(self._bytes)
        if self._bytes > self._most:
            raise overloaded()

    def free(self, bytes: int) -> None:
        """Count them off."""
        self._bytes -= bytes
        self._note(self._bytes)


@dataclass(frozen=True)
class Spent:
    """Where a finished request's time went, in seconds; `work` is what decoding took of a processor."""

    queue: float
    decode: float
    inference: float
    work: float
    total: float


class Load:
    """How many requests may be inside at once: more while they are quick, fewer while they wait.

    A request's own work is its decoding and the endpoint's answer when it has nothing else to do: the best average so
    far. Where requests take a quarter longer, there is a line, here or in the endpoint: a longer one would make
    everybody wait and nobody faster. On the event loop's thread only.
    """

    NOW, USUAL = 8, 64  # requests, about, that an average remembers: how it is now, and how it usually is
    STRETCH = 1.25  # times its own work that a request may take
    GROWTH = 0.3  # places more for as many answers as there are places
    FIRST, LEAST = 8, 2  # a second client is let in whatever happens, unless more are refused than answered

    def __init__(self, most: int) -> None:
        self._most, self.inside = most, 0
        self.limit = float(min(self.FIRST, most))
        self._total = self._work = self._inference = self._best = 0.0
        self._since_cut = self._refused = 0
        self._refusals = 0.0  # for each answer

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self.inside >= int(self.limit)

    def admit(self) -> None:
        """Raises Overloaded where one more would be too many; takes no place."""
        if self.full:
            self._refused += 1
            raise overloaded()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Be inside. Raises Overloaded."""
        self.admit()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    def learn(self, spent: Spent) -> None:
        """Note where an answered request's time went, before it leaves its place."""
        self._average(spent)
        self._since_cut += 1
        if self.inside < self.limit / 2:
            return  # few are inside, so it says nothing of many
        if self._total <= self.STRETCH * (self._work + self._best):
            self.limit = min(float(self._most), self.limit + self.GROWTH / self.limit)
        elif self._since_cut > self.limit:  # those who came after the last cut are out: now it shows
            least = min(1.0 if self._refusals > 1 else float(self.LEAST), float(self._most))
            if self.limit <= least:
                self._best *= 1.05  # with so few inside, the endpoint itself has become slower
            self.limit, self._since_cut = max(least, self.limit * 0.8), 0

    def _average(self, spent: Spent) -> None:
        now, usual = (1 / self.NOW, 1 / self.USUAL) if self._best else (1.0, 1.0)
        self._total += now * (spent.total - self._total)
        self._work += now * (spent.work - self._work)
        self._inference += usual * (spent.inference - self._inference)
        self._best = min(self._inference, self._best or self._inference)
        self._refusals += now * (self._refused - self._refusals)
        self._refused = 0


def give_memory_back() -> None:
    """Have large blocks go back to the system once they are free, where the C library is glibc.

    By itself it learns from the first large image to keep such blocks, and 40 megapixels leave 100 MB behind.
    """
    with suppress(OSError, AttributeError):  # no such library, or one without this
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def overloaded() -> Overloaded:
    """What everybody is told for whom there is no room."""
    return Overloaded("More is being worked on than may wait. Try again in a second.", retry_after=1)
