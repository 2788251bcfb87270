"""Two workers with two cores, and one with one: all that takes part, the stand-in and the load generator too."""

from contextlib import ExitStack

import uvloop

from tests.bench.endpoint import kept_on
from tests.bench.peers.load import Load, closed_loop, together
from tests.bench.peers.running import endpoint, running
from tests.bench.tables import Promises, table

CLIENTS = 16
PROMISED = 1.7


def cores(rounds: int, seconds: float) -> tuple[str, Promises]:
    """The table, and what the gateway promises of it."""
    taken: dict[str, list[Load]] = {"one worker, all on one core": [], "two workers, all on two cores": []}
    one, two = taken
    with ExitStack() as stack:
        with kept_on(1):
            alone = stack.enter_context(running(stack.enter_context(endpoint()), 5))
        free = stack.enter_context(running(stack.enter_context(endpoint()), 5, "--workers", "2"))
        for _ in range(rounds):
            with kept_on(1):
                taken[one].append(uvloop.run(closed_loop(alone, CLIENTS, seconds)))
            taken[two].append(uvloop.run(closed_loop(free, CLIENTS, seconds)))
    loads = {name: together(rounds) for name, rounds in taken.items()}
    rows = [[name, f"{load.rate:.1f}", f"{load.cpu_ms:.1f}", f"{load.megabytes:.0f}"] for name, load in loads.items()]
    ratio = loads[two].rate / loads[one].rate
    return table([f"5 ms endpoint, {CLIENTS} clients", "answered a second", "CPU ms each", "resident MB"], rows), {
        f"two workers on two cores answer {ratio:.2f} times as many as one on one, at least {PROMISED}": ratio
        >= PROMISED
    }
