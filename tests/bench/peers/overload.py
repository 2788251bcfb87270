"""Three times what the gateway can do: as much is answered as before, in time, and all others hear 429 at once."""

import asyncio
import time
from functools import partial

import uvloop

from api.settings import Settings
from tests.bench.peers.load import Load, closed_loop, told
from tests.bench.peers.running import IMAGE, Subject, endpoint, running
from tests.bench.tables import Promises, table
from tests.bench.traffic import Asked, Traffic, offered, percentile

TIMES = 3
CLIENTS = (4, 16)  # in the closed loops that what it can do is the best of
REST_SECONDS = 3.0
PROMISED_RATE, MOST_REJECTION_MS, PROMISED_AFTER = 0.95, 50.0, 0.9
QUEUE_MS = 1000 * float(Settings.model_fields["queue_seconds"].default)


def overload(seconds: float) -> tuple[str, Promises]:
    """The table, and what the gateway promises of it."""
    with endpoint() as url, running(url, 5) as gateway:
        return uvloop.run(_overload(gateway, seconds))


async def _overload(gateway: Subject, seconds: float) -> tuple[str, Promises]:
    each = max(2.0, seconds / 12)
    alone, before = await unloaded(gateway, each), await best(gateway, each)
    ends, generator = time.perf_counter() + seconds, time.process_time()
    answers = await _offered(gateway, TIMES * before.rate, seconds)
    generator = time.process_time() - generator
    await asyncio.sleep(REST_SECONDS)
    alone_after, after = await unloaded(gateway, each), await best(gateway, each)
    accepted = [one for one in answers if one.status == 200]
    rate = sum(one.ended < ends for one in accepted) / seconds
    rejected = [one for one in answers if one.status == 429]
    rows = [
        ["one client", *_cells(alone)],
        ["closed loop, the best", *_cells(before)],
        [f"{TIMES} times as many, accepted", f"{rate:.1f}", *_percentiles(accepted)],
        [f"{TIMES} times as many, rejected", f"{len(rejected) / seconds:.1f}", *_percentiles(rejected)],
        ["afterwards, one client", *_cells(alone_after)],
        ["afterwards, closed loop", *_cells(after)],
    ]
    page = table(["5 ms endpoint", "a second", "p50 ms", "p99 ms"], rows)
    page += f"\nOffered {len(answers) / seconds:.0f} a second for {seconds:g} s: {told(answers)}. "
    page += f"The load generator took {100 * generator / seconds:.0f} % of a core.\n"
    share, slowest = rate / before.rate, percentile(accepted, 0.99)
    refusal, most = percentile(rejected, 0.99), QUEUE_MS + 3 * alone.p(99)
    return page, {
        f"{share:.2f} of the best closed loop is answered, at least {PROMISED_RATE}": share >= PROMISED_RATE,
        f"accepted p99 is {slowest:.0f} ms, under {most:.0f}": slowest < most,
        f"rejected p99 is {refusal:.0f} ms, under {MOST_REJECTION_MS:g}": refusal < MOST_REJECTION_MS,
        "nothing else than 200 and 429": {one.status for one in answers} <= {200, 429},
        f"afterwards {after.rate / before.rate:.2f} of before, at least {PROMISED_AFTER}": after.rate
        >= PROMISED_AFTER * before.rate,
    }


async def unloaded(gateway: Subject, seconds: float) -> Load:
    """One client."""
    return await closed_loop(gateway, 1, seconds)


async def best(gateway: Subject, seconds: float) -> Load:
    """The closed loop that most is answered in."""
    loads = [await closed_loop(gateway, clients, seconds) for clients in CLIENTS]
    return max(loads, key=lambda load: load.rate)


async def _offered(gateway: Subject, rate: float, seconds: float) -> list[Asked]:
    traffic = Traffic(gateway.url)
    answers = await offered(partial(traffic.ask, IMAGE), rate, seconds)
    traffic.close()
    return answers


def _cells(load: Load) -> list[str]:
    return [f"{load.rate:.1f}", *_percentiles(load.accepted)]


def _percentiles(answers: list[Asked]) -> list[str]:
    return [f"{percentile(answers, share):.0f}" for share in (0.5, 0.99)]
