"""One queue for one kind of work: never idle while anybody waits, bounded in time, and fair to each caller.

Fair by start-time fair queueing (Goyal, Vin, Cheng: Start-time Fair Queuing, SIGCOMM 1996): each piece of work is
stamped with the virtual time at which it would start if its caller had an equal share, and the earliest goes first. A
caller alone has everything; one who asks for much waits behind their own work, and nobody else does.
"""

import asyncio
import math
import time
from bisect import bisect, bisect_left, insort
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from api.errors import Overloaded

LONG = 0.25  # seconds; while work takes longer than this, callers who have none running get one slot more
LARGEST_SHARE = 7 / 8  # of the memory, that one piece of work counts for: what is small always fits beside it
REMEMBERED = 64  # pieces of work, about, that the pace is an average of: with fewer the estimated wait is 10 % off
MAX_KNOWN = 10_000  # callers whose stamps are kept


Begin = Callable[[Callable[[], None]], None]  # is given what gives the slot back


@dataclass(order=True)
class Work:
    """A piece of work that waits or runs. `start` is its stamp; `cost` is in seconds, about; `memory` in bytes."""

    start: float
    number: int
    caller: str = field(compare=False)
    cost: float = field(compare=False)
    memory: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)
    begin: Begin = field(compare=False)
    left: bool = field(compare=False, default=False)
    since: float = field(compare=False, default=0.0)
    arrived: float = field(compare=False, default_factory=time.monotonic)

    @property
    def waited(self) -> float:
        """Seconds until it was started."""
        return self.since - self.arrived

    @property
    def ran(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.since


class WorkQueue:
    """Work for so many slots, and so many bytes of memory; on the event loop's thread only.

    `pace` is how long work of cost 1 takes, in seconds, until it is measured;
    `note` hears how many more wait, or fewer.
    """

    def __init__(
        self,
        slots: int,
        *,
        pace: float = 1.0,
        memory: float = math.inf,
        spare_slot: bool = False,
        note: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._slots, self._memory, self._spare, self._note = slots, memory, int(spare_slot), note
        self._pace, self._slowest, self._fastest, self._measured = pace, pace * 10, pace / 10, 1
        self._works = Counter[str]()
        self._waiting: list[Work] = []
        self._waiting_cost = 0.0
        self._running: list[Work] = []
        self._now, self._count, self._noted = 0.0, 0, 0  # virtual time; pieces of work so far; waiting when last noted
        self._finish: dict[str, float] = {}  # virtual time at which each caller has had what he asked for

    def wait(self, caller: str, cost: float) -> float:
        """Seconds, about, until work of this caller would be started."""
        if not self._waiting and len(self._running) < self._slots:
            return 0.0
        start = self._start_of(caller)
        position = self._position(start)
        behind = sum(work.cost for work in self._waiting[position:])  # of few: who asks for much asks often
        ahead = self._waiting_cost - behind
        return (ahead + cost) * self._pace / self._slots

    def has_work_of(self, caller: str) -> bool:
        """Whether work of this caller waits or runs."""
        return self._works[caller] > 0

    @asynccontextmanager
    async def turn(
        self, caller: str, cost: float, memory: int = 0, begin: Begin = lambda _: None
    ) -> AsyncIterator[Work]:
        """Wait for this caller's turn, and hold a slot; what it takes longer than its cost the caller pays later.

        `begin` is called the moment that the turn comes, and may give the slot back before its holder does: so one
        piece of work follows the other without a turn of the event loop between them.
        """
        work = self._enqueue(caller, cost, memory, begin)
        try:
            await work.turn
            yield work
        finally:
            self._leave(work)

    def _enqueue(self, caller: str, cost: float, memory: int, begin: Begin) -> Work:
        self._count += 1
        turn = asyncio.get_running_loop().create_future()
        memory = int(min(memory, LARGEST_SHARE * self._memory))
        work = Work(self._start_of(caller), self._count, caller, cost, memory, turn, begin)
        self._finish[caller] = work.start + cost
        self._works[caller] += 1
        insort(self._waiting, work)
        self._waiting_cost += cost
        self._start_next()
        return work

    def _start_of(self, caller: str) -> float:
        return max(self._now, self._finish.get(caller, 0.0))

    def _position(self, start: float) -> int:
        return bisect(self._waiting, start, key=lambda work: work.start)

    def _start_next(self) -> None:
        """Give free slots to those whose turn it is; what waits for memory keeps it from what comes behind."""
        reserved, index = 0, 0
        busy = Counter(work.caller for work in self._running)
        while index < len(self._waiting) and len(self._running) < self._slots + self._spare_now():
            work = self._waiting[index]
            if work.turn.cancelled():
                self._pop(index)
            elif not self._fits(work, reserved):
                reserved = reserved or work.memory
                index += 1
            elif len(self._running) >= self._slots and busy[work.caller]:
                index += 1
            else:
                self._start(self._pop(index))
                busy[work.caller] += 1
        self._note(len(self._waiting) - self._noted)
        self._noted = len(self._waiting)

    def _pop(self, index: int) -> Work:
        work = self._waiting.pop(index)
        self._waiting_cost = self._waiting_cost - work.cost if self._waiting else 0.0
        return work

    def _fits(self, work: Work, reserved: int) -> bool:
        """Whether its memory is free now, and would be beside what is reserved."""
        used = sum(running.memory for running in self._running)
        return max(used, reserved) + work.memory <= self._memory

    def _spare_now(self) -> int:
        """One slot more, for callers who have no work running, while other work takes long."""
        return self._spare if any(running.ran >= LONG for running in self._running) else 0

    def _start(self, work: Work) -> None:
        self._now = max(self._now, work.start)
        work.since = time.monotonic()
        self._running.append(work)
        work.turn.set_result(None)
        work.begin(lambda: self._leave(work))
        if self._spare:
            asyncio.get_running_loop().call_later(LONG, self._start_next)

    def _leave(self, work: Work) -> None:
        if work.left:
            return
        work.left = True
        self._works[work.caller] -= 1
        if not self._works[work.caller]:
            del self._works[work.caller]
        if work in self._running:
            self._running.remove(work)
            self._learn(work)
        else:  # its caller is gone
            index = bisect_left(self._waiting, work)
            if self._waiting[index : index + 1] == [work]:
                self._pop(index)
            self._finish[work.caller] -= work.cost
        self._start_next()
        if len(self._finish) > MAX_KNOWN:
            self._finish = {caller: at for caller, at in self._finish.items() if at > self._now}

    def _learn(self, work: Work) -> None:
        """How long it took says how long others will; its caller alone pays for what it took beyond its cost."""
        ran = work.ran
        pace = min(max(ran / work.cost, self._fastest), self._slowest)
        self._measured = min(self._measured + 1, REMEMBERED)
        self._pace += (pace - self._pace) / self._measured
        self._finish[work.caller] += max(0.0, ran / self._pace - work.cost)


def check_wait(waits: Mapping[str, float], longest: float) -> None:
    """Raises Overloaded where these waits, by the names of their queues, are longer together than a wait may be."""
    seconds = sum(waits.values())
    if seconds > longest:
        limit = max(waits, key=waits.__getitem__)
        again = max(1, math.ceil(seconds - longest))
        detail = f"The queue is full: the wait would be {seconds:.1f} s, over {longest:g} s. Try again in {again} s."
        raise Overloaded(detail, retry_after=again, limit=limit)
