"""What one address does at its worst, from a process of its own, so that nobody else's clock waits for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import uvloop

from tests.bench.peers.running import IMAGE
from tests.bench.traffic import Asked, Traffic, form, post
from tests.hostile import hostile

BOMBS = (
    "a profile of 20,000 steps",
    "a resolution of 1.2 million fractions",
    "an orientation of 1.2 million fractions",
    "800,000 Photoshop blocks",
    "40 megapixels in 36 bytes",
    "50 megapixels",
    "sixteen scans of 50 megapixels",
)
ENOUGH = 10 * 1024 * 1024 - 1024  # bytes of a stalled upload
BOMB_CONNECTIONS, STALLED_CONNECTIONS = 4, 12


@dataclass(frozen=True)
class Attack:
    """So many connections that each send this request, again as soon as it is answered, or when it may."""

    connections: int
    request: bytes
    obeys: bool = False
    stalls: bool = False


def attacks() -> Mapping[str, Attack]:
    """By what they are; made anew, since their requests are large."""
    made = {f"{connections} connections": Attack(connections, IMAGE) for connections in (8, 64)}
    for name in BOMBS:
        for obeys in (True, False):
            told = f"{name}, {'obeying' if obeys else 'ignoring'} `Retry-After`"
            made[told] = Attack(BOMB_CONNECTIONS, post(hostile(name)), obeys)
    for path in ("/detect", "/v1/vision/detection"):
        stalled = Attack(STALLED_CONNECTIONS, form(bytes(ENOUGH), path), stalls=True)
        made[f"{STALLED_CONNECTIONS} stalled uploads to `{path}`"] = stalled
    return made


def carry_out(attack: Attack, url: str, address: str, seconds: float) -> list[Asked]:
    """Attack for so long, from this address; the answers."""
    return uvloop.run(_carry_out(attack, Traffic(url, address), seconds))


async def _carry_out(attack: Attack, traffic: Traffic, seconds: float) -> list[Asked]:
    answers = list[Asked]()
    send: Callable[[bytes], Awaitable[Asked]] = traffic.stall if attack.stalls else traffic.ask

    async def connection() -> None:
        while True:
            answers.append(await send(attack.request))
            await asyncio.sleep(answers[-1].retry_after if attack.obeys else 0)

    connections = [asyncio.ensure_future(connection()) for _ in range(attack.connections)]
    await asyncio.sleep(seconds)
    for one in connections:
        one.cancel()
    await asyncio.wait(connections)
    traffic.close()
    return answers
