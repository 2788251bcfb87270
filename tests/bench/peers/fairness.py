"""While one address does its worst, a client from another has its images answered."""

import asyncio
import multiprocessing
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

import uvloop

from tests.bench.peers.attacks import Attack, attacks, carry_out
from tests.bench.peers.load import most_megabytes, told
from tests.bench.peers.running import IMAGE, Subject, endpoint, running
from tests.bench.tables import Promises, table
from tests.bench.traffic import Asked, Traffic, offered, percentile

ANOTHER_ADDRESS = "127.0.0.2"
ATTACKING = "127.0.1.{}"  # each attack from an address of its own, which nothing is held against yet
IMAGES_A_SECOND = 2
HEAD_START = 0.5  # seconds that the attack has
PROMISED_SHARE, MOST_MS = 0.99, 1500.0


class Outcome(NamedTuple):
    """What the other client and the attacker heard, and the most memory that the gateway had."""

    served: list[Asked]
    heard: list[Asked]
    megabytes: float

    @property
    def accepted(self) -> list[Asked]:
        """The other's images that were answered."""
        return [one for one in self.served if one.status == 200]

    @property
    def share(self) -> float:
        """How many of them were."""
        return len(self.accepted) / len(self.served)

    def p(self, percent: int) -> float:
        """A percentile of them, in milliseconds."""
        return percentile(self.accepted, percent / 100)


def fairness(seconds: float) -> tuple[str, Promises]:
    """The table, and what the gateway promises of it."""
    rows, promises = [], Promises()
    spawn = multiprocessing.get_context("spawn")
    with endpoint() as url, running(url, 5) as gateway, ProcessPoolExecutor(1, spawn) as attacker:
        for number, (name, attack) in enumerate(attacks().items(), 1):
            outcome = uvloop.run(beside(gateway, attack, attacker, ATTACKING.format(number), seconds))
            share, slowest = f"{100 * outcome.share:.0f} %", outcome.p(99)
            waits = f"{outcome.p(50):.0f} / {slowest:.0f}"
            rows.append([name, share, waits, told(outcome.heard), f"{outcome.megabytes:.0f}"])
            held = outcome.share >= PROMISED_SHARE and slowest < MOST_MS
            promises[f"{name}: {share} of the other's answered, p99 {slowest:.0f} ms, under {MOST_MS:g}"] = held
    head = ["one address sends", "answered to another", "p50 / p99 ms", "what the first hears", "resident MB"]
    return table(head, rows), promises


async def beside(gateway: Subject, attack: Attack, attacker: Executor, address: str, seconds: float) -> Outcome:
    """A client with an image now and then, beside the attack."""
    attacking = asyncio.get_running_loop().run_in_executor(
        attacker, carry_out, attack, gateway.url, address, HEAD_START + seconds
    )
    await asyncio.sleep(HEAD_START)
    traffic = Traffic(gateway.url, ANOTHER_ADDRESS)
    served, megabytes = await asyncio.gather(
        offered(partial(traffic.ask, IMAGE), IMAGES_A_SECOND, seconds),
        most_megabytes(gateway, time.perf_counter() + seconds),
    )
    traffic.close()
    return Outcome(served, await attacking, megabytes)
