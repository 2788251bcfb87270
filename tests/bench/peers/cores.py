"""Two workers on two cores, and one that is kept on one."""

import asyncio
import os

from tests.bench.peers.load import Load, closed_loop, together
from tests.bench.peers.running import endpoint, running
from tests.bench.tables import Promises, table

CLIENTS = 16
PROMISED = 1.7


def cores(rounds: int, seconds: float) -> tuple[str, Promises]:
    """The table, and what the gateway promises of it."""
    first = min(os.sched_getaffinity(0))
    taken: dict[str, list[Load]] = {"one worker on one core": [], "two workers on all cores": []}
    one, two = taken
    with endpoint() as url, running(url, 5, core=first) as pinned, running(url, 5, "--workers", "2") as free:
        for _ in range(rounds):
            for name, subject in ((one, pinned), (two, free)):
                taken[name].append(asyncio.run(closed_loop(subject, CLIENTS, seconds)))
    loads = {name: together(rounds) for name, rounds in taken.items()}
    rows = [[name, f"{load.rate:.1f}", f"{load.cpu_ms:.1f}", f"{load.megabytes:.0f}"] for name, load in loads.items()]
    ratio = loads[two].rate / loads[one].rate
    return table([f"5 ms endpoint, {CLIENTS} clients", "answered a second", "CPU ms each", "resident MB"], rows), {
        f"two workers on two cores answer {ratio:.2f} times as many as one on one, at least {PROMISED}": ratio
        >= PROMISED
    }
