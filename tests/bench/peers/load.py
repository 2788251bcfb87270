"""Load on one subject: clients in a closed loop, seen through a window that begins when all of them are at work."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.bench.peers.running import IMAGE, Subject
from tests.bench.traffic import Asked, Traffic, closed, percentile, statuses

WARM_SECONDS = 0.8  # longer than the slower endpoint takes
LOOK_SECONDS = 0.25  # between two looks at the memory


@dataclass(frozen=True)
class Load:
    """What came of it: the answers of so many seconds, the subject's and the generator's processor time meanwhile."""

    answers: list[Asked]
    seconds: float
    cpu_seconds: float
    generator_seconds: float
    megabytes: float

    @property
    def accepted(self) -> list[Asked]:
        """Those that were answered."""
        return [one for one in self.answers if one.status == 200]

    @property
    def rate(self) -> float:
        """Answered a second."""
        return len(self.accepted) / self.seconds

    @property
    def refused(self) -> float:
        """Not answered a second: 429, or anything else than 200."""
        return len(self.answers) / self.seconds - self.rate

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of a core for each answered request."""
        return 1000 * self.cpu_seconds / max(1, len(self.accepted))

    @property
    def generator(self) -> float:
        """Share of a core that the load generator took."""
        return self.generator_seconds / self.seconds

    def p(self, percent: int) -> float:
        """A percentile of the answered requests, in milliseconds."""
        return percentile(self.accepted, percent / 100)


def together(loads: Iterable[Load]) -> Load:
    """Several rounds as one."""
    rounds = list(loads)
    return Load(
        [answer for load in rounds for answer in load.answers],
        sum(load.seconds for load in rounds),
        sum(load.cpu_seconds for load in rounds),
        sum(load.generator_seconds for load in rounds),
        max(load.megabytes for load in rounds),
    )


async def closed_loop(subject: Subject, clients: int, seconds: float) -> Load:
    """So many clients without pauses; what is answered within the seconds after they have warmed up."""
    traffic = Traffic(subject.url)
    load = asyncio.ensure_future(closed(lambda: traffic.ask(IMAGE), clients, WARM_SECONDS + seconds))
    await asyncio.sleep(WARM_SECONDS)
    started, cpu, generator = time.perf_counter(), subject.cpu_seconds(), time.process_time()
    megabytes = await most_megabytes(subject, started + seconds)
    ended, cpu, generator = time.perf_counter(), subject.cpu_seconds() - cpu, time.process_time() - generator
    answers = [one for one in await load if started <= one.ended < ended]
    traffic.close()
    return Load(answers, ended - started, cpu, generator, megabytes)


async def most_megabytes(subject: Subject, until: float) -> float:
    """The most that it holds up to then."""
    most = subject.megabytes()
    while (left := until - time.perf_counter()) > 0:
        await asyncio.sleep(min(LOOK_SECONDS, left))
        most = max(most, subject.megabytes())
    return most


def told(answers: Iterable[Asked]) -> str:
    """How many got which status."""
    return ", ".join(f"{count:,} × {status or 'broken off'}" for status, count in statuses(answers).items())
